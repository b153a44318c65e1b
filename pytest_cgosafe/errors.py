"""Exceptions that say what happened, on what, and which command to try next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_cgosafe.results import RunResult


class CgosafeError(Exception):
    """The base of every error raised on purpose; `next_step` is a command or an action that mends it."""

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message}\n  try: {self.next_step}" if self.next_step else self.message


class ToolchainError(CgosafeError):
    """Go, gdb or a C compiler is missing, too old or unusable."""


class BuildError(CgosafeError):
    """The go command refused a package; the message is its own text, the next step reproduces it."""


class AnalyzerError(CgosafeError):
    """The analyzer of crossings could not be built, or failed at its work."""


class StartError(CgosafeError):
    """A program could not be started at all."""


class DebuggerError(CgosafeError):
    """gdb could not be had, or did not answer."""


class ResultError(CgosafeError):
    """A run ended in a way that ``check=True`` does not accept; `result` is the whole run."""

    def __init__(self, message: str, *, result: RunResult, next_step: str | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.result = result


class CrashError(ResultError):
    """The program crashed; the message is the crash report."""


class RunTimeoutError(ResultError):
    """The program was killed because its time was up; the message says where its threads stood."""


class GoTestError(ResultError):
    """A package's own Go tests failed; the message holds what they printed."""


class ExpectationError(ResultError):
    """The program did not crash, or not in the way that was expected."""


class LowHeadroomWarning(UserWarning):
    """A thread stack of a program that runs on has less than a tenth of its limit left."""


class IncompleteVetWarning(UserWarning):
    """A package was too much for the analyzer of crossings: some may be unseen."""
