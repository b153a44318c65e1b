"""Crash reports as text, against goldens that were read before they were accepted (``tests/unit/data``)."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_cgosafe.crash.render import render_crash, render_hang
from pytest_cgosafe.crash.text import columns, short_function
from pytest_cgosafe.results import (
    Backtrace,
    Crash,
    CreatedBy,
    Frame,
    Gap,
    GoroutineGroup,
    Hang,
    Language,
    Recursion,
    Register,
    StackKind,
    Variable,
)

DATA = Path(__file__).parent / "data"
C, GO, ASM = Language.C, Language.GO, Language.ASM
THREAD, GOROUTINE, SIGNAL = StackKind.THREAD, StackKind.GOROUTINE, StackKind.SIGNAL


def frame(
    function: str | None,
    language: Language | None,
    place: str | None,
    stack: StackKind,
    size: int | None = None,
    args: str | None = None,
) -> Frame:
    file, _, line = place.rpartition(":") if place else (None, None, "")
    return Frame(
        function,
        language,
        file,
        int(line) if line else None,
        stack,
        0x4B8978,
        0x7FFE0000,
        size,
        args,
    )


CGO_CALL = (
    frame(
        "_cgo_2bde28e44cee_Cfunc_parse_file",
        C,
        "/tmp/go-build/cgo-gcc-prolog:48",
        THREAD,
        32,
        "v=0xc000",
    ),
    frame("runtime.asmcgocall", ASM, "/usr/local/go/src/runtime/asm_amd64.s:995", THREAD, 16),
    frame(
        "runtime.cgocall",
        GO,
        "/usr/local/go/src/runtime/cgocall.go:185",
        GOROUTINE,
        56,
        "fn=0x40, arg=0xc0",
    ),
    frame("main._Cfunc_parse_file", GO, "./_cgo_gotypes.go:54", GOROUTINE, 40, "p0=0x7f"),
)
GO_SIDE = (
    frame("main.load", GO, "/home/me/app/load.go:19", GOROUTINE, 344, 'path="a.conf"'),
    frame("main.main.func1", GO, "/home/me/app/main.go:29", GOROUTINE, 40),
    frame("runtime.goexit", ASM, "/usr/local/go/src/runtime/asm_amd64.s:1771", GOROUTINE, 8),
)
OTHERS = (
    GoroutineGroup(1, "chan receive", "main.main"),
    GoroutineGroup(1, "force gc (idle)", None),
    GoroutineGroup(2, "GC worker (idle)", None),
)


@pytest.fixture
def lexer(tmp_path: Path) -> str:
    """A C source whose line 88 declares an array, at a path too long for its column."""
    source = tmp_path / "lexer.c"
    source.write_text("\n" * 87 + "\tchar token[128];\n")
    return str(source)


def overflow(lexer: str) -> Crash:
    deep = [
        frame("parse", C, f"{lexer}:{88 if n == 0 else 90}", THREAD, 160, f"depth={-n}")
        for n in range(64)
    ]
    backtrace = Backtrace(
        9745,
        6,
        (
            *deep,
            frame("parse_file", C, f"{lexer}:140", THREAD, 48, 'path="a.conf"'),
            *CGO_CALL,
            *GO_SIDE,
        ),
        (Gap(64, "the same four return addresses repeat", 52_247),),
        CreatedBy("main.main", "/home/me/app/main.go", 29, 1),
    )
    cause = "stack overflow in `parse` on the thread stack of thread 9745"
    recursion = Recursion(("parse",), 52_311, 160)
    return Crash(
        "SIGSEGV",
        "SEGV_MAPERR",
        0x7FFE3CC35130,
        cause,
        backtrace,
        recursion=recursion,
        others=OTHERS,
    )


def callback() -> Crash:
    frames = (
        frame("runtime.gopanic", GO, "/usr/local/go/src/runtime/panic.go:809", GOROUTINE, 176),
        frame(
            "main.visit",
            GO,
            "/home/me/app/visit.go:12",
            GOROUTINE,
            152,
            "n=0, seen={data=0xc00001, len=3, cap=4}",
        ),
        frame("_cgoexp_2bde28e44cee_visit", GO, "./_cgo_gotypes.go:55", GOROUTINE, 32),
        frame(
            "runtime.cgocallback", ASM, "/usr/local/go/src/runtime/asm_amd64.s:1160", GOROUTINE, 40
        ),
        frame("crosscall2", ASM, "/usr/local/go/src/runtime/cgo/asm_amd64.s:43", THREAD, 88),
        frame("visit", C, "_cgo_export.c:53", THREAD, 48),
        frame("walk_all", C, "/home/me/app/walk.c:9", THREAD, 64, "count=3"),
        *CGO_CALL,
        frame("main.load.func1", GO, "/home/me/app/load.go:19", GOROUTINE, 64),
        *GO_SIDE,
    )
    return Crash(
        None, None, None, "panic: no such node", Backtrace(12, 1, frames), others=OTHERS[:1]
    )


def awkward() -> Crash:
    frames = (
        frame(None, None, None, THREAD),
        frame(
            "größe_der_Dateien",
            C,
            "/home/ä ö/src/messung von größen und gewichten.c:7",
            THREAD,
            1_500_000,
            "名前=" * 20,
        ),
        frame(
            "github.com/some-body/long-name/v2/pkg.(*Reader[int]).ReadAllTheThings.func2.1",
            GO,
            None,
            GOROUTINE,
        ),
        frame("bad\udcffname", GO, "/x/tab\there.go:1", GOROUTINE, 8, "s=\x1b[31m"),
    )
    gaps = (
        Gap(1, "no unwind information for the code at 0x7f00dead0000, which a JIT compiler wrote"),
    )
    note = "gdb could not read the locals of two frames, because they were optimised out or their type is unknown"
    return Crash(
        "SIGBUS",
        None,
        None,
        "SIGBUS at address 0x10",
        Backtrace(None, None, frames, gaps),
        notes=(note,),
    )


def full(lexer: str) -> Crash:
    crash = overflow(lexer)
    top = replace(
        crash.backtrace.frames[0],
        locals=(Variable("token", '"' + "x" * 100 + '"'), Variable("n", "3")),
    )
    return replace(
        crash,
        backtrace=replace(crash.backtrace, frames=(top, *crash.backtrace.frames[1:])),
        registers=tuple(Register(name, 0x7FFE3CC35130) for name in ("rax", "rbx", "rsp", "eflags")),
        words=(1, 2, 3),
    )


def check(name: str, text: str) -> None:
    golden = DATA / f"{name}.txt"
    if os.environ.get("ACCEPT_GOLDENS"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("name", ["overflow", "callback", "awkward"])
def test_a_crash_reads_as_accepted(name: str, lexer: str) -> None:
    crash = {"overflow": overflow(lexer), "callback": callback(), "awkward": awkward()}[name]
    lines = list(render_crash(crash))
    assert max(map(columns, lines)) <= 80
    check(name, "\n".join(lines) + "\n")


def test_a_full_report_reads_as_accepted(lexer: str) -> None:
    check("full", "\n".join(render_crash(full(lexer), full=True)) + "\n")


def test_a_hang_reads_as_accepted(lexer: str) -> None:
    idle = Backtrace(
        4,
        None,
        (frame("runtime.futex", ASM, "/usr/local/go/src/runtime/sys_linux_amd64.s:570", THREAD),),
    )
    hang = Hang((overflow(lexer).backtrace, idle, replace(idle, tid=5), callback().backtrace))
    check("hang", "\n".join(render_hang(hang)) + "\n")


def test_colour_changes_nothing_but_colour(lexer: str) -> None:
    import re

    plain, painted = (
        list(render_crash(overflow(lexer), colour=colour)) for colour in (False, True)
    )
    assert [re.sub(r"\x1b\[[\d;]*m", "", line) for line in painted] == plain
    assert painted != plain


def test_a_mutual_recursion_is_folded_by_its_cycle() -> None:
    frames = [frame(name, C, "/x.c:1", THREAD, 48) for name in ("even", "odd") * 20]
    lines = list(
        render_crash(Crash("SIGSEGV", None, None, "x", Backtrace(1, None, (*frames, *GO_SIDE))))
    )
    assert [line.split()[0] for line in lines if line.startswith(("  even", "  odd"))] == [
        "even",
        "odd",
    ]
    assert "  ... even <- odd x 19" in lines


def test_a_full_report_shows_every_level_of_a_short_recursion() -> None:
    crash = Crash(
        "SIGSEGV",
        None,
        None,
        "x",
        Backtrace(1, None, (frame("down", C, "/x.c:1", THREAD, 48),) * 8),
    )
    shown = [
        sum(line.startswith("  down") for line in render_crash(crash, full=full))
        for full in (False, True)
    ]
    assert shown == [1, 8]


def test_two_calls_in_a_row_are_no_recursion() -> None:
    frames = [frame("twice", C, "/x.c:1", THREAD, 48)] * 2
    lines = list(render_crash(Crash("SIGSEGV", None, None, "x", Backtrace(1, None, tuple(frames)))))
    assert len([line for line in lines if line.startswith("  twice")]) == 2


def test_a_crash_of_the_runtime_alone_is_not_folded_away() -> None:
    crash = Crash("SIGSEGV", None, None, "x", Backtrace(1, None, (CGO_CALL[1], CGO_CALL[2])))
    text = "\n".join(render_crash(crash))
    assert "runtime.asmcgocall" in text
    assert "folded" not in text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (
            "std::__insertion_sort<normal_iterator<int**, std::vector<int*> >, f()::<lambda(int*)> >(int**, g<int>)",
            "std::__insertion_sort<>",
        ),
        ("std::map<std::basic_string<char, std::allocator<char> >, int>::at", "std::map<>::at"),
        (
            "std::vector<std::pair<long, long> >::operator()(unsigned long)",
            "std::vector<>::operator()",
        ),
        (
            "example.com/a/b/very/long/pkg.(*T[go.shape.int]).Method",
            "pkg.(*T[go.shape.int]).Method",
        ),
        ("short::name<int>", "short::name<int>"),
    ],
)
def test_a_long_name_is_shortened_where_it_says_least(name: str, shown: str) -> None:
    assert short_function(name, 34) == shown
