"""Traps: breakpoints written into a program's code, where the hardware's four are too few. Only where a probe asks.

A trap is an instruction that raises SIGTRAP (int3, brk) in the place of the first bytes of another. To let a thread
pass, a copy of that other one is run at the program's entry point, which no thread needs at that moment, by a single
step: so the trap stays where it is, and the calls of other threads do not slip through. An instruction that is not
known to do the same elsewhere is run in its place, with the trap away for these few microseconds.
"""

from __future__ import annotations

import os
import signal
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_cgosafe.watch import procfs, ptrace, signals
from pytest_cgosafe.watch.instructions import runs_anywhere
from pytest_cgosafe.watch.machine import this_machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_cgosafe.watch.images import Image


_BEHIND_ENTRY = 8
"""Bytes: there may be a hardware breakpoint at the entry point itself. What follows it runs as seldom."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A thread that is about to run the instruction at a place which a probe named. The other threads run on."""

    pid: int
    tid: int
    place: int
    """As the probe named it."""
    registers: ptrace.Registers
    """Those of the thread, with `pc` at the place."""
    memory: procfs.Memory
    """The program's. Open as long as the program is; to be read from during `hit` only."""


class Probe(Protocol):
    """Looks at threads that come by certain places in a program's code, mostly the entries of functions.

    Called in the watcher's thread. What it raises becomes a note of the run, and takes its trap away.
    """

    def places(self, image: Image) -> Iterable[int]:
        """Where to set traps in a file that was just loaded, in addresses of the process: ``image.bias + linked``.

        Each must be the first byte of an instruction. Asked about the program itself before its first instruction;
        after that about each library that is there when a thread is created, until this probe names a place. After an
        exec, asked about the new program.
        """

    def hit(self, entry: Entry) -> bool:
        """A thread comes by; whether to keep the trap of that place. Must be quick: it costs the thread this long."""


@dataclass(slots=True)
class _Trap:
    address: int
    original: bytes
    """What stood there, at least one instruction."""
    probes: list[Probe] = field(default_factory=list)
    """Whoever wants it; nobody once it was let go. It is remembered: a thread may have run into it before that."""


