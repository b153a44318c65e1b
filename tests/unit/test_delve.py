"""Where two debuggers disagree is said place by place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_cgosafe.crash.delve import cross_check, delve_backtrace, disagreements
from pytest_cgosafe.errors import DebuggerError
from pytest_cgosafe.results import Backtrace, Frame, Gap, StackKind

if TYPE_CHECKING:
    from pathlib import Path


def backtrace(*functions: str) -> Backtrace:
    frames = tuple(
        Frame(name, None, None, None, StackKind.THREAD, None, None, None, None)
        for name in functions
    )
    return Backtrace(tid=1, goroutine=1, frames=frames)


def test_equal_backtraces_have_nothing_to_say() -> None:
    assert disagreements(backtrace("parse", "main.load"), ["parse", "main.load"]) == ()


def test_a_frame_that_delve_repeats_or_cannot_name_is_told_with_its_place() -> None:
    ours = backtrace("parse", "runtime.asmcgocall", "runtime.cgocall", "main.load")
    delves = ["parse", "parse", "runtime.asmcgocall", None, "runtime.cgocall", "main.load"]
    assert disagreements(ours, delves) == (
        "at the innermost frame Delve shows `parse` more",
        "after `runtime.asmcgocall` Delve shows ??? more",
    )


def test_frames_that_delve_loses_are_told() -> None:
    ours = backtrace("last_words", "never_returns", "main.load", "main.main")
    assert disagreements(ours, ["last_words", None]) == (
        "after `last_words` Delve shows ??? instead of `never_returns`, `main.load`, `main.main`",
    )


def test_a_delve_that_is_not_there_is_an_error_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(DebuggerError, match="Delve did not answer"):
        delve_backtrace(tmp_path / "core", tmp_path / "program", 1, delve=tmp_path / "dlv")


def answering(directory: Path, *frames: str, warning: str = "") -> Path:
    """A program that answers every question with these frames, in Delve's words."""
    lines = "\n".join(f" {n}  0x{n:016x} in {name}\n    at x.c:1" for n, name in enumerate(frames))
    (directory / "frames").write_text(lines)
    delve = directory / "dlv"
    delve.write_text(f"#!/bin/sh\ncat {directory}/frames\necho '{warning}' >&2\n")
    delve.chmod(0o755)
    return delve


def test_agreement_is_told_with_its_extent(tmp_path: Path) -> None:
    ours = backtrace("parse", "parse", "main.load")
    delve = answering(tmp_path, "C.parse", "C.parse", "main.load")
    core, binary = tmp_path / "core", tmp_path / "program"
    assert cross_check(core, binary, ours, delve=delve) == (
        "cross-check: Delve agrees with every frame",
    )
    folded = replace(ours, gaps=(Gap(after=1, reason="deep recursion", elided=9),))
    assert cross_check(core, binary, folded, delve=delve) == (
        "cross-check: Delve agrees with the first 1 of 3 frames, above those left out here",
    )


def test_what_lies_below_frames_left_out_is_not_held_against_anyone() -> None:
    ours = replace(
        backtrace("last", "deep", "deep", "deep", "main.load"),
        gaps=(Gap(after=3, reason="deep recursion", elided=5000),),
    )
    assert disagreements(ours, ["last", *["deep"] * 400]) == ()
    assert disagreements(ours, ["deep"] * 401) == (
        "at the innermost frame Delve does not show `last`",
    )


def test_a_delve_that_stopped_at_its_limit_disagrees_with_nothing_below() -> None:
    ours = backtrace(*["deep"] * 500, "main.load")
    assert disagreements(ours, ["deep"] * 401) == ()
    assert disagreements(ours, ["deep"] * 300) != ()


def test_a_delve_that_does_not_know_the_thread_is_not_believed(tmp_path: Path) -> None:
    refusal = "WARNING: old\nCommand failed: thread 1 does not exist"
    delve = answering(tmp_path, "runtime.futex", warning=refusal)
    notes = cross_check(tmp_path / "core", tmp_path / "program", backtrace("parse"), delve=delve)
    assert notes == ("no cross-check: Delve showed no frames: thread 1 does not exist",)


def test_a_backtrace_of_no_known_thread_cannot_be_checked(tmp_path: Path) -> None:
    ours = replace(backtrace("parse"), tid=None)
    notes = cross_check(tmp_path, tmp_path, ours, delve=tmp_path / "dlv")
    assert notes == ("no cross-check: the thread is not known",)
