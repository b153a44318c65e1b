"""Running a program where ptrace(2) is forbidden: to its end or its time, with nothing measured."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_cgosafe.results import Exit
from pytest_cgosafe.watch import ptrace, signals

if TYPE_CHECKING:
    from pytest_cgosafe.results import ThreadStack
    from pytest_cgosafe.watch.clock import Clock
    from pytest_cgosafe.watch.launch import Alarm, Launched

_ROUNDS = 100  # of killing what was found, until nothing is found: more than any fork bomb but a deliberate one needs


class Untraced:
    """The `Tracer`'s place where there can be none. To be used in the thread that launched the program only."""

    def __init__(self, launched: Launched, alarm: Alarm, clock: Clock, reason: str) -> None:
        self.notes = (
            f"ptrace is forbidden ({reason}): no stack was measured, no crash examined, "
            "and a daemon that the program left behind would not be found",
        )
        self.stacks: tuple[ThreadStack, ...] = ()
        self._pid = launched.pid
        self._alarm = alarm
        self._clock = clock

    def run(self) -> Exit:
        """Wait until the program is gone, and kill what it started."""
        self._clock.start()
        ended, timed_out = None, False
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, ptrace.WAIT_OPTIONS)
                if pid == self._alarm.pid:
                    self._alarm.ended()
                    timed_out = ended is None
                    self._kill_tree()
                elif pid == self._pid:
                    self._clock.stop()
                    code = os.waitstatus_to_exitcode(status)
                    name = signals.signal_name(-code) if code < 0 else None
                    ended = Exit(None if name else code, name, timed_out and name == "SIGKILL")
                    self._alarm.ring()
        assert ended is not None
        return ended

    def _kill_tree(self) -> None:
        """Kill the program, its descendants and its session."""
        for _ in range(_ROUNDS):
            found = self._tree()
            for pid in found:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if not found:
                return

    def _tree(self) -> set[int]:
        import psutil  # noqa: PLC0415 (slow to import, and mostly not needed)

        found = set()
        with suppress(psutil.Error):
            program = psutil.Process(self._pid)
            found = {process.pid for process in (program, *program.children(recursive=True))}
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                if os.getsid(process.pid) == self._pid and process.status() != psutil.STATUS_ZOMBIE:
                    found.add(process.pid)
        return found
