"""Walks one thread of execution across every switch of stacks, one segment at a time.

gdb stops where a stack is switched, and refuses frames whose addresses go back down. So each stretch of one stack is
its own walk: an unwinder answers for frame 0 only, and says that its caller is the segment's first frame. From frame 1
on gdb unwinds by itself, so that these are true frames, with arguments and locals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gdb
import gdb.unwinder

from . import describe, recursion
from .boundaries import End, Lost, Start
from .evidence import Evidence
from .trace import Trace

if TYPE_CHECKING:
    from .arch import Arch
    from .boundaries import Boundaries

_MAX_SEGMENTS = 1_000
_MAX_FRAMES = 2_000
_FIRST_LOOK_FOR_CYCLES = 64
_MASK = 0xFFFF_FFFF_FFFF_FFFF

# Their callers were not calling: the runtime made it look so, at the very instruction where a signal came.
_INJECTED = {"runtime.sigpanic", "runtime.sigpanic0", "runtime.asyncPreempt"}
_ENDS = {"runtime.goexit", "runtime.mstart", "runtime.rt0_go", "runtime.mcall"}
_THREAD_STARTS = {"_start", "clone", "__clone", "clone3", "__clone3", "start_thread"}


class _FrameId:
    def __init__(self, sp: int, pc: int) -> None:
        self.sp = gdb.Value(sp)
        self.pc = gdb.Value(pc)


class _SegmentUnwinder(gdb.unwinder.Unwinder):  # type: ignore[misc]
    """Claims the thread's innermost frame while a segment is set, and says that it was called from there."""

    def __init__(self, arch: Arch) -> None:
        super().__init__("cgosafe")
        self.start: Start | None = None
        self._pc, self._sp = arch.pc, arch.sp
        innermost = gdb.newest_frame()
        self._innermost = (innermost.pc(), int(innermost.read_register(arch.sp)))

    def __call__(self, pending: gdb.PendingFrame) -> gdb.UnwindInfo | None:
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

    def first_frame(self) -> gdb.Frame | None:
        """The segment's first frame; the thread's own where no segment is set."""
        frame: gdb.Frame | None = gdb.newest_frame()
        if self.start is None:
            return frame
        while frame is not None and frame.type() == gdb.INLINE_FRAME:
            frame = frame.older()
        return older(frame) if frame is not None else None


