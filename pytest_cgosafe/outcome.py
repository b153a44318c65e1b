"""How a run ended, as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_cgosafe.crash.render import MORE_IN_PYTEST, render_crash, render_hang
from pytest_cgosafe.crossings.render import render_crossing
from pytest_cgosafe.errors import ExpectationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.results import Crash, RunResult


def render_result(
    result: RunResult, *, full: bool = False, colour: bool = False, more: str = MORE_IN_PYTEST
) -> Iterator[str]:
    """What a run that went wrong has to tell: its crash or where it hung, and the crossings that were met."""
    if result.crash:
        yield from render_crash(result.crash, full=full, colour=colour, more=more)
    if result.exit.timed_out:
        yield f"the time was up after {result.duration or 0:.1f} s"
    if result.hang:
        yield from render_hang(result.hang, full=full, colour=colour, more=more)
    for crossing in result.crossings:
        yield ""
        yield from render_crossing(crossing)


def describe_end(result: RunResult) -> str:
    """How a run ended, in a clause."""
    if result.crash:
        return f"the program crashed: {result.crash.cause}"
    if result.exit.timed_out:
        return "the program was killed because its time was up"
    if result.exit.signal:
        return f"the program was killed by {result.exit.signal}"
    return f"the program exited with status {result.exit.code}"


def check_expected(
    result: RunResult,
    report: str,
    *,
    signal: str | None,
    cause: str | None,
    function: str | None,
) -> Crash:
    """The crash of a run that had to crash so; what is None may be anything. Raises ExpectationError, with `report`."""
    if result.crash is None:
        raise ExpectationError(f"expected a crash, but {describe_end(result)}", result=result)
    crash, functions = result.crash, [frame.function for frame in result.crash.backtrace.frames]
    for what, wanted, met in (
        ("signal", signal, crash.signal == signal),
        ("cause", cause, cause is None or re.search(cause, crash.cause) is not None),
        ("function", function, function in functions),
    ):
        if wanted is not None and not met:
            raise ExpectationError(
                f"expected a crash with {what} {wanted!r}, but got this one\n{report}",
                result=result,
            )
    return crash
