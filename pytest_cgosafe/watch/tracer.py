"""The loop that watches one program: it wakes for thread starts, ends and signals, and lets everything run on.

Nothing is changed in the program, but for the traps that a probe asks for, and marks on stacks where nobody may read.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_cgosafe.results import Exit
from pytest_cgosafe.watch import descendants, procfs, ptrace, signals
from pytest_cgosafe.watch.descendants import Descendants
from pytest_cgosafe.watch.handover import Handover
from pytest_cgosafe.watch.machine import this_machine
from pytest_cgosafe.watch.program import Program
from pytest_cgosafe.watch.ptrace import Event, Option
from pytest_cgosafe.watch.stops import Stop, StopReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_cgosafe.results import ThreadStack
    from pytest_cgosafe.watch.clock import Clock
    from pytest_cgosafe.watch.images import SymbolLookup
    from pytest_cgosafe.watch.launch import Alarm, Launched
    from pytest_cgosafe.watch.remains import RemainsKeeper
    from pytest_cgosafe.watch.sampler import Sampler
    from pytest_cgosafe.watch.stops import Observer
    from pytest_cgosafe.watch.threads import Thread
    from pytest_cgosafe.watch.traps import Probe

_OPTIONS = descendants.OPTIONS | Option.TRACE_EXEC | Option.TRACE_EXIT
_PREEMPTION = signal.SIGURG << 8 | 0x7F
"""The status of a stop for the signal that the Go scheduler sends by the thousand."""


class Tracer:
    """Watches one program from its gate to its end. To be used in the thread that launched it only."""

    def __init__(
        self,
        launched: Launched,
        alarm: Alarm,
        clock: Clock,
        lookup: SymbolLookup,
        observer: Observer | None,
        probes: Sequence[Probe] = (),
        remains: RemainsKeeper | None = None,
        sampler: Sampler | None = None,
    ) -> None:
        """Seize the program. Raises PermissionError where that is forbidden."""
        names = observer.breakpoints if observer else ()
        self.program = Program(launched.pid, lookup, names, probes, remains, sampler)
        self.observer = observer
        self.clock = clock
        self.exit: Exit | None = None
        self.handover: Handover | None = None
        """Set while the program is being stopped for a debugger."""
        self.options = _OPTIONS
        self._alarm = alarm
        self._timed_out = False
        self._told_end = False
        self._held: list[int] = []
        """Threads that wait at their end for the one that ends the program."""
        self._descendants = Descendants()
        ptrace.seize(launched.pid, self.options)

    @property
    def stacks(self) -> tuple[ThreadStack, ...]:
        """The stacks of the program's threads, the main thread's first."""
        return self.program.results()

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be done."""
        return tuple(self.program.notes)

    def run(self) -> Exit:
        """Watch until the program and everything that it started is gone."""
        with suppress(ChildProcessError):
            while True:
                self.step()
        self.program.close()
        assert self.exit is not None
        return self.exit

    def step(self, *, block: bool = True) -> bool:
        """Wait for one event and see to it; without `block`, returns False when there is none.

        Raises ChildProcessError when there is nothing left to wait for.
        """
        traps = self.program.traps
        if traps and traps.early:
            tid, status = traps.early.pop()
        else:
            tid, status = os.waitpid(-1, ptrace.WAIT_OPTIONS | (0 if block else os.WNOHANG))
        if tid == 0:
            return False
        try:
            if status == _PREEMPTION and tid in self.program.threads:
                ptrace.cont(tid, signal.SIGURG)
            elif not os.WIFSTOPPED(status):
                self._gone(tid, status)
            elif thread := self._known(tid):
                self._stopped(thread, status >> 16, os.WSTOPSIG(status))
            else:
                self._descendants.stopped(tid, status >> 16, os.WSTOPSIG(status), traps)
        except ProcessLookupError:
            pass  # killed meanwhile: its end is reported next
        except Exception as error:  # a fault of ours must not take away what the program did
            self.program.note(f"the watcher failed and went on: {error!r}")
            with suppress(ProcessLookupError):
                ptrace.cont(tid, 0 if status >> 16 else os.WSTOPSIG(status))
        return True

    def _known(self, tid: int) -> Thread | None:
        """The program's thread of that id, a new one included; None for a descendant's."""
        thread = self.program.threads.get(tid)
        if thread or tid in self._descendants or not procfs.is_thread_of(self.program.pid, tid):
            return thread
        return self.program.begin(tid)

    # The program's threads

    def _stopped(self, thread: Thread, event: int, number: int) -> None:
        self.program.rearm(thread)
        if event == Event.SIGNAL:
            self._signal(thread, number)
        elif event == Event.STOP and number != signal.SIGTRAP:
            self._group_stop(thread)
        else:
            thread.in_group_stop = False
            if event == Event.CLONE:
                self.program.creates_thread(thread.tid)
            elif event == Event.EXEC:
                self._loaded()
            elif event == Event.EXIT and self._exits(thread):
                return
            ptrace.cont(thread.tid)

    def _loaded(self) -> None:
        self._told_end = False
        if not self.program.loaded:
            self.clock.start()
        self.program.load()

    def _group_stop(self, thread: Thread) -> None:
        thread.in_group_stop = True
        if self.handover:
            self.handover.group_stop_began()
        else:
            ptrace.listen(thread.tid)

    def _signal(self, thread: Thread, number: int) -> None:
        info = ptrace.signal_info(thread.tid)
        if signals.signal_code(info) == ptrace.STOPPED_AT_EXIT:
            return  # killed since it reported: it stands at its end, and reports that next
        if number == signal.SIGTRAP and self._trapped(thread, info):
            return
        resent = thread.resent.pop(number, None)
        if resent:
            info = resent.info
            ptrace.set_signal_info(thread.tid, info)
        if resent and resent.examined:
            pass
        elif number == signal.SIGCONT and self._our_cont(info):
            number = 0
        elif self._breakpoint(thread, number, info):
            return
        elif self.handover:
            self.handover.park(thread, number, info)
            return
        elif number in signals.CORE and self._observed(thread, number, info):
            return
        ptrace.cont(thread.tid, number)

    def _trapped(self, thread: Thread, info: bytes) -> bool:
        """See to a trap of ours; False for any other signal."""
        return bool(self.program.traps and self.program.traps.see_to(thread.tid, info))

    def _our_cont(self, info: bytes) -> bool:
        ours = self.program.our_conts > 0 and signals.sender(info) == os.getpid()
        self.program.our_conts -= ours
        return ours

    def _breakpoint(self, thread: Thread, number: int, info: bytes) -> bool:
        """See to a breakpoint of ours; False for any other signal."""
        points = self.program.breakpoints
        if (
            number != signal.SIGTRAP
            or signals.signal_code(info) != ptrace.TRAP_HWBKPT
            or not points
        ):
            return False
        registers = ptrace.registers(thread.tid)
        name = points.observed(registers.pc)
        if self.program.own_breakpoint(thread, registers.pc):
            pass
        elif name is None:
            return False  # the program's own
        elif self.handover:
            ptrace.pass_breakpoint(thread.tid, by=False)
        else:
            stop = self._stop(thread, StopReason.BREAKPOINT, registers, name)
            if self.wants(stop):
                Handover(self, stop).run(thread)
                return True
        ptrace.cont(thread.tid)
        return True

    def _observed(self, thread: Thread, number: int, info: bytes) -> bool:
        """Offer a signal to the observer; whether it was examined, and sees to itself from here."""
        if not self.observer:
            return False
        registers = ptrace.registers(thread.tid)
        stop = Stop(
            self.program.pid,
            thread.tid,
            StopReason.SIGNAL,
            registers.pc,
            registers.sp,
            signal=signals.decode(info),
        )
        if not self.wants(stop):
            return False
        Handover(self, stop).run(thread, number, info)
        return True

    def _stop(
        self, thread: Thread, reason: StopReason, now: ptrace.Registers, name: str | None = None
    ) -> Stop:
        return Stop(self.program.pid, thread.tid, reason, now.pc, now.sp, breakpoint=name)

    def wants(self, stop: Stop) -> bool:
        """Ask the observer; one that fails wants nothing."""
        try:
            return bool(self.observer and self.observer.wants(stop))
        except Exception as error:
            self.program.note(f"the observer failed: {error!r}")
            return False

    # Ends

    def _exits(self, thread: Thread) -> bool:
        """See to a thread about to end, its memory still there; whether it is held until the program's end is told.

        A program that ends with a status above 0 may have crashed. The thread that ends it can tell, so the others,
        which may report before it, wait.
        """
        thread.ending = True
        if not self.program.loaded or self._told_end:
            return False
        machine = this_machine()
        registers = ptrace.registers(thread.tid)
        status = ptrace.event_message(thread.tid)
        killed = status & 0x7F
        if registers.syscall == machine.sys_exit and not killed and self.program.goes_on:
            self.program.measure(thread)
            return False
        self.program.measure_at_end(thread)
        ends_itself = registers.syscall in (machine.sys_exit, machine.sys_exit_group)
        if status and not killed and not ends_itself:
            self._held.append(thread.tid)
            return True
        self._told_end = True
        self.wants(self._stop(thread, StopReason.EXIT, registers))
        for tid in self._held:
            with suppress(ProcessLookupError):
                ptrace.cont(tid)
        self._held.clear()
        return False

    def _gone(self, tid: int, status: int) -> None:
        if tid == self._alarm.pid:
            self._alarm.ended()
            if self.exit is None:
                self._time_is_up()
        elif tid == self.program.pid:
            self.clock.stop()
            code = os.waitstatus_to_exitcode(status)
            name = signals.signal_name(-code) if code < 0 else None
            self.exit = Exit(None if name else code, name, self._timed_out and name == "SIGKILL")
            self.program.gone(tid)
            self._alarm.ring()
            self._descendants.kill()
        else:
            self.program.gone(tid)
            self._descendants.gone(tid)

    def _time_is_up(self) -> None:
        self._timed_out = True
        if not self._alarm.abandoned and self.program.loaded:
            if self.observer:
                Handover.at_timeout(self)
            self.program.measure_at_end()
        descendants.kill(self.program.pid)