class Traps:
    """The traps of one program image."""

    def __init__(self, pid: int, memory: procfs.Memory, probes: Sequence[Probe]) -> None:
        self.notes: list[str] = []
        self.early: list[tuple[int, int]] = []
        """What waitpid said in the middle of a step and was not about that, to be seen to next: thread and status."""
        self._pid = pid
        self._memory = memory
        self._wanting = list(probes)
        self._traps: dict[int, _Trap] = {}
        self._code: procfs.Code | None = None
        self._scratch: int | None = None
        self._unfinished: dict[int, tuple[int, int]] = {}
        """Threads that a signal interrupted before their step, with address and sp: they come by once more."""
        self._stepped: set[int] = set()
        """Threads whose step is done, and will be reported later."""

        self._rewound: dict[int, int] = {}
        """Threads that were put back to where they ran into a trap; the signal may still come."""

    @property
    def complete(self) -> bool:
        """Whether every probe has named a place."""
        return not self._wanting

    def close(self) -> None:
        """Let go of the program's memory."""
        if self._code:
            self._code.close()

    def search(self, image: Image) -> None:
        """Have the probes look at a file that was loaded, and set what they ask for."""
        for probe in tuple(self._wanting):
            try:
                places = tuple(probe.places(image))
            except Exception as error:
                self._note(f"a probe failed: {error!r}")
                places = ()
            if places:
                self._wanting.remove(probe)
            for place in places:
                self._set(place, probe)

    def _set(self, place: int, probe: Probe) -> None:
        trap = self._traps.get(place)
        machine = this_machine()
        try:
            if self._code is None:
                self._code = procfs.Code(self._pid)
                entry = procfs.entry_point(self._pid)
                self._scratch = None if entry is None else entry + _BEHIND_ENTRY
            if trap is None:
                original = self._memory.read(place, machine.longest_instruction)
                if not original or original.startswith(machine.trap):
                    self._note(f"no trap could be set at {place:#x}: no instruction is there")
                    return
                trap = _Trap(place, original.ljust(machine.longest_instruction, b"\0"))
            self._code.write(place, machine.trap)
        except OSError as error:
            self._note(f"traps could not be set: {error.strerror or error}")
            return
        trap.probes.append(probe)
        self._traps[place] = trap

    def lift(self, threads: Iterable[int]) -> None:
        """Put the program's own code back for a while, when all its `threads` are stopped."""
        for tid in threads if self._traps else ():
            with suppress(ProcessLookupError):
                self._rewind(tid)
        for trap in self._traps.values():
            if trap.probes:
                self._restore(trap)

    def _rewind(self, tid: int) -> None:
        """Put a thread back that ran into a trap and was stopped before it could report.

        A debugger must not find it within an instruction, and may keep the signal for itself.
        """
        machine, now = this_machine(), ptrace.registers(tid)
        address = now.pc - machine.trap_advance
        if machine.trap_advance and address in self._traps:
            waiting = (signals.decode(info) for info in ptrace.pending_signals(tid))
            if any((info.name, info.code) == ("SIGTRAP", machine.trap_code) for info in waiting):
                ptrace.set_registers(tid, now.at(address))
                self._rewound[tid] = address

    def lower(self) -> None:
        """Set the traps again that were lifted."""
        for trap in self._traps.values():
            if trap.probes and self._code:
                with suppress(OSError):
                    self._code.write(trap.address, this_machine().trap)

    def _restore(self, trap: _Trap) -> None:
        if self._code:
            with suppress(OSError):  # the program is gone
                self._code.write(trap.address, trap.original[: len(this_machine().trap)])

    def see_to(self, tid: int, info: bytes) -> bool:
        """See to a thread that got the SIGTRAP `info`, and let it go on; False where no trap raised that."""
        if self._was_stepped(tid, info) or self._was_rewound(tid, info):
            return True
        trap, now = self._find(tid, info)
        if not trap or not now or not self._code:
            return False
        if self._unfinished.pop(tid, None) != (trap.address, now.sp):
            self._show(trap, Entry(self._pid, tid, trap.address, now, self._memory))
        if trap.probes:
            self._step(tid, trap, now, self._code)
        else:
            self._restore(trap)
            ptrace.set_registers(tid, now)
            ptrace.cont(tid)
        return True

    def see_to_descendant(self, tid: int, info: bytes) -> bool:
        """The same for a process that the program started and that still runs its code; no probe is asked.

        It may have a copy of the memory (fork) or share it (vfork).
        """
        if self._was_stepped(tid, info):
            return True
        trap, now = self._find(tid, info)
        if not trap or not now or _executable(tid) != _executable(self._pid):
            return False
        with closing(procfs.Code(tid)) as code:
            there, trap_here = code.read(trap.address, len(trap.original)), this_machine().trap
            if there.startswith(trap_here):
                self._step(tid, trap, now, code)
                return True
            if there.startswith(trap.original[: len(trap_here)]):  # let go meanwhile
                ptrace.set_registers(tid, now)
                ptrace.cont(tid)
                return True
        return False

    def _was_stepped(self, tid: int, info: bytes) -> bool:
        if tid not in self._stepped or signals.signal_code(info) != ptrace.TRAP_TRACE:
            return False
        self._stepped.remove(tid)
        ptrace.cont(tid)
        return True

    def _was_rewound(self, tid: int, info: bytes) -> bool:
        address = self._rewound.pop(tid, None)
        late = address is not None and signals.signal_code(info) == this_machine().trap_code
        if not late or ptrace.registers(tid).pc != address:
            return False
        ptrace.cont(tid)
        return True

    def _find(self, tid: int, info: bytes) -> tuple[_Trap | None, ptrace.Registers | None]:
        """The trap that raised a SIGTRAP, and the thread's registers with the program counter back at it."""
        machine = this_machine()
        if not self._traps or signals.signal_code(info) != machine.trap_code:
            return None, None
        now = ptrace.registers(tid)
        address = now.pc - machine.trap_advance
        return self._traps.get(address), now.at(address)

    def _show(self, trap: _Trap, entry: Entry) -> None:
        for probe in tuple(trap.probes):
            try:
                keep = probe.hit(entry)
            except Exception as error:  # a fault of ours must not take away what the program does
                self._note(f"a probe failed: {error!r}")
                keep = False
            if not keep:
                trap.probes.remove(probe)

    def _step(self, tid: int, trap: _Trap, now: ptrace.Registers, code: procfs.Code) -> None:
        """Let a thread run the instruction that the trap stands in place of, and go on."""
        machine = this_machine()
        if self._scratch is not None and runs_anywhere(machine, trap.original):
            at, instruction = self._scratch, trap.original
        else:
            at, instruction = trap.address, trap.original[: len(machine.trap)]
        before = code.read(at, len(instruction))
        code.write(at, instruction)
        try:
            ptrace.set_registers(tid, now.at(at))
            ptrace.pass_breakpoint(
                tid, by=True
            )  # a hardware breakpoint at the trap has had its turn
            ptrace.single_step(tid)
            _, status = os.waitpid(tid, ptrace.WAIT_OPTIONS)
        finally:
            code.write(at, before)
        if not os.WIFSTOPPED(status):
            self.early.append((tid, status))
            return
        done = status >> 8 == signal.SIGTRAP and (
            signals.signal_code(ptrace.signal_info(tid)) == ptrace.TRAP_TRACE
        )
        after = ptrace.registers(tid)
        if at != trap.address and 0 <= after.pc - at <= len(instruction):
            after = after.at(trap.address + after.pc - at)
            ptrace.set_registers(tid, after)
        if done:
            ptrace.cont(tid)
            return
        self.early.append((tid, status))
        if after.pc != trap.address:
            self._stepped.add(tid)
        elif status >> 16 or os.WSTOPSIG(status) not in signals.FAULTS:
            self._unfinished[tid] = (trap.address, after.sp)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _executable(pid: int) -> Path:
    return Path(f"/proc/{pid}/exe").readlink()
