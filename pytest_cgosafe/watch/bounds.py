"""Where the Go runtime takes the thread stacks to be: it works that out for itself, and can be wrong.

Go code that the runtime runs on a thread stack (``g0``) checks these bounds and no others; C checks none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_cgosafe.watch.procfs import Memory
    from pytest_cgosafe.watch.threads import Thread

_USUAL: Final = 8192
"""Bytes that it is mostly off: it counts the size from where a thread's function begins, less 4 KiB (`threadentry` in
runtime/cgo/gcc_linux_amd64.c), and forgets what the C library keeps above that: thread-local data for one."""
_MOST: Final = 20_000
"""Threads: a bound on the walk of a list in memory that may be damaged; twice Go's own limit."""


@dataclass(frozen=True, slots=True)
class ThreadLayout:
    """Where a Go program keeps its threads: the head of the list as linked, offsets of the fields of `m` and `g`."""

    allm: int
    procid: int
    g0: int
    alllink: int
    stack: int


class Bounds:
    """Compares what the runtime believes of one program image's threads with what is."""

    def __init__(self, memory: Memory, layout: ThreadLayout, bias: int) -> None:
        self._memory = memory
        self._layout = layout
        self._bias = bias

    def doubt(self, threads: Iterable[Thread]) -> str | None:
        """Which threads have less stack than the runtime believes; None where it is off by no more than usual."""
        believed, further = dict(self._believed()), []
        for thread in threads:
            low, stack = believed.get(thread.tid), thread.stack
            if low and stack and stack.limit and not thread.ending and low + _USUAL < stack.low:
                further.append((stack.low - low, thread.tid))
        if not further:
            return None
        (most, tid), more = max(further), len(further) - 1
        others = f" (and of {more:,} other thread{'s' if more > 1 else ''})" if more else ""
        return (
            f"Go's runtime takes the stack of thread {tid}{others} to reach {format_size(most)} further than it does: "
            "the limits shown are the true ones"
        )

    def _believed(self) -> Iterator[tuple[int, int]]:
        """The threads that the runtime knows, with the low end of each one's stack as it takes it to be."""
        layout, m = self._layout, self._word(self._layout.allm + self._bias)
        for _ in range(_MOST):
            if not m:
                return
            tid, g0 = self._word(m + layout.procid), self._word(m + layout.g0)
            low = self._word(g0 + layout.stack) if g0 else None
            if tid and low:
                yield tid, low
            m = self._word(m + layout.alllink)

    def _word(self, address: int) -> int | None:
        raw = self._memory.read(address, 8)
        return int.from_bytes(raw, "little") if len(raw) == 8 else None
