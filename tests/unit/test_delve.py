"""Where two debuggers disagree is said place by place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_cgosafe.crash.delve import delve_backtrace, disagreements
from pytest_cgosafe.errors import DebuggerError
from pytest_cgosafe.results import Backtrace, Frame, StackKind

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
