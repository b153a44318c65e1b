"""Teaches gdb where a segment of the walk starts, and how to unwind Go code that has no debug information."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import gdb
import gdb.unwinder

from . import memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .arch import Arch
    from .functable import FunctionTable

_MASK = 0xFFFF_FFFF_FFFF_FFFF


@dataclass(frozen=True)
class Start:
    """The registers with which a segment starts."""

    registers: Mapping[str, int]
    shown: bool = False
    """Its first frame was already shown on the other stack: asmcgocall stands on both."""
    exact: bool = False
    """Its pc is one more than where the thread was interrupted; see `Boundaries.interrupted`."""


class _FrameId:
    def __init__(self, sp: int, pc: int) -> None:
        self.sp = gdb.Value(sp)
        self.pc = gdb.Value(pc)


class SegmentUnwinder(gdb.unwinder.Unwinder):  # type: ignore[misc]
    """Claims the thread's innermost frame while a segment is set, and says that it was called from there.

    All other frames are gdb's to unwind, but for Go code without debug information: there Go's own
    table of frame sizes is followed.
    """

    def __init__(self, arch: Arch, table: FunctionTable | None) -> None:
        super().__init__("cgosafe")
        self.start: Start | None = None
        self._arch = arch
        self._table = None if arch.link else table
        innermost = gdb.newest_frame()
        self._innermost = (innermost.pc(), int(innermost.read_register(arch.sp)))

    def __call__(self, pending: gdb.PendingFrame) -> gdb.UnwindInfo | None:
        """gdb's question: the caller's registers, or None for gdb to find them itself."""
        pc = int(pending.read_register(self._arch.pc)) & _MASK
        sp = int(pending.read_register(self._arch.sp)) & _MASK
        # Frames inlined at the thread's pc stand before the innermost real one: its level is not always 0.
        innermost = self._innermost == (pc, sp)
        if self.start is not None and innermost:
            registers = self.start.registers
            return _claim(pending, registers[self._arch.sp] - 32, 0, registers)
        if self._table is None or pc not in self._table.text:
            return None
        return self._by_table(self._table, pending, pc if innermost else pc - 1, sp)

    def first_frame(self) -> gdb.Frame | None:
        """The segment's first frame; the thread's own where no segment is set."""
        frame: gdb.Frame | None = gdb.newest_frame()
        if self.start is None:
            return frame
        while frame is not None and frame.type() == gdb.INLINE_FRAME:
            frame = frame.older()
        return older(frame) if frame is not None else None

    def _by_table(
        self, table: FunctionTable, pending: gdb.PendingFrame, pc: int, sp: int
    ) -> gdb.UnwindInfo | None:
        function = table.at(pc)
        if function is None:
            return None
        top = sp + function.depth + 8
        back = memory.word(top - 8)
        if back is None:
            return None
        registers = {self._arch.pc: back, self._arch.sp: top}
        saved = memory.word(top - 16) if function.depth else None
        if saved is not None:
            registers[self._arch.fp] = saved
        return _claim(pending, top, function.entry, registers)


def _claim(
    pending: gdb.PendingFrame, sp: int, pc: int, registers: Mapping[str, int]
) -> gdb.UnwindInfo:
    info = pending.create_unwind_info(_FrameId(sp, pc))
    for name, value in registers.items():
        info.add_saved_register(name, gdb.Value(value & _MASK))
    return info


def older(frame: gdb.Frame) -> gdb.Frame | None:
    """The frame's caller, or None where gdb finds none."""
    try:
        return frame.older()
    except gdb.error:
        return None
