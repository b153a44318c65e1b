"""How deep the thread stacks of a running program are used so far, seen without stopping it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_cgosafe.watch.procfs import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_cgosafe.watch.procfs import Memory
    from pytest_cgosafe.watch.threads import Thread

LOW: Final = 0.1
"""The share of a stack that should stay free."""
_STEP: Final = 1 << 20
"""Bytes below the deepest page known that are searched for a deeper one: a larger frame is seen at the end only."""


class Depths:
    """The peaks so far of one program image's threads."""

    def __init__(self, memory: Memory, threads: Mapping[int, Thread]) -> None:
        self._memory = memory
        self._threads = threads
        self._pages: dict[int, int] = {}
        """The lowest page known, by thread."""
        self._seen: dict[int, Thread] = {}
        self._low: set[int] = set()
        self.peak: int | None = None
        """The deepest of all, so far."""
        self.headroom: float | None = None
        """The least of all, so far."""
        self.count = 0
        """Threads there were when they were looked at last."""

    def look(self) -> Iterator[tuple[Thread, int, int]]:
        """See how deep every thread is by now; gives those that have little room left, once, with peak and limit.

        Raises OSError where the kernel does not show it.
        """
        live = {thread.tid: thread for thread in tuple(self._threads.values())}
        self.count = sum(not thread.ending for thread in live.values())
        for tid, thread in live.items():
            lowest = self._lowest(thread)
            if self._threads.get(tid) is thread and not thread.ending:
                yield from self._take(thread, lowest)
        for tid in self._seen.keys() - live.keys():
            ended = self._seen.pop(tid)
            yield from self._take(ended, ended.deepest.address if ended.deepest else None)
            self._pages.pop(tid, None)
            self._low.discard(tid)
        self._seen |= live

    def _take(self, thread: Thread, lowest: int | None) -> Iterator[tuple[Thread, int, int]]:
        if lowest is None or not thread.stack:
            return
        peak, limit = thread.stack.high - lowest, thread.stack.limit
        self.peak = max(peak, self.peak or 0)
        if limit is None:
            return
        headroom = max(0.0, 1 - peak / limit)
        self.headroom = headroom if self.headroom is None else min(headroom, self.headroom)
        if headroom < LOW and thread.tid not in self._low:
            self._low.add(thread.tid)
            yield thread, peak, limit

    def _lowest(self, thread: Thread) -> int | None:
        """The lowest byte that the thread is known to have touched."""
        if not thread.stack or not thread.entry_sp:
            return None
        page = self._pages.get(thread.tid, thread.entry_sp // PAGE * PAGE)
        floor = 0 if thread.stack.limit is None else thread.stack.low
        while (
            page > floor
            and (lower := self._memory.lowest_page(max(floor, page - _STEP), page)) is not None
        ):
            page = lower
        self._pages[thread.tid] = page
        if thread.used_from is not None and page >= thread.used_from // PAGE * PAGE:
            return None  # another thread may have been here before
        content = self._memory.read(page, PAGE)
        zeros = len(content) - len(content.lstrip(b"\0"))
        return page + zeros % PAGE if content else None