class Walker:
    """Walks the selected thread."""

    def __init__(self, boundaries: Boundaries, *, full: bool) -> None:
        self._boundaries = boundaries
        self._arch = boundaries.arch
        self._full = full
        self.evidence = Evidence()
        self.trace = Trace()
        self._seen: set[tuple[int, int]] = set()
        self._unwinder = _SegmentUnwinder(self._arch)
        self._physical: list[recursion.Physical] = []
        self._look_for_cycles_at = _FIRST_LOOK_FOR_CYCLES

    def walk(self) -> None:
        """Takes the whole backtrace of the selected thread into `trace`."""
        gdb.unwinder.register_unwinder(None, self._unwinder, replace=True)
        try:
            self._walk()
        finally:
            self._unwinder.start = None
            gdb.invalidate_cached_frames()
        self.trace.fold_unnamed()

    def _walk(self) -> None:
        start = self._no_code_at_pc()
        for _ in range(_MAX_SEGMENTS):
            start = self._segment(start)
            if start is None:
                return
            place = (start.registers[self._arch.pc], start.registers[self._arch.sp])
            if place in self._seen:
                self.trace.gap("the way back leads in a circle: the stack is damaged")
                return
            self._seen.add(place)
        self.trace.gap(f"more than {_MAX_SEGMENTS:,} switches of stacks")

    def _segment(self, start: Start | None) -> Start | None:
        """Takes the frames of one segment; returns where the next one starts."""
        self._unwinder.start = start
        gdb.invalidate_cached_frames()
        frame = self._unwinder.first_frame()
        shown = start is not None and start.shown
        exact = start is not None and start.exact
        last: gdb.Frame | None = None
        while frame is not None:
            pc = frame.pc() - exact
            if frame.level() > 0 and not self._boundaries.is_code(pc):
                return self._lost(f"{_caller_of(last)} is overwritten: it says {pc:#x}", last)
            if len(self.trace.frames) >= _MAX_FRAMES:
                return self._lost(f"cut after {_MAX_FRAMES:,} frames", frame)
            caller = older(frame)
            if not shown:
                self._emit(frame, caller, pc)
            step = self._next(frame, caller, pc)
            if step is not None:
                return step if isinstance(step, Start) else None
            if frame.type() != gdb.INLINE_FRAME:
                shown = exact = False
            last, frame = frame, caller
        return self._end(last)

    def _next(self, frame: gdb.Frame, caller: gdb.Frame | None, pc: int) -> Start | End | None:
        """Where the walk goes on after `frame`: None is gdb's own next frame."""
        name = describe.function_name(frame)
        step = self._boundaries.cross(frame, name, caller)
        if isinstance(step, Lost):
            if step.same_stack:
                self.trace.gap(step.reason)
                return None
            return self._lost(step.reason, frame) or End()
        if step is not None:
            return step
        if frame.type() == gdb.SIGTRAMP_FRAME and self.trace.handled_by_go():
            registers = self._boundaries.general_registers(caller) if caller else []
            self.evidence.restart(self._boundaries.signal_of(frame), registers)
        if name in _ENDS and frame.type() != gdb.INLINE_FRAME:
            return End()
        if name in _INJECTED and caller is not None:
            return self._boundaries.interrupted(caller)
        return self._skip(frame, pc)

    def _no_code_at_pc(self) -> Start | None:
        """Shows a frame without a function where the thread jumped to what is no code, and finds its caller."""
        frame = gdb.newest_frame()
        pc, sp = frame.pc(), int(frame.read_register(self._arch.sp))
        if self._boundaries.is_code(pc):
            return None
        self.trace.add(pc=pc, sp=sp, stack=self._boundaries.stack_kind(sp))
        start = self._boundaries.caller_of_jump(frame)
        if start is None:
            return self._lost("the stack does not tell from where the jump came", frame)
        return start

    def _skip(self, frame: gdb.Frame, pc: int) -> Start | None:
        """Over the frames of a deep recursion, when there is one."""
        if frame.type() == gdb.INLINE_FRAME:
            return None
        sp = int(frame.read_register(self._arch.sp))
        self._physical.append(recursion.Physical(pc, sp, self.trace.functions_at(sp)))
        if len(self._physical) < self._look_for_cycles_at:
            return None
        self._look_for_cycles_at *= 2
        registers = self._boundaries.saved_registers(frame)
        top = self._boundaries.top_of_stack(sp)
        skip = recursion.find_skip(self._physical, registers, self._arch, top)
        if skip is None:
            return None
        self.trace.recursion(skip.functions, skip.frames, skip.stride)
        self._physical = []
        self._look_for_cycles_at = _FIRST_LOOK_FOR_CYCLES
        return Start(skip.registers, shown=True)

    def _end(self, last: gdb.Frame | None) -> Start | None:
        if last is None:
            return self._lost("gdb found no frame where the next stack was left", None)
        name = describe.function_name(last)
        if name in _THREAD_STARTS:
            return None
        reason = gdb.frame_stop_reason_string(last.unwind_stop_reason())
        return self._lost(
            f"the caller of `{name or hex(last.pc())}` could not be found ({reason})", last
        )

    def _lost(self, reason: str, frame: gdb.Frame | None) -> Start | None:
        """Says what is missing, and goes on from the next switch of stacks that is known for certain."""
        start = self._boundaries.beyond(frame)
        self.trace.gap(reason)
        return start

    def _emit(self, frame: gdb.Frame, caller: gdb.Frame | None, pc: int) -> None:
        sp = int(frame.read_register(self._arch.sp))
        name = describe.function_name(frame)
        file, line = describe.place(frame)
        if file == describe.AUTOGENERATED and name is not None and name == self.trace.last_name():
            return  # Go's ABI wrapper of the function just shown; Go's own traceback hides it too
        language = describe.language(file, name, in_go_text=self._boundaries.in_go_text(pc))
        self.evidence.see(frame, name, language, (file, line))
        self.trace.add(
            pc=pc,
            sp=sp,
            stack=self._boundaries.stack_kind(sp),
            function=name,
            language=language,
            file=file,
            line=line,
            size=None if frame.type() == gdb.SIGTRAMP_FRAME else self._size(sp, caller),
            args=describe.arguments(frame),
            variables=describe.local_variables(frame) if self._full else [],
        )

    def _size(self, sp: int, caller: gdb.Frame | None) -> int | None:
        if caller is None:
            return None
        try:
            size = int(caller.read_register(self._arch.sp)) - sp
        except gdb.error:
            return None
        return size if 0 < size < 1 << 40 else None


def _caller_of(frame: gdb.Frame | None) -> str:
    name = describe.function_name(frame) if frame is not None else None
    return f"the return address of `{name}`" if name else "a return address"


def older(frame: gdb.Frame) -> gdb.Frame | None:
    """The frame's caller, or None where gdb finds none."""
    try:
        return frame.older()
    except gdb.error:
        return None
