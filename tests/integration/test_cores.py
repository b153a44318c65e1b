"""A core tells the same as the living process, also when Go's own crash handler wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_cgosafe.crash.debugger import examine_core
from tests.integration.photographing import DEBUG, DEBUG_C, core_of, user_frames

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Build

T, G = "thread:", "goroutine:"
MAIN = [G + "main.way", G + "main.main.func1"]
HANDLER = (
    *("runtime.raise", "runtime.dieFromSignal", "runtime.sig", "runtime.crash", "__restore_rt"),
    "runtime.usleep",  # there the thread at fault may wait for the others to show their stacks
)


@pytest.fixture(scope="session")
def crashes(program: Build) -> Path:
    return program("crashes", *DEBUG, **DEBUG_C)


def own_frames(frames: list[str]) -> list[str]:
    """Without those of Go's signal handler."""
    return [f for f in frames if not f.partition(":")[2].startswith(HANDLER)]


@pytest.mark.parametrize("go", ["go1.21.13", "go1.24.11", "go1.26.8", "go1.27.3"])
def test_a_core_of_gos_own_crash_handler_shows_the_fault_that_it_handled(
    program: Build, tmp_path: Path, go: str
) -> None:
    crashes = program("crashes", *DEBUG, **DEBUG_C, GOTOOLCHAIN=go)
    core = core_of(crashes, "null", directory=tmp_path / "a b ü")
    picture = examine_core(core, crashes)
    assert own_frames(user_frames(picture.backtrace)) == [
        *(T + "null_chain x4", G + "main.(*loader).load", *MAIN)
    ]
    assert picture.signal
    assert (picture.signal.name, picture.signal.code, picture.signal.address) == ("SIGSEGV", 1, 16)
    assert picture.cause
    assert picture.cause.startswith("null dereference at 0x10 in `null_chain`: `p` is 0x10")
    innermost = next(f for f in picture.backtrace.frames if f.function == "null_chain")
    registers = {register.name: register.value for register in picture.registers}
    assert (registers["rip"], registers["rsp"]) == (innermost.pc, innermost.sp)
    assert "Go's own signal handler" in picture.notes[0]
    assert picture.others[0].function == "main.main"


def test_a_core_of_a_thread_that_never_saw_go_shows_it(crashes: Path, tmp_path: Path) -> None:
    picture = examine_core(core_of(crashes, "thread", directory=tmp_path), crashes)
    assert own_frames(user_frames(picture.backtrace))[-2:] == [
        *(T + "null_chain x3", T + "thread_dies")
    ]
    assert picture.backtrace.goroutine is None


def test_a_core_of_a_panic_shows_where_it_was_raised(crashes: Path, tmp_path: Path) -> None:
    picture = examine_core(core_of(crashes, "nested-panic", directory=tmp_path), crashes)
    assert picture.cause == "Go panic: enough"
    frames = own_frames(user_frames(picture.backtrace))
    assert frames[:4] == [
        *(G + "runtime.fatalpanic", G + "runtime.gopanic", G + "main.again", G + "main.goFromC")
    ]
    assert frames[-2:] == MAIN
    reasons = {gap.reason for gap in picture.backtrace.gaps}
    assert reasons == {"the runtime has given up the thread stack of the C code that called Go"}


@pytest.mark.parametrize("way", ["call-null", "call-data"])
def test_a_core_of_a_wild_jump_shows_where_it_came_from(
    crashes: Path, tmp_path: Path, way: str
) -> None:
    picture = examine_core(core_of(crashes, way, directory=tmp_path), crashes)
    frames = own_frames(user_frames(picture.backtrace))
    assert frames == [T + way.replace("-", "_"), *MAIN]
    assert picture.backtrace.gaps == ()
    assert f"function pointer in `{way.replace('-', '_')}`" in (picture.cause or "")


def test_every_thread_of_a_core_can_be_shown(crashes: Path, tmp_path: Path) -> None:
    core = core_of(crashes, "overflow", directory=tmp_path)
    picture = examine_core(core, crashes, all_threads=True, full=True)
    assert picture.recursion
    assert picture.recursion.functions == ("overflow_uniform",)
    assert "stack overflow in `overflow_uniform` on the thread stack" in (picture.cause or "")
    assert len(picture.threads) >= 3
    assert picture.threads[0] == picture.backtrace


def test_a_core_of_a_c_library_abort_shows_the_assertion(crashes: Path, tmp_path: Path) -> None:
    picture = examine_core(core_of(crashes, "assert", directory=tmp_path), crashes)
    assert picture.signal
    assert picture.signal.name == "SIGABRT"
    assert (picture.cause or "").startswith("assertion failed: crashes: plain.c:")
