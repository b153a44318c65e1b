"""Where one stack ends and another goes on: the switches that Go's runtime makes, and the way back.

The switches are those of runtime/asm_GOARCH.s and runtime/cgo/asm_GOARCH.s. Every address that is
read on the way is checked: it must lie on the stack where it belongs, or the boundary counts as lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gdb

from . import memory, siginfo
from .unwinder import Start

if TYPE_CHECKING:
    from collections.abc import Callable

    from .arch import Arch
    from .goruntime import Goroutine, GoRuntime, Machine
    from .memory import Mappings
    from .symbols import Symbols

_MASK = 0xFFFF_FFFF_FFFF_FFFF
THREAD, GOROUTINE, SIGNAL = "thread", "goroutine", "signal"


@dataclass(frozen=True)
class Lost:
    """The frames go on elsewhere, but where could not be told."""

    reason: str
    same_stack: bool = False
    """Earlier frames stand further up on this same stack: gdb's next frame is the right one to go on with."""


@dataclass(frozen=True)
class End:
    """There are no further frames."""


if TYPE_CHECKING:
    Step = Start | Lost | End | None


class Boundaries:
    """The switches of one thread."""

    def __init__(
        self,
        arch: Arch,
        mappings: Mappings,
        symbols: Symbols,
        runtime: GoRuntime,
        machine: Machine | None,
    ) -> None:
        self.arch = arch
        self.symbols = symbols
        self.machine = machine
        self._mappings = mappings
        self._runtime = runtime
        self._go_text = runtime.text
        self._goroutine = machine.curg if machine else None
        self._g0_sp = machine.g0.sp if machine and machine.g0 else 0
        self._crossed = False
        self._table: dict[str, Callable[[gdb.Frame, int, gdb.Frame | None], Step]] = {
            "runtime.asmcgocall": self._asmcgocall,
            "runtime.cgocallback": self._cgocallback,
            "crosscall2": self._crosscall2,
            "runtime.systemstack": self._systemstack,
            "runtime.nanotime1": self._vdso,
            "time.now": self._vdso,
            "runtime.walltime": self._vdso,
            "runtime.mcall": self._to_scheduled,
            "runtime.morestack": self._to_scheduled,
            "runtime.morestack_noctxt": self._to_scheduled,
        }

    @property
    def goroutine(self) -> Goroutine | None:
        """The goroutine that the thread runs, as far as the walk has come."""
        return self._goroutine

    def in_go_text(self, pc: int) -> bool:
        """Whether `pc` is Go code."""
        return pc in self._go_text

    def stack_kind(self, sp: int) -> str:
        """The kind of stack that holds `sp`."""
        if self._goroutine and self._goroutine.holds(sp):
            return GOROUTINE
        if self.machine and self.machine.gsignal and self.machine.gsignal.holds(sp):
            return SIGNAL
        return THREAD

    def is_code(self, pc: int) -> bool:
        """Whether `pc` can be executed at all."""
        return self._mappings.is_code(pc)

    def top_of_stack(self, sp: int) -> int:
        """The end of the stack that holds `sp`; where C was called from Go, the place of that call."""
        if self.stack_kind(sp) == GOROUTINE and self._goroutine:
            return self._goroutine.hi
        mapping = self._mappings.at(sp)
        end = mapping.end if mapping else sp
        return self._g0_sp if sp < self._g0_sp < end else end

    def saved_registers(self, frame: gdb.Frame) -> dict[str, int]:
        """The registers that a call preserves, as they are in `frame`."""
        found = {}
        for name in self.arch.callee_saved:
            try:
                found[name] = int(frame.read_register(name)) & _MASK
            except gdb.error:
                continue
        return found

    def signal_of(self, frame: gdb.Frame) -> dict[str, Any] | None:
        """The signal that the kernel's signal frame `frame` was built for."""
        return siginfo.at(self._sp(frame) + self.arch.siginfo)

    def general_registers(self, frame: gdb.Frame) -> list[dict[str, Any]]:
        """The general registers as they are in `frame`, those that are known there."""
        found = []
        for name in self.arch.registers:
            try:
                value = int(frame.read_register(name)) & _MASK
            except (gdb.error, ValueError):
                continue
            found.append({"name": name, "value": value})
        return found

    def interrupted(self, frame: gdb.Frame) -> Start:
        """`frame`, which was not calling but was interrupted at its very pc.

        gdb takes a caller's pc for a return address and looks up the instruction before it; one byte
        further on the lookup is right, and so are the unwinding rules, but after a one-byte push.
        """
        pc = frame.pc()
        try:
            length = frame.architecture().disassemble(pc)[0]["length"]
        except gdb.error:
            length = 1
        exact = length > 1
        return Start(
            {
                **self.saved_registers(frame),
                self.arch.pc: pc + exact,
                self.arch.sp: self._sp(frame),
            },
            exact=exact,
        )

    def caller_of_jump(self, frame: gdb.Frame) -> Start | None:
        """The caller of `frame`, whose pc is no code: it was called or jumped to a moment ago."""
        sp = self._sp(frame)
        registers = self.saved_registers(frame)
        if self.arch.link:
            pc, after = int(frame.read_register(self.arch.link)), sp
        else:
            pc, after = memory.word(sp) or 0, sp + 8
        if self.is_code(pc):
            return Start({**registers, self.arch.pc: pc, self.arch.sp: after})
        fp = registers.get(self.arch.fp, 0)
        saved, pc = memory.word(fp), memory.word(fp + 8) or 0
        if saved and sp < fp < self.top_of_stack(sp) and self.is_code(pc):
            far = {self.arch.pc: pc, self.arch.sp: fp + 16, self.arch.fp: saved}
            return Start({**registers, **far})
        return None

    def cross(self, frame: gdb.Frame, name: str | None, older: gdb.Frame | None) -> Step:
        """What comes after `frame`: a new segment, a boundary that was lost, or None for gdb's own next frame."""
        handler = self._table.get(name or "")
        step = handler(frame, self._sp(frame), older) if handler else None
        self._crossed = self._crossed or step is not None
        return step

    def beyond(self, frame: gdb.Frame | None) -> Start | None:
        """Where the walk goes on for certain when `frame` has no caller: the goroutine that called C."""
        if frame is None or not self._g0_sp:
            return None
        sp = self._sp(frame)
        if self.stack_kind(sp) != THREAD or self.top_of_stack(sp) != self._g0_sp:
            return None
        for slots in self.arch.asmcgocall:
            base = (self._g0_sp - slots.frame) & ~15
            back = memory.word(base - 8)
            if back and self.symbols.name_at(back - 1) == "runtime.asmcgocall":
                step = self._leave_c(back, base)
                return step if isinstance(step, Start) else None
        return self._where_goroutine_left()

    def _where_goroutine_left(self) -> Start | None:
        """The place that a goroutine kept when it went to C last; good for the innermost C only."""
        goroutine = self._goroutine
        if self._crossed or goroutine is None or not goroutine.holds(goroutine.sp):
            return None
        if self.symbols.name_at(goroutine.pc) != "runtime.systemstack_switch":
            return None
        return self._same_function(goroutine.pc, goroutine.sp, goroutine.fp)

    def _asmcgocall(self, frame: gdb.Frame, sp: int, _older: gdb.Frame | None) -> Step:
        if self.stack_kind(sp) == GOROUTINE:
            return None
        return self._leave_c(frame.pc(), sp)

    def _leave_c(self, pc: int, sp: int) -> Step:
        for slots in self.arch.asmcgocall:
            depth, address = memory.word(sp + slots.depth), memory.word(sp + slots.goroutine)
            if not depth or address is None:
                continue
            if address == 0:
                if (depth - slots.frame) & ~15 == sp:
                    return self._same_function(pc, depth)
                continue
            goroutine = self._runtime.goroutine(address)
            if goroutine and self._is_left_at(goroutine, depth):
                self._goroutine = goroutine
                if self.machine is None:
                    self._adopt(goroutine)
                return self._same_function(pc, goroutine.hi - depth)
        return Lost(
            "the goroutine that called C could not be found where runtime.asmcgocall keeps it"
        )

    def _is_left_at(self, goroutine: Goroutine, depth: int) -> bool:
        """Whether `goroutine` is the one that the thread runs, and called C `depth` bytes down its stack."""
        if not 0 < depth < goroutine.hi - goroutine.lo:
            return False
        if self.machine and self.machine.curg:
            return goroutine.address == self.machine.curg.address
        # There stand the saved frame pointer, then the return address into Go.
        return self.is_code(memory.word(goroutine.hi - depth + 8) or 0)

    def _adopt(self, goroutine: Goroutine) -> None:
        """Takes the m from the goroutine, where the program has no debug information to find it by thread."""
        self.machine = self._runtime.machine(goroutine.m)
        if self.machine and self.machine.g0:
            self._g0_sp = self.machine.g0.sp

    def _cgocallback(self, frame: gdb.Frame, sp: int, _older: gdb.Frame | None) -> Step:
        if self.stack_kind(sp) != GOROUTINE:
            return None
        at = self._g0_sp
        back = memory.word(at + self.arch.cgocallback_return) if at else None
        if not back or self.symbols.name_at(back - 1) != "crosscall2":
            return Lost(
                "the runtime has given up the thread stack of the C code that called Go",
                same_stack=True,
            )
        self._g0_sp = memory.word(at + self.arch.cgocallback_saved_sp) or 0
        return self._same_function(frame.pc(), at)

    def _crosscall2(self, frame: gdb.Frame, sp: int, older: gdb.Frame | None) -> Step:
        if frame.level() == 0:
            return None  # it has not called yet, or has returned: nothing is where it would be during the call
        sizes = self.arch.crosscall2_sizes
        told = int(older.read_register(self.arch.sp)) - sp if older is not None else 0
        for size in (told, *sizes):
            link = sp + size - 8
            pc = memory.word(link)
            if size in sizes and pc and self._mappings.is_code(pc):
                registers = {
                    name: memory.word(sp + offset) or 0
                    for name, offset in self.arch.crosscall2_saved.items()
                }
                registers[self.arch.fp] = memory.word(link - 8) or 0
                registers[self.arch.pc], registers[self.arch.sp] = pc, sp + size
                return Start(registers)
        return Lost("the C caller of crosscall2 could not be found")

    def _systemstack(self, frame: gdb.Frame, sp: int, _older: gdb.Frame | None) -> Step:
        goroutine = self._goroutine
        if self.stack_kind(sp) == GOROUTINE or goroutine is None:
            return None
        if not goroutine.holds(goroutine.sp):
            return Lost(
                "the goroutine that switched to the system stack has not kept its stack pointer"
            )
        return self._same_function(frame.pc(), goroutine.sp, goroutine.fp)

    def _vdso(self, _frame: gdb.Frame, sp: int, _older: gdb.Frame | None) -> Step:
        """Go calls the kernel's vDSO on the system stack, and keeps where it came from in its m."""
        machine = self.machine
        if machine is None or self.stack_kind(sp) == GOROUTINE or not machine.vdso_sp:
            return None
        if not self.in_go_text(machine.vdso_pc):
            return None
        return Start(self._registers(machine.vdso_pc, machine.vdso_sp, machine.vdso_sp))

    def _to_scheduled(self, _frame: gdb.Frame, sp: int, _older: gdb.Frame | None) -> Step:
        goroutine = self._goroutine
        if self.stack_kind(sp) == GOROUTINE:
            return None
        if goroutine is None:
            return End()  # the thread has parted with its goroutine, and looks for another
        if not goroutine.holds(goroutine.sp) or not self.in_go_text(goroutine.pc):
            return Lost("the goroutine that the scheduler took over has not kept its place")
        return Start(self._registers(goroutine.pc, goroutine.sp, goroutine.fp))

    def _same_function(self, pc: int, sp: int, fp: int | None = None) -> Start:
        """The same function goes on on another stack: its own frame was shown, its caller comes next."""
        return Start(self._registers(pc, sp, fp if fp is not None else sp), shown=True)

    def _registers(self, pc: int, sp: int, fp: int) -> dict[str, int]:
        return {self.arch.pc: pc, self.arch.sp: sp, self.arch.fp: fp}

    def _sp(self, frame: gdb.Frame) -> int:
        return int(frame.read_register(self.arch.sp))
