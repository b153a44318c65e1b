"""Every switch between Go and C is crossed, in real programs that die in many ways."""

from __future__ import annotations

import itertools
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_cgosafe.results import Language, StackKind
from tests.integration.photographing import (
    DEBUG,
    DEBUG_C,
    photograph,
    unnamed_between,
    user_frames,
)

if TYPE_CHECKING:
    from tests.conftest import Build

T, G, S = "thread:", "goroutine:", "signal:"
MAIN = [G + "main.way", G + "main.main.func1"]
LOAD = [T + "null_chain x2", G + "main.(*loader).load"]
C_TO_GO = [G + "main.goFromC", T + "goFromC", T + "c_calls_go", G + "main.again"]
TIGHT_TO_GO = [
    *(G + "tight.tightGo", T + "tightGo", T + "tight_calls_go", G + "tight.CallsGo"),
    G + "main.again",
]

DEATHS = {
    "null": [T + "null_chain x4", G + "main.(*loader).load", *MAIN],
    "nested": [*LOAD, G + "main.again", *(C_TO_GO + TIGHT_TO_GO) * 2, *MAIN],
    "nested-go": [G + "main.readNil", G + "main.again", *C_TO_GO, *TIGHT_TO_GO, *C_TO_GO, *MAIN],
    "tight": [T + "tight_null", G + "tight.Null", *MAIN],
    "call-null": [T + "call_null", *MAIN],
    "call-data": [T + "call_data", *MAIN],
    "smash": [T + "smash_return_address", *MAIN],
    "abort": [T + "give_up", *MAIN],
    "divide": [T + "divide", *MAIN],
    "trap": [T + "trap", *MAIN],
    "map": [T + "read_map_as_struct", G + "main.mapAsStruct", *MAIN],
    "cold": [T + "write_past_end", T + "in_cold_part", *MAIN],
    "noreturn": [T + "last_words", T + "never_returns", *MAIN],
    "thread": [T + "null_chain x3", T + "thread_dies"],
    "thread-go": [*LOAD, G + "main.again", *C_TO_GO, *C_TO_GO[:-1], T + "thread_goes"],
    "after-free": [T + "use_after_free", *MAIN],
    "field-of-null": [T + "field_of_null", *MAIN],
    "method": [
        *(T + "shapes::Square::area", T + "shapes::total<shapes::Square>", T + "cxx_method"),
        *(G + "cxx.Method", *MAIN),
    ],
    "generic": [
        *(*LOAD, G + "main.smaller", G + "main.small", G + "main.way.1"),
        *(G + "main.generic[go.shape.string]", *MAIN),
    ],
    "nil": [G + "main.readNil", *MAIN],
    "init": [T + "null_chain", G + "main.(*loader).load", G + "main.init.0"],
}


@pytest.fixture(scope="session")
def crashes(program: Build) -> Path:
    return program("crashes", *DEBUG, **DEBUG_C)


@pytest.mark.parametrize("way", DEATHS)
def test_every_user_frame_is_shown_once_and_in_order(crashes: Path, way: str) -> None:
    picture, _ = photograph(crashes, way)
    frames = [frame for frame in user_frames(picture.backtrace) if "doInit" not in frame]
    assert frames == DEATHS[way]
    assert unnamed_between(picture.backtrace) == []


@pytest.mark.parametrize("go", ["go1.21.13", "go1.24.11", "go1.27.3"])
@pytest.mark.parametrize("way", ["nested", "nested-go", "thread-go", "map", "smash", "generic"])
def test_go_versions_make_no_difference(program: Build, go: str, way: str) -> None:
    crashes = program("crashes", *DEBUG, **DEBUG_C, GOTOOLCHAIN=go)
    picture, _ = photograph(crashes, way)
    assert user_frames(picture.backtrace) == DEATHS[way]


@pytest.mark.parametrize("flags", [(), ("-buildmode=pie",), ("-trimpath",)])
@pytest.mark.parametrize("way", ["nested", "thread-go", "noreturn", "generic"])
def test_what_ships_is_shown_as_completely(
    program: Build, flags: tuple[str, ...], way: str
) -> None:
    crashes = program("crashes", *flags)
    picture, _ = photograph(crashes, way)
    assert user_frames(picture.backtrace) == DEATHS[way]


def test_a_deep_go_stack_that_moved_leads_back_to_c(crashes: Path) -> None:
    picture, _ = photograph(crashes, "nested-grow")
    frames = user_frames(picture.backtrace)
    assert frames[-len(MAIN) :] == MAIN
    assert [f for f in frames if "grow" not in f][:10] == [
        *LOAD,
        G + "main.again",
        *C_TO_GO,
        *TIGHT_TO_GO,
    ][:10]
    shown = sum(frame.function == "main.grow" for frame in picture.backtrace.frames)
    assert shown + sum(gap.elided or 0 for gap in picture.backtrace.gaps) == 2001


