"""What is known of a crash when its cause is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import gdb

if TYPE_CHECKING:
    from collections.abc import Callable

    from .evidence import Evidence
    from .memory import Mappings
    from .trace import Trace

_LIBRARY = re.compile(r"/(libc|libm|libpthread|libstdc\+\+|libgcc_s|ld-\w[\w-]*)[.-][^/]*$")
_CGO_CALL = re.compile(r"_cgo_[0-9a-f]+_Cfunc_(\w+)")
_GO_CALL = re.compile(r"\._Cfunc_(\w+)$")


@dataclass(frozen=True)
class Facts:
    """What is known when a cause is asked for."""

    tid: int
    signal: str
    code: int
    address: int | None
    pc: int
    sp: int
    in_go: bool
    """Whether `pc` is Go code."""
    trace: Trace
    evidence: Evidence
    mappings: Mappings

    @property
    def culprit(self) -> int:
        """The number of the innermost frame that is not the C library's."""
        first = self.evidence.first
        frames = enumerate(self.trace.frames[first:], start=first)
        return next((i for i, frame in frames if not _is_library(frame["pc"])), first)

    @property
    def place(self) -> str:
        """The innermost function, and who called it when it is the C library's."""
        culprit = self.culprit
        caller = self.trace.frames[culprit]["function"] if culprit > self.evidence.first else None
        return f"{self.function}, called by `{caller}`" if caller else self.function

    @property
    def function(self) -> str:
        """The function at fault, in backquotes."""
        frame = self.trace.frames[self.evidence.first]
        name = frame["function"]
        called = _CGO_CALL.fullmatch(name or "")
        if called:  # gcc moves a function's first loads into its only caller
            return f"cgo's call of `{called[1]}`"
        if name:
            return f"`{name}`"
        library = gdb.solib_name(frame["pc"])
        where = f" in {library.rpartition('/')[2]}" if library else ""
        return f"code without a name{where}"

    def caller(self, passed: Callable[[str | None], bool]) -> str:
        """The first function outside those that are `passed` over, in backquotes."""
        names = (frame["function"] for frame in self.trace.frames[self.evidence.first :])
        name = next((name for name in names if not passed(name)), None) or ""
        if not name.startswith("runtime."):
            return f"`{name}`" if name else "code without a name"
        called = (_GO_CALL.search(frame["function"] or "") for frame in self.trace.frames)
        match = next(filter(None, called), None)  # C's own frames are gone after a tail call
        return f"cgo's call of `{match[1]}`" if match else "code without a name"


def _is_library(pc: int) -> bool:
    return bool(_LIBRARY.search(gdb.solib_name(pc) or ""))
