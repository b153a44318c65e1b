"""Hands a watched program to a debugger and takes it back.

ptrace(2) allows one tracer. So the whole process is put into a group-stop, which outlives a detach: every thread stays
at its instruction. Afterwards it is seized again, the group-stop is ended without the program seeing the SIGCONT, and
signals that were about to be delivered are queued again, each with the siginfo_t that it had.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_cgosafe.watch import procfs, ptrace, signals
from pytest_cgosafe.watch.stops import Stop, StopReason
from pytest_cgosafe.watch.threads import Resent

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_cgosafe.watch.threads import Thread
    from pytest_cgosafe.watch.tracer import Tracer

_PATIENCE = 2.0  # seconds for all threads to stop; one within vfork(2) does not
_POLL = 0.0002


@dataclass(frozen=True, slots=True)
class _Parked:
    """A signal that a thread was about to get."""

    tid: int
    number: int
    info: bytes
    examined: bool = False


class Handover:
    """One examination of the program by the tracer's observer."""

    def __init__(self, tracer: Tracer, stop: Stop) -> None:
        self._tracer = tracer
        self._program = tracer.program
        self._stop = stop
        self._parked: list[_Parked] = []
        self._kept: list[int] = []

    def run(self, thread: Thread, number: int = 0, info: bytes = b"") -> None:
        """Have the program examined at a signal-delivery-stop of `thread`, then let all go on as it would have.

        `number` and `info` are the signal to be delivered after that; 0: none.
        """
        with self._tracer.clock.paused():
            self._hold()
            if number:
                self._parked.append(_Parked(thread.tid, number, info, examined=True))
            ptrace.cont(thread.tid, signal.SIGSTOP)
            if self._wait(self._all_stopped):
                self._detach()
                self._examine()
                self._seize()
            else:
                self._program.note("a debugger was not asked: not every thread could be stopped")
            self._thaw()

    @classmethod
    def at_timeout(cls, tracer: Tracer) -> None:
        """Have the program examined where it stands now; it is stopped and mostly untraced after that."""
        pid = tracer.program.pid
        self = cls(tracer, Stop(pid, pid, StopReason.TIMEOUT, 0, 0))
        tracer.clock.stop()
        self._hold()
        if not self._all_stopped():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        for thread in tracer.program.threads.values():
            if thread.in_group_stop:  # listening: it has to report before it can be spoken to
                thread.in_group_stop = False
                with suppress(ProcessLookupError):
                    ptrace.interrupt(thread.tid)
        stopped = self._wait(self._all_stopped)
        if tracer.exit is None and (stop := self._at_a_thread()) and tracer.wants(stop):
            self._stop = stop
            if stopped:
                self._detach()
                self._examine()
            else:
                tracer.program.note("a debugger was not asked: not every thread could be stopped")
        tracer.handover = None

    def park(self, thread: Thread, number: int, info: bytes) -> None:
        """Put aside a signal that `thread` was about to get while the program is being stopped."""
        if number == signal.SIGSTOP and signals.sender(info) == os.getpid():
            ptrace.cont(thread.tid, number)
            return
        self._parked.append(_Parked(thread.tid, number, info))
        if self._stopping():
            ptrace.cont(thread.tid)
        else:
            # It would run on without its signal, perhaps to block it. Once the group-stop has begun, it can only join.
            self._kept.append(thread.tid)

    def group_stop_began(self) -> None:
        """Let the threads join it that were kept until now."""
        while self._kept:
            with suppress(ProcessLookupError):
                ptrace.cont(self._kept.pop())

    def _stopping(self) -> bool:
        return any(thread.in_group_stop for thread in self._program.threads.values())

    def _hold(self) -> None:
        self._tracer.handover = self

    def _all_stopped(self) -> bool:
        threads = self._program.threads
        if not all(thread.in_group_stop or thread.ending for thread in threads.values()):
            return False
        # A thread that has just been made may not have reported yet.
        return all(tid in threads for tid in procfs.thread_ids(self._program.pid))

    def _at_a_thread(self) -> Stop | None:
        for tid in self._program.threads:
            with suppress(OSError):
                now = ptrace.registers(tid)
                return Stop(self._program.pid, tid, StopReason.TIMEOUT, now.pc, now.sp)
        return None

    def _wait(self, done: Callable[[], bool]) -> bool:
        """See to events until `done`, within reason."""
        until = time.monotonic() + _PATIENCE
        while not done():
            if not self._tracer.step(block=False):
                if time.monotonic() > until:
                    return False
                time.sleep(_POLL)
        return self._tracer.exit is None

    def _detach(self) -> None:
        if self._program.traps:
            self._program.traps.lift(self._program.threads)
        for tid in self._program.threads:
            with suppress(ProcessLookupError):
                ptrace.detach(tid)
        # A detached thread takes a moment on its way from the tracer's stop to the group's.
        until = time.monotonic() + _PATIENCE
        while procfs.any_running(self._program.pid) and time.monotonic() < until:
            time.sleep(_POLL)

    def _examine(self) -> None:
        self._program.before_debugger()
        try:
            if self._tracer.observer:
                self._tracer.observer.examine(self._stop)
        except Exception as error:  # what the program itself said counts more
            self._program.note(f"the program could not be examined: {error!r}")

    def _seize(self) -> None:
        """Trace every thread again and wait for all to report."""
        for thread in self._program.threads.values():
            thread.in_group_stop, thread.slots = False, None
        threads = self._program.threads
        for tid in procfs.thread_ids(self._program.pid):
            if tid in threads and threads[tid].ending:
                continue  # never was let go
            try:
                ptrace.seize(tid, self._tracer.options)
            except ProcessLookupError:
                pass
            except OSError as error:
                self._program.note(f"a thread could not be taken back: {error.strerror or error}")
        self._wait(self._all_stopped)
        if self._program.traps:
            self._program.traps.lower()

    def _thaw(self) -> None:
        """End the group-stop, unseen by the program, and let every thread go on to what it was about to get."""
        program = self._program
        program.after_debugger()
        self._tracer.handover = None
        self.group_stop_began()
        for parked in self._parked:
            thread = program.threads.get(parked.tid)
            with suppress(ProcessLookupError):
                ptrace.send(program.pid, parked.tid, parked.number)
                if thread:
                    thread.resent[parked.number] = Resent(parked.info, parked.examined)
        program.our_conts += 1
        with suppress(ProcessLookupError):
            os.kill(program.pid, signal.SIGCONT)
        for thread in program.threads.values():
            if thread.in_group_stop:
                thread.in_group_stop = False
                with suppress(ProcessLookupError):
                    if thread.tid == self._stop.tid and self._stop.breakpoint:
                        ptrace.pass_breakpoint(thread.tid, by=True)
                    ptrace.cont(thread.tid)
