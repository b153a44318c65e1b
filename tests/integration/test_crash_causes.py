"""What happened is said in one line, and only where it is certain."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_cgosafe.watch.stops import StopReason
from tests.integration.photographing import DEBUG, DEBUG_C, photograph

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Build

CAUSES = {
    "null": "null dereference at 0x10 in `null_chain`: `p` is 0x10, which is no valid pointer",
    "field-of-null": (
        "null dereference at 0x8 in `field_of_null`: `table` is NULL (reaching for `first`)"
    ),
    "nil": "nil dereference at 0x0 in `main.readNil`",
    "call-null": "call through a null function pointer in `call_null`",
    "divide": "division by zero in `divide`",
    "divide-overflow": "a division overflowed in `divide`: the quotient does not fit",
    "abort": "abort() called by `give_up`",
    "free-twice": "double free: double free or corruption (!prev)",
    "throw": 'uncaught C++ exception: std::runtime_error("no shape called circle")',
    "smash": "SIGSEGV at an address that is none (not canonical), in `smash_return_address`",
    "write-text": "may not be written, in `write_text`: `text` is 0x",
    "call-data": "call through a wild function pointer in `call_data`: 0x",
    "assert": 'fail_assert: Assertion `value > 40 && "value is too small"\' failed.',
    "instruction": (
        "SIGSEGV on the instruction `hlt`, which is not allowed or whose operand is not aligned, "
        "in `bad_instruction`"
    ),
    "overflow-print": "stack overflow in `overflow_printing` on the thread stack of thread",
    "sort-null": "null dereference at 0x0 in `by_null`: `none` is NULL",
    "send-fault": "SIGSEGV sent by a process, not raised by a fault, in ",
    "by-hand": "null dereference at 0x30 in `load_by_hand`: `address` is 0x30",
    "throw-number": "uncaught C++ exception: int",
    "noexcept": 'uncaught C++ exception: std::runtime_error("no shape called left")',
    "pure": "a pure virtual function called by `shapes::Drawn::show`",
    "trap": "a trap instruction in `trap`: __builtin_trap",
}


@pytest.fixture(scope="session")
def crashes(program: Build) -> Path:
    return program("crashes", *DEBUG, **DEBUG_C)


@pytest.mark.parametrize("way", CAUSES)
def test_the_cause_is_told(crashes: Path, way: str) -> None:
    picture, _ = photograph(crashes, way)
    assert CAUSES[way] in (picture.cause or "")


def test_a_null_given_to_the_c_library_is_told_of_its_caller(crashes: Path) -> None:
    picture, _ = photograph(crashes, "libc")
    assert picture.cause
    assert picture.cause.startswith("null dereference at 0x8 in ")
    assert ", called by `in_libc`: `text` is 0x8" in picture.cause


def test_a_use_of_freed_memory_is_told_where_the_c_library_has_symbols(crashes: Path) -> None:
    picture, _ = photograph(crashes, "after-free")
    known = "use of freed memory in `use_after_free`: `table->first` was freed"
    unknown = "which is not mapped, in `use_after_free`"
    has_symbols = subprocess.run(
        [
            "gdb",
            "--nx",
            "-batch",
            "-ex",
            "break main",
            "-ex",
            "run",
            "-ex",
            "p &tcache_key",
            str(crashes),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (known if "tcache_key>" in has_symbols.stdout else unknown) in (picture.cause or "")


def test_the_file_that_ended_too_early_is_named(crashes: Path, tmp_path: Path) -> None:
    file = tmp_path / "fünf 5"
    picture, _ = photograph(crashes, "bus", str(file))
    assert picture.cause == (
        f"access in `beyond_file_end` beyond the end of a mapped file of {file}"
    )


@pytest.mark.parametrize("go", ["go1.21.13", "go1.23.12", "go1.24.11", "go1.27.3"])
@pytest.mark.parametrize("way", ["map", "large-map"])
def test_a_go_map_read_as_c_memory_is_named(program: Build, go: str, way: str) -> None:
    crashes = program("crashes", *DEBUG, **DEBUG_C, GOTOOLCHAIN=go)
    picture, _ = photograph(crashes, way)
    entries = {"map": 3, "large-map": 1000}[way]
    assert picture.cause
    assert picture.cause.startswith(
        "a Go map read as C memory: `map` in `read_map_as_struct` is the Go map `counts` of "
        f"main.mapAsStruct (map[string]int, {entries} entries), given to C by main.mapAsStruct at main.go:"
    )


@pytest.mark.parametrize("go", ["go1.21.13", "go1.24.11", "go1.27.3"])
@pytest.mark.parametrize(("way", "entries"), [("hidden-map", 3), ("hidden-large-map", 1000)])
def test_a_go_map_without_a_variable_is_known_by_its_structure(
    program: Build, go: str, way: str, entries: int
) -> None:
    crashes = program("crashes", *DEBUG, **DEBUG_C, GOTOOLCHAIN=go)
    picture, _ = photograph(crashes, way)
    assert f"`map` in `read_map_as_struct` is a Go map ({entries} entries)" in (picture.cause or "")
    assert "given to C by main.hiddenMapAsStruct at main.go:" in (picture.cause or "")


OVERFLOWS = {
    "overflow": (("overflow_uniform",), 160, "main.main.func1"),
    "overflow-mutual": (("ping", "pong"), 496, "main.main.func1"),
    "overflow-vary": (("overflow_varying",), None, "main.main.func1"),
    "overflow-thread": (("overflow_uniform",), 160, "clone3"),
}


@pytest.mark.parametrize("way", OVERFLOWS)
def test_an_overflown_c_stack_is_told_with_what_fills_it(crashes: Path, way: str) -> None:
    functions, each, outermost = OVERFLOWS[way]
    picture, _ = photograph(crashes, way)
    assert picture.cause
    assert picture.cause.startswith(
        f"stack overflow in `{picture.backtrace.frames[0].function}` on "
    )
    assert f"on the thread stack of thread {picture.backtrace.tid}: " in picture.cause
    recursion = picture.recursion
    assert recursion
    assert set(recursion.functions) == set(functions)
    assert recursion.bytes_per_level == each
    assert f"{recursion.levels:,} levels" in picture.cause
    assert outermost in [frame.function for frame in picture.backtrace.frames[-2:]]
    if each:
        assert 8 << 20 >= recursion.levels * each > (8 << 20) - (256 << 10)


def test_the_levels_of_an_overflow_are_exact(crashes: Path) -> None:
    picture, _ = photograph(crashes, "overflow")
    shown = [f for f in picture.backtrace.frames if f.function == "overflow_uniform"]
    assert picture.recursion
    # The innermost frame's argument lies below the end of the stack.
    assert shown[1].args == f"depth={picture.recursion.levels - 1}"
    assert shown[-1].args == "depth=1"


def test_a_huge_frame_is_told_apart_from_deep_recursion(crashes: Path) -> None:
    picture, _ = photograph(crashes, "huge-frame")
    assert picture.cause
    assert picture.cause.startswith("stack overflow in `huge_frame` on the thread stack of thread")
    assert picture.cause.endswith(": its frame takes 16.0 MiB")
    assert picture.recursion is None


def test_a_fault_on_another_guard_page_is_no_stack_overflow(crashes: Path) -> None:
    picture, _ = photograph(crashes, "guard-page")
    assert picture.cause
    assert "which may not be accessed, in `touch_guard_page`" in picture.cause


@pytest.mark.parametrize("way", ["overflow-go", "overflow-even"])
def test_an_overflown_goroutine_stack_is_told_with_what_fills_it(crashes: Path, way: str) -> None:
    picture, watched = photograph(
        crashes, way, breakpoints=("runtime.fatalthrow",), reason=StopReason.BREAKPOINT
    )
    functions = {"overflow-go": {"main.endless"}, "overflow-even": {"main.even", "main.odd"}}
    assert picture.recursion
    assert set(picture.recursion.functions) == functions[way]
    assert picture.cause
    assert picture.cause.startswith("goroutine stack overflow in `main.")
    assert "512.0 MiB" in picture.cause
    assert [frame.function for frame in picture.backtrace.frames[-2:]] == [
        *("main.main.func1", "runtime.goexit")
    ]
    assert watched.exit.code == 2


def test_a_fatal_error_of_go_is_told_with_its_words(crashes: Path) -> None:
    picture, _ = photograph(
        crashes, "unlock", breakpoints=("runtime.fatalthrow",), reason=StopReason.BREAKPOINT
    )
    assert picture.cause == "Go fatal error: sync: unlock of unlocked mutex"
