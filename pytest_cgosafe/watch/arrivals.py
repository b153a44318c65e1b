"""Tells a thread that comes to a hardware breakpoint from one that only comes back to it.

A thread that is let past a breakpoint may get a signal first. It stands there again when the handler has returned, and
whether the processor's resume flag has outlived that is not to be relied on: so the flag is taken away, and the thread
is stopped a second time for sure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_cgosafe.watch import ptrace

if TYPE_CHECKING:
    from pytest_cgosafe.watch.ptrace import Registers


class Arrivals:
    """Which threads stand at a breakpoint, each told once."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[int, int]] = {}
        """The pc and sp at which a thread was stopped last, until it is seen elsewhere."""
        self._interrupted: set[int] = set()

    def is_new(self, tid: int, now: Registers) -> bool:
        """Whether the thread, stopped by a breakpoint, has come to it."""
        place = (now.pc, now.sp)
        returned = tid in self._interrupted and self._places.get(tid) == place
        self._places[tid] = place
        self._interrupted.discard(tid)
        return not returned

    def gets_signal(self, tid: int) -> None:
        """Take note of a signal that the stopped thread is about to get."""
        if tid in self._places:
            now = ptrace.registers(tid)
            if (now.pc, now.sp) == self._places[tid]:
                self._interrupted.add(tid)
                ptrace.pass_breakpoint(tid, by=False)
            else:
                self.forget(tid)

    def forget(self, tid: int) -> None:
        """The thread is gone, or elsewhere."""
        self._places.pop(tid, None)
        self._interrupted.discard(tid)
