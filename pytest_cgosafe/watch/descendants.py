"""The processes that a watched program starts: traced only so that none of them outlives it."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_cgosafe.watch import ptrace
from pytest_cgosafe.watch.ptrace import Event, Option

if TYPE_CHECKING:
    from pytest_cgosafe.watch.traps import Traps

OPTIONS = Option.TRACE_FORK | Option.TRACE_VFORK | Option.TRACE_CLONE | Option.EXIT_KILL


class Descendants:
    """Those that are there now, their threads included."""

    def __init__(self) -> None:
        self._tids: set[int] = set()
        self._unwanted = False

    def __contains__(self, tid: int) -> bool:
        return tid in self._tids

    def stopped(self, tid: int, event: int, number: int, traps: Traps | None) -> None:
        """Let one go on that reported a stop."""
        if tid not in self._tids:
            self._tids.add(tid)
            ptrace.set_options(tid, OPTIONS)
        if self._unwanted:
            kill(tid)
            ptrace.cont(tid)  # one that was killed before this stops at its end
        elif event == Event.STOP and number != signal.SIGTRAP:
            ptrace.listen(tid)
        elif event or number != signal.SIGTRAP or not traps:
            ptrace.cont(tid, 0 if event else number)
        elif not traps.see_to_descendant(tid, ptrace.signal_info(tid)):
            ptrace.cont(tid, number)

    def gone(self, tid: int) -> None:
        """Take note of an end."""
        self._tids.discard(tid)

    def kill(self) -> None:
        """Have none of them, and none from now on."""
        self._unwanted = True
        for tid in self._tids:
            kill(tid)


def kill(pid: int) -> None:
    """SIGKILL, also to what is gone already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