def test_a_panic_in_a_callback_is_seen_where_it_starts(crashes: Path) -> None:
    from pytest_cgosafe.watch.stops import StopReason

    picture, watched = photograph(
        crashes, "nested-panic", breakpoints=("runtime.gopanic",), reason=StopReason.BREAKPOINT
    )
    expected = [G + "runtime.gopanic", G + "main.again", *C_TO_GO, *TIGHT_TO_GO, *MAIN]
    assert user_frames(picture.backtrace) == expected
    assert watched.exit.code == 2


def test_a_crash_in_a_deferred_call_shows_the_panic_below_it(crashes: Path) -> None:
    picture, _ = photograph(crashes, "deferred", skip=1)
    assert user_frames(picture.backtrace) == [
        *(T + "null_chain", G + "main.(*loader).load", G + "main.inDeferred.func1"),
        *(G + "runtime.gopanic", G + "runtime.panicmem", G + "runtime.sigpanic"),
        *(G + "main.readNil", G + "main.inDeferred", *MAIN),
    ]
    nil = next(f for f in picture.backtrace.frames if f.function == "main.readNil")
    source = Path(__file__).parents[1] / "programs/crashes/main.go"
    assert (
        "readNil(p *int) int { return *p }" in source.read_text().splitlines()[(nil.line or 1) - 1]
    )


@pytest.mark.parametrize(("way", "stack"), [("handler", T), ("handler-stack", S)])
def test_a_crash_in_a_signal_handler_shows_what_it_interrupted(
    crashes: Path, way: str, stack: str
) -> None:
    picture, _ = photograph(crashes, way)
    assert user_frames(picture.backtrace) == [
        *(stack + "null_chain x2", stack + "handler", T + "crash_in_handler", *MAIN)
    ]


@pytest.mark.parametrize("way", ["call-null", "call-data"])
def test_a_wild_jump_starts_with_a_frame_that_has_no_name(crashes: Path, way: str) -> None:
    picture, _ = photograph(crashes, way)
    wild, caller = picture.backtrace.frames[:2]
    assert (wild.function, wild.stack) == (None, StackKind.THREAD)
    assert wild.pc == {r.name: r.value for r in picture.registers}["rip"]
    assert caller.function == way.replace("-", "_")


@pytest.mark.parametrize("way", ["abort", "handler-stack", "thread-go", "thread"])
def test_a_c_library_without_debug_information_hides_nothing_else(
    crashes: Path, tmp_path: Path, way: str
) -> None:
    gdb = tmp_path / "gdb"
    gdb.write_text('#!/bin/sh\nexec gdb -iex "set debug-file-directory /nonexistent" "$@"\n')
    gdb.chmod(0o755)
    plain, _ = photograph(crashes, way)
    picture, _ = photograph(crashes, way, gdb=gdb)
    assert user_frames(picture.backtrace) == user_frames(plain.backtrace)
    assert unnamed_between(picture.backtrace) == []
    assert all("no symbols for this part of libc" in gap.reason for gap in picture.backtrace.gaps)


def test_frames_of_a_library_without_symbols_are_counted_not_shown(crashes: Path) -> None:
    picture, _ = photograph(crashes, "throw")
    functions = [frame.function for frame in picture.backtrace.frames]
    assert "__cxa_throw" in functions
    assert user_frames(picture.backtrace)[-4:] == [
        *(T + "shapes::check", T + "cxx_throw"),
        *(G + "cxx.Throw", G + "main.main.func1"),
    ]
    assert unnamed_between(picture.backtrace) == []


def test_a_destroyed_return_address_is_told_and_the_goroutine_still_shown(crashes: Path) -> None:
    picture, _ = photograph(crashes, "smash")
    gap = picture.backtrace.gaps[0]
    assert gap.after == 1
    assert "`smash_return_address` is overwritten: it says 0x4141414141414141" in gap.reason
    assert picture.backtrace.frames[1].stack is StackKind.GOROUTINE


def test_a_frame_tells_place_size_arguments_and_language(crashes: Path) -> None:
    picture, _ = photograph(crashes, "null")
    frames = picture.backtrace.frames
    assert [frame.args for frame in frames[:4]] == [f"depth={n}, p=0x10" for n in range(4)]
    assert {frame.size for frame in frames[:4]} == {96}
    assert {frame.language for frame in frames[:4]} == {Language.C}
    assert frames[0].file is not None
    assert frames[0].file.endswith("programs/crashes/plain.c")
    load = next(frame for frame in frames if frame.function == "main.(*loader).load")
    assert load.language is Language.GO
    assert load.sp is not None
    for lower, upper in itertools.pairwise(frames):
        if lower.size and lower.stack is upper.stack:
            assert (lower.sp or 0) + lower.size == upper.sp


