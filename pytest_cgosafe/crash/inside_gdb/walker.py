"""Walks one thread of execution across every switch of stacks, one segment at a time.

gdb stops where a stack is switched, and refuses frames whose addresses go back down. So each stretch of one stack is
its own walk: an unwinder answers for frame 0 only, and says that its caller is the segment's first frame. From frame 1
on gdb unwinds by itself, so that these are true frames, with arguments and locals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Set, Tuple

import gdb
import gdb.unwinder

from . import describe
from .arch import Arch
from .boundaries import Boundaries, Crossing, Lost, Start

_MAX_SEGMENTS = 1_000
_EXACT_CALLERS = {"runtime.sigpanic", "runtime.asyncPreempt", "runtime.sigpanic0"}
_ENDS = {"runtime.goexit", "runtime.mstart", "runtime.rt0_go"}
_THREAD_STARTS = {
    "_start",
    "clone",
    "__clone",
    "clone3",
    "__clone3",
    "start_thread",
    "__libc_start_main",
}


class _FrameId:
    def __init__(self, sp: int, pc: int) -> None:
        self.sp = gdb.Value(sp)
        self.pc = gdb.Value(pc)


class _SegmentUnwinder(gdb.unwinder.Unwinder):  # type: ignore[misc]
    """Claims the thread's innermost frame while a segment is set, and says that it was called from there."""

    def __init__(self, arch: Arch) -> None:
        super().__init__("cgosafe")
        self.start: Optional[Start] = None
        self._pc, self._sp = arch.pc, arch.sp
        innermost = gdb.newest_frame()
        self._innermost = (innermost.pc(), int(innermost.read_register(arch.sp)))

    def __call__(self, pending: gdb.PendingFrame) -> Optional[gdb.UnwindInfo]:
        if self.start is None:
            return None
        # Frames inlined at the thread's pc stand before the innermost real one, so its level is not always 0.
        if self._innermost != (
            int(pending.read_register(self._pc)),
            int(pending.read_register(self._sp)),
        ):
            return None
        registers = self.start.registers
        info = pending.create_unwind_info(_FrameId(registers[self._sp] - 32, 0))
        for name, value in registers.items():
            info.add_saved_register(name, gdb.Value(value & 0xFFFF_FFFF_FFFF_FFFF))
        return info

    def first_frame(self) -> Optional[gdb.Frame]:
        """The segment's first frame; the thread's own where no segment is set."""
        frame: Optional[gdb.Frame] = gdb.newest_frame()
        if self.start is None:
            return frame
        while frame is not None and frame.type() == gdb.INLINE_FRAME:
            frame = frame.older()
        return older(frame) if frame is not None else None


@dataclass
class Trace:
    """A mixed backtrace as it is being found; frames and gaps as the JSON has them."""

    frames: List[Dict[str, Any]] = field(default_factory=list)
    gaps: List[Dict[str, Any]] = field(default_factory=list)

    def gap(self, reason: str, elided: Optional[int] = None) -> None:
        """Says that frames are missing after those found so far."""
        self.gaps.append({"after": len(self.frames), "reason": reason, "elided": elided})


class Walker:
    """Walks the selected thread."""

    def __init__(self, boundaries: Boundaries, *, full: bool, limit: int = 20_000) -> None:
        self._boundaries = boundaries
        self._arch = boundaries.arch
        self._full = full
        self._limit = limit
        self._trace = Trace()
        self._seen: Set[Tuple[int, int]] = set()
        self._unwinder = _SegmentUnwinder(self._arch)

    def walk(self) -> Trace:
        """The whole backtrace of the selected thread."""
        gdb.unwinder.register_unwinder(None, self._unwinder, replace=True)
        try:
            start: Optional[Start] = self._boundaries.first_start()
            for _ in range(_MAX_SEGMENTS):
                start = self._segment(start)
                if start is None:
                    return self._trace
                place = (start.registers[self._arch.pc], start.registers[self._arch.sp])
                if place in self._seen:
                    self._trace.gap("the way back leads in a circle: the stack is damaged")
                    return self._trace
                self._seen.add(place)
            self._trace.gap(f"more than {_MAX_SEGMENTS:,} switches of stacks")
            return self._trace
        finally:
            self._unwinder.start = None
            gdb.invalidate_cached_frames()

    def _segment(self, start: Optional[Start]) -> Optional[Start]:
        """Takes the frames of one segment; returns where the next one starts."""
        self._unwinder.start = start
        gdb.invalidate_cached_frames()
        frame = self._unwinder.first_frame()
        exact = start is None or start.exact
        shown = start is not None and start.shown
        previous: Optional[gdb.Frame] = None
        while frame is not None:
            caller = older(frame)
            if not shown:
                if len(self._trace.frames) >= self._limit:
                    self._trace.gap(f"cut after {self._limit:,} frames")
                    return None
                self._emit(frame, caller, exact=exact)
            name = describe.function_name(frame)
            crossing = self._boundaries.cross(frame, name, caller)
            if isinstance(crossing, Crossing):
                return crossing.start
            if isinstance(crossing, Lost):
                return self._lost(crossing.reason, frame)
            if name in _ENDS:
                return None
            exact = name in _EXACT_CALLERS or frame.type() == gdb.SIGTRAMP_FRAME
            shown = False
            previous, frame = frame, caller
        return self._end(previous)

    def _end(self, last: Optional[gdb.Frame]) -> Optional[Start]:
        if last is None:
            return self._lost("gdb found no frame where the next stack was left", None)
        name = describe.function_name(last)
        if name in _THREAD_STARTS:
            return None
        reason = gdb.frame_stop_reason_string(last.unwind_stop_reason())
        return self._lost(
            f"the caller of `{name or hex(last.pc())}` could not be found ({reason})", last
        )

    def _lost(self, reason: str, frame: Optional[gdb.Frame]) -> Optional[Start]:
        """Says what is missing, and goes on from the next switch of stacks that is known for certain."""
        start = self._boundaries.beyond(frame)
        self._trace.gap(reason)
        return start

    def _emit(self, frame: gdb.Frame, caller: Optional[gdb.Frame], *, exact: bool) -> None:
        pc, sp = frame.pc(), int(frame.read_register(self._arch.sp))
        name = describe.function_name(frame)
        file, line = describe.place(frame, pc if exact and frame.level() > 0 else None)
        go_text = self._boundaries.in_go_text(pc)
        inlined = frame.type() == gdb.INLINE_FRAME
        self._trace.frames.append(
            {
                "function": name,
                "language": describe.language(file, name, in_go_text=go_text),
                "file": file,
                "line": line,
                "stack": self._boundaries.stack_kind(sp),
                "pc": pc,
                "sp": sp,
                "size": None if inlined else self._size(sp, caller),
                "args": describe.arguments(frame),
                "locals": describe.local_variables(frame) if self._full else [],
            }
        )

    def _size(self, sp: int, caller: Optional[gdb.Frame]) -> Optional[int]:
        if caller is None:
            return None
        try:
            size = int(caller.read_register(self._arch.sp)) - sp
        except gdb.error:
            return None
        return size if 0 <= size < 1 << 40 else None


def older(frame: gdb.Frame) -> Optional[gdb.Frame]:
    """The frame's caller, or None where gdb finds none."""
    try:
        return frame.older()
    except gdb.error:
        return None
