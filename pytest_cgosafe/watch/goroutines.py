"""The goroutines of a watched program, read from the runtime's own list while the program runs.

``runtime.allgs`` lists every goroutine that was ever made; those that ended are kept there to be used again, and none
is given back to the heap. So the list may be read at any time, and a piece of it at a time.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace
from operator import sub
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.watch.scatter import read_each

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.watch.bounds import ThreadLayout
    from pytest_cgosafe.watch.gocount import CountLayout
    from pytest_cgosafe.watch.procfs import Memory

WINDOW: Final = 1024
"""Goroutines that are read at once: about a millisecond."""
_MOST: Final = 1 << 26  # goroutines; more is no count but damaged memory
_LEAST_STACK: Final = 2048
_EXTRA_STACK: Final = 4096
"""Bytes that are made ready for a thread of C that may call Go (`oneNewExtraM` in proc.go)."""
_TRIES: Final = 3
_MOST_CALLS: Final = 16
# runtime2.go: _Grunnable, _Grunning, _Gsyscall, _Gwaiting, _Gcopystack, _Gpreempted, and since Go 1.26 _Gleaked. The
# lowest byte of `atomicstatus`: a scan by the collector adds _Gscan, 0x1000.
_RUNNING, _SYSCALL = 2, 3
_ALIVE: Final = bytes(status in (1, _RUNNING, _SYSCALL, 4, 8, 9, 10) for status in range(256))


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a Go program keeps its goroutines: addresses of variables as linked, offsets of the fields of `g`."""

    allglen: int
    allgptr: int
    maxstacksize: int
    stack: int
    sched_sp: int
    sched_pc: int
    sched_bp: int | None
    syscallsp: int
    status: int
    goid: int
    gopc: int
    startpc: int
    parent: int | None
    count: CountLayout
    threads: ThreadLayout

    @property
    def size(self) -> int:
        """Bytes of `g` that hold all these fields."""
        last = max(self.gopc, self.startpc, self.goid, self.syscallsp, self.sched_pc)
        return max(self.stack + 16, self.status + 4, last + 8, (self.parent or 0) + 8)


@dataclass(frozen=True, slots=True)
class Goroutine:
    """A goroutine as it was at some moment."""

    address: int
    id: int
    size: int
    """Bytes of its stack."""
    used: int | None
    """Bytes of it in use; None while it runs."""
    gopc: int
    """Where the go statement returned to that made it."""
    startpc: int
    """The function that it began with."""
    parent: int | None
    """The id of the goroutine that made it."""
    calls: tuple[int, ...] = ()
    """Where the function stands that needs more room, then where each of its callers goes on; only while it grows."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the runtime's variables say."""

    listed: int
    """Goroutines ever made."""
    array: int
    """The address of the list."""
    limit: int
    """Bytes that a goroutine stack may grow to."""


class GoroutineReader:
    """Reads the goroutines of one process."""

    def __init__(self, pid: int, memory: Memory, layout: Layout, bias: int) -> None:
        self._pid = pid
        self._memory = memory
        self._layout = layout
        self._bias = bias

    def counts(self) -> Counts | None:
        """The runtime's variables; None before there is a goroutine, and when the program is gone."""
        layout = self._layout
        listed, start, limit = (
            self._word(linked) for linked in (layout.allglen, layout.allgptr, layout.maxstacksize)
        )
        if not listed or not start or limit is None or listed > _MOST:
            return None
        return Counts(listed, start, limit)

    def largest(self, counts: Counts, number: int) -> tuple[Goroutine, ...] | None:
        """The goroutine with the largest stack in a window of the list; none where no one there has a stack any more.

        None when they can't be read.
        """
        first = number * WINDOW
        raw = self._memory.read(counts.array + 8 * first, 8 * min(WINDOW, counts.listed - first))
        addresses = array("Q", raw[: len(raw) // 8 * 8])
        read = read_each(
            self._pid, self._memory, array("Q", [g + self._layout.stack for g in addresses]), 16
        )
        if not read or not self._memory.read(counts.array, 8):
            return None
        bounds = memoryview(read).cast("Q")
        lows, highs = bounds[::2].tolist(), bounds[1::2].tolist()
        sizes = list(map(sub, highs, lows))
        candidates = sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True)[:_TRIES]
        # One that is just being moved may have the ends of two stacks; it is told apart by reading it once more.
        found = (self.goroutine(addresses[index]) for index in candidates)
        return tuple(sorted(filter(None, found), key=lambda one: -one.size)[:1])

    def goroutine(self, address: int) -> Goroutine | None:
        """The goroutine at `address`; None where there is none with a stack."""
        before = b""
        for _ in range(_TRIES):
            raw = self._memory.read(address, self._layout.size)
            stack = raw[self._layout.stack : self._layout.stack + 16]
            if len(raw) == self._layout.size and stack == before:
                return self._decoded(address, raw)
            before = stack
        return None

    def _decoded(self, address: int, raw: bytes) -> Goroutine | None:
        layout = self._layout

        def word(offset: int) -> int:
            return int.from_bytes(raw[offset : offset + 8], "little")

        low, high = word(layout.stack), word(layout.stack + 8)
        size = high - low
        if size < _LEAST_STACK or size & (size - 1):  # a power of two: stackalloc of stack.go
            return None
        status = raw[layout.status]
        if not _ALIVE[status] and not word(layout.startpc) and size <= _EXTRA_STACK:
            return None
        sp = word(layout.syscallsp) if status == _SYSCALL else word(layout.sched_sp)
        standing = bool(_ALIVE[status]) and status != _RUNNING and low <= sp <= high
        return Goroutine(
            address,
            word(layout.goid),
            size,
            high - sp if standing else None,
            word(layout.gopc),
            word(layout.startpc),
            None if layout.parent is None else word(layout.parent),
        )

    def growing(self, address: int, size: int) -> Goroutine | None:
        """A goroutine whose stack is about to grow to `size`: what it uses of the old one is all that it used yet."""
        goroutine = self.goroutine(address)
        if goroutine is None or size < _LEAST_STACK or size & (size - 1):
            return None
        layout = self._layout
        high = self._word_at(address + layout.stack + 8) or 0
        sp = self._word_at(address + layout.sched_sp) or 0
        if not high - goroutine.size <= sp < high:
            return None
        calls = tuple(self._calls(address, sp, high))
        return replace(goroutine, size=size, used=high - sp, calls=calls)

    def _calls(self, address: int, sp: int, high: int) -> Iterator[int]:
        """The chain of calls by frame pointers: `morestack` saved that of the caller, the function has none yet."""
        places = (address + self._layout.sched_pc, sp)
        yield from (pc for place in places if (pc := self._word_at(place)))
        bp = self._layout.sched_bp
        frame = None if bp is None else self._word_at(address + bp)
        for _ in range(_MOST_CALLS):
            if not frame or not sp < frame < high or not (pc := self._word_at(frame + 8)):
                break
            yield pc
            sp, frame = frame, self._word_at(frame)

    def _word(self, linked: int) -> int | None:
        return self._word_at(self._bias + linked)

    def _word_at(self, address: int) -> int | None:
        raw = self._memory.read(address, 8)
        return int.from_bytes(raw, "little") if len(raw) == 8 else None
