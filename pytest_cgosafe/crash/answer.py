"""From the script's JSON to results: what gdb answered, as plain frozen data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_cgosafe.crash.picture import Picture
from pytest_cgosafe.results import (
    Backtrace,
    CreatedBy,
    Frame,
    Gap,
    GoroutineGroup,
    Language,
    Recursion,
    Register,
    StackKind,
    Variable,
)
from pytest_cgosafe.watch.stops import SignalInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN_FRAME = re.compile(
    r"^#\d+\s+(?:(?P<pc>0x[0-9a-f]+) in )?(?P<function>.+?) \((?P<args>.*)\)(?: at (?P<file>.+):(?P<line>\d+))?$"
)


def picture(
    found: Mapping[str, Any],
    request: Mapping[str, Any],
    trouble: str | None,
    doubts: tuple[str, ...] = (),
) -> Picture:
    """The picture that the script's answer tells.

    `trouble` is what kept the script from finishing, if anything did, `doubts` is what gdb thought of
    the program when it opened it.
    """
    notes = (*doubts, *found.get("notes", ()))
    signal = found.get("signal") or request.get("signal")
    recursion = found.get("recursion")
    return Picture(
        backtrace=_backtrace(found["backtrace"]),
        signal=SignalInfo(**signal) if signal else None,
        cause=found.get("cause"),
        recursion=Recursion(**{**recursion, "functions": tuple(recursion["functions"])})
        if recursion
        else None,
        registers=tuple(Register(**register) for register in found.get("registers", ())),
        words=tuple(found.get("words", ())),
        others=tuple(GoroutineGroup(**group) for group in found.get("others", ())),
        threads=tuple(map(_backtrace, found.get("threads", ()))),
        notes=(*notes, f"the debugger did not finish: {trouble}") if trouble else notes,
    )


def plain_picture(text: str, request: Mapping[str, Any], trouble: str | None) -> Picture:
    """What gdb's own ``bt`` tells: the frames up to the first switch of stacks."""
    frames = []
    for line in text.splitlines():
        match = _PLAIN_FRAME.match(line.strip())
        if not match or match["function"] == "??":
            break
        frames.append(
            Frame(
                function=match["function"],
                language=None,
                file=match["file"],
                line=int(match["line"]) if match["line"] else None,
                stack=StackKind.THREAD,
                pc=int(match["pc"], 16) if match["pc"] else None,
                sp=None,
                size=None,
                args=match["args"],
            )
        )
    gap = Gap(
        after=len(frames), reason="gdb by itself sees no further than the first switch of stacks"
    )
    signal = request.get("signal")
    return Picture(
        backtrace=Backtrace(tid=request["tid"], goroutine=None, frames=tuple(frames), gaps=(gap,)),
        signal=SignalInfo(**signal) if signal else None,
        notes=(f"a plain gdb backtrace, because the script failed: {trouble}",),
    )


def _backtrace(found: Mapping[str, Any]) -> Backtrace:
    created_by = found["created_by"]
    return Backtrace(
        tid=found["tid"],
        goroutine=found["goroutine"],
        frames=tuple(map(_frame, found["frames"])),
        gaps=tuple(Gap(**gap) for gap in found["gaps"]),
        created_by=CreatedBy(**created_by) if created_by else None,
    )


def _frame(found: Mapping[str, Any]) -> Frame:
    language = found["language"]
    return Frame(
        **{
            **found,
            "language": Language(language) if language else None,
            "stack": StackKind(found["stack"]),
            "locals": tuple(Variable(**variable) for variable in found["locals"]),
        }
    )
