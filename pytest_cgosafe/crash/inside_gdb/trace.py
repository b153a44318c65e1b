"""A mixed backtrace as it is being found, with frames and gaps as the JSON has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gdb

if TYPE_CHECKING:
    from collections.abc import Sequence

_GO_HANDLERS = {"runtime.sigtramp", "runtime.cgoSigtramp", "runtime.sigtrampgo"}


@dataclass
class Trace:
    """The frames so far, innermost first, and the places where frames are missing."""

    frames: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    wild: set[int] = field(default_factory=set)
    """The numbers of the frames whose pc is no code."""
    _cycle: tuple[Sequence[str | None], int, int | None] | None = None

    def add(
        self,
        *,
        pc: int,
        sp: int,
        stack: str,
        function: str | None = None,
        language: str | None = None,
        file: str | None = None,
        line: int | None = None,
        size: int | None = None,
        args: str | None = None,
        variables: Sequence[dict[str, str]] = (),
    ) -> None:
        """Takes one more frame."""
        self.frames.append(
            {
                "function": function,
                "language": language,
                "file": file,
                "line": line,
                "stack": stack,
                "pc": pc,
                "sp": sp,
                "size": size,
                "args": args,
                "locals": list(variables),
            }
        )

    def gap(self, reason: str, elided: int | None = None) -> None:
        """Says that frames are missing after those found so far."""
        self.gaps.append({"after": len(self.frames), "reason": reason, "elided": elided})

    def last_name(self) -> str | None:
        """The function of the frame that was taken last."""
        return self.frames[-1]["function"] if self.frames else None

    def functions_at(self, sp: int) -> list[str | None]:
        """The functions of the last frames whose stack pointer is `sp`: one, and what was inlined into it."""
        found = []
        for frame in reversed(self.frames):
            if frame["sp"] != sp:
                break
            found.append(frame["function"])
        return found[::-1]

    def handled_by_go(self) -> bool:
        """Whether the last frames are those of Go's own signal handler."""
        return any(frame["function"] in _GO_HANDLERS for frame in self.frames[-3:])

    def recursion(self, functions: Sequence[str | None], elided: int, stride: int | None) -> None:
        """Says that `elided` frames of a deep recursion through `functions` were skipped."""
        self.gap("the same calls again and again", elided)
        if self._cycle is None:
            self._cycle = (functions, elided, stride)

    @property
    def cycle(self) -> dict[str, Any] | None:
        """The deep recursion that was met first, with the levels that stand at either end of the skipped ones."""
        if self._cycle is None:
            return None
        functions, elided, stride = self._cycle
        shown = sum(frame["function"] in functions for frame in self.frames)
        levels = (shown + elided) // len(functions)
        return {
            "functions": [name for name in functions if name],
            "levels": levels,
            "bytes_per_level": stride,
        }

    def told(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Frames and gaps; frames that stand between named ones, in code without symbols, as a gap."""
        kept: list[dict[str, Any]] = []
        gaps = []
        run: list[dict[str, Any]] = []
        for index, frame in enumerate([*self.frames, None]):
            here = [gap for gap in self.gaps if gap["after"] == index]
            unnamed = frame and not frame["function"] and index not in self.wild
            if frame and unnamed and kept and not here:
                run.append(frame)
                continue
            if run:
                gaps.append({"after": len(kept), "reason": _unnamed(run), "elided": len(run)})
                run = []
            gaps += [{**gap, "after": len(kept)} for gap in here]
            if frame:
                kept.append(frame)
        return kept, gaps


def _unnamed(run: Sequence[dict[str, Any]]) -> str:
    libraries = dict.fromkeys(gdb.solib_name(frame["pc"]) for frame in run)
    names = [name.rpartition("/")[2] for name in libraries if name]
    return f"no symbols for this part of {', '.join(names) or 'the program'}"