def test_a_goroutine_tells_who_created_it(crashes: Path) -> None:
    picture, _ = photograph(crashes, "null")
    created_by = picture.backtrace.created_by
    assert created_by is not None
    assert (created_by.function, created_by.goroutine) == ("main.main", 1)
    assert picture.backtrace.goroutine not in (None, 1)


def test_registers_and_words_are_those_of_the_fault(crashes: Path) -> None:
    picture, _ = photograph(crashes, "null")
    registers = {register.name: register.value for register in picture.registers}
    frame = picture.backtrace.frames[0]
    assert (registers["rip"], registers["rsp"]) == (frame.pc, frame.sp)
    assert len(picture.words) == 20


def test_a_full_picture_has_locals(crashes: Path) -> None:
    picture, _ = photograph(crashes, "map", full=True)
    frames = {frame.function: frame for frame in picture.backtrace.frames}
    names = [variable.name for variable in frames["read_map_as_struct"].locals]
    assert names == ["entry", "table", "sum"]
    assert "counts" in [variable.name for variable in frames["main.mapAsStruct"].locals]


@pytest.mark.parametrize("thread", [(), ("thread",)])
@pytest.mark.parametrize("mode", ["c-shared", "c-archive"])
@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("c", [T + "fault", G + "main.through", G + "main.InC", T + "InC", T + "run"]),
        ("go", [G + "main.read", G + "main.InGo", T + "InGo", T + "run"]),
        ("back", [T + "in_host", T + "call", G + "main.Back", T + "Back", T + "run"]),
    ],
)
def test_go_in_a_c_program_is_shown_with_its_host(
    library_host: Build, mode: str, way: str, thread: tuple[str, ...], expected: list[str]
) -> None:
    picture, _ = photograph(library_host(mode), way, *thread)
    outermost = [] if thread else [T + "main"]
    assert user_frames(picture.backtrace) == expected + outermost


def test_a_stripped_program_tells_its_go_functions_and_counts_the_others(program: Build) -> None:
    crashes = program("crashes", "-gcflags=all=-l", "-ldflags=-s -w")
    picture, _ = photograph(crashes, "nested")
    go = [frame for frame in user_frames(picture.backtrace) if frame.startswith(G)]
    assert go == [frame for frame in DEATHS["nested"] if frame.startswith(G)]
    assert unnamed_between(picture.backtrace) == []
    told = [
        gap
        for gap in picture.backtrace.gaps
        if "no symbols for this part of the program" in gap.reason
    ]
    assert [gap.elided for gap in told] == [2, 2, 2, 2, 2]
    again = next(f for f in picture.backtrace.frames if f.function == "main.again")
    assert again.file is not None
    assert again.file.endswith("crashes/main.go")
    assert "no debug information" in picture.notes[0]


def test_a_stripped_program_that_faults_in_go_shows_the_same(program: Build) -> None:
    crashes = program("crashes", "-gcflags=all=-l", "-ldflags=-s -w")
    picture, _ = photograph(crashes, "nested-go")
    go = [frame for frame in user_frames(picture.backtrace) if frame.startswith(G)]
    assert go == [frame for frame in DEATHS["nested-go"] if frame.startswith(G)]
    assert picture.cause == "nil dereference at 0x0 in `main.readNil`"


def test_a_static_program_is_shown_as_completely(program: Build) -> None:
    crashes = program("crashes", "-ldflags=-linkmode=external -extldflags=-static")
    picture, _ = photograph(crashes, "thread-go")
    assert user_frames(picture.backtrace) == DEATHS["thread-go"]


def test_a_test_binary_shows_whole_import_paths(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module example.com/dotted.v2\n\ngo 1.21\n")
    (tmp_path / "lib.go").write_text(
        "package lib\n\n/*\nstatic int boom(int *p) { return *p; }\n*/\n"
        'import "C"\n\nfunc Boom() int { return int(C.boom(nil)) }\n'
    )
    (tmp_path / "lib_test.go").write_text(
        'package lib\n\nimport "testing"\n\nfunc TestBoom(t *testing.T) { Boom() }\n'
    )
    binary = tmp_path / "lib.test"
    environment = {**os.environ, **DEBUG_C}
    command = ["go", "test", "-c", "-gcflags=all=-N -l", "-o", str(binary)]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    picture, _ = photograph(binary)
    assert user_frames(picture.backtrace) == [
        *(T + "boom", G + "example.com/dotted%2ev2.Boom", G + "example.com/dotted%2ev2.TestBoom"),
        *(G + "testing.tRunner", G + "testing.(*T).Run.gowrap1"),
    ]
