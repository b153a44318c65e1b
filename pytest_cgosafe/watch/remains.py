"""What finished calls left on the deepest thread stacks, kept to be read when the program is gone.

A call leaves its return address where it stood until another one overwrites it; nothing below the deepest point ever
does. Only bytes are copied here, of a few threads: what they mean is found out later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_cgosafe.watch.procfs import Mapping, Memory
    from pytest_cgosafe.watch.stacks import StackRange

    Beyond = Callable[[Memory, "Copy", tuple[Mapping, ...]], tuple["Link", ...]]

_MOST = 3
"""Threads that are kept of those that went deepest, and of those that came closest to their limit."""
_LARGEST = 16 << 20


@dataclass(frozen=True, slots=True)
class Copy:
    """Bytes of the program's memory."""

    start: int
    data: bytes

    def word(self, address: int) -> int | None:
        """The 8-byte word at `address`; None where that was not copied."""
        at = address - self.start
        whole = 0 <= at <= len(self.data) - 8
        return int.from_bytes(self.data[at : at + 8], "little") if whole else None


@dataclass(frozen=True, slots=True)
class Link:
    """A stack that calls came from: the goroutine's, where Go called C."""

    at: int
    """The address, on the thread stack, of the frame that holds the link."""
    stack: Copy
    """From the stack pointer at the call upward."""


@dataclass(frozen=True, slots=True)
class Remains:
    """What was left on one thread stack."""

    tid: int
    top: int
    """The address where the stack begins."""
    peak: int
    """Bytes from there to the lowest one that was ever touched."""
    stack: Copy
    """From the lowest byte upward, to the top or as far as was worth copying."""
    files: tuple[Mapping, ...]
    """The files that were mapped."""
    links: tuple[Link, ...] = ()


class RemainsKeeper:
    """Keeps the remains of the threads that matter. One program's; asked when that is gone."""

    def __init__(self, beyond: Beyond | None = None) -> None:
        """`beyond` is asked which further memory belongs to a stack that was copied, with the files that are mapped."""
        self._beyond = beyond
        self._kept: dict[int, Remains] = {}
        self._shares: dict[int, float] = {}

    @property
    def kept(self) -> tuple[Remains, ...]:
        """The remains of every thread that mattered."""
        return tuple(self._kept.values())

    def take(self, tid: int, memory: Memory, stack: StackRange, lowest: int) -> None:
        """Copy what the calls of a thread left that now reached down to `lowest`, if it is among the deepest."""
        peak = stack.high - lowest
        share = peak / (stack.limit or stack.high)
        if not self._matters(tid, peak, share):
            return
        start = lowest & ~7
        copy = Copy(start, memory.read(start, min(stack.high - start, _LARGEST)))
        files = tuple(m for m in memory.mappings() if m.path.startswith("/"))
        links = self._beyond(memory, copy, files) if self._beyond else ()
        self._kept[tid] = Remains(tid, stack.high, peak, copy, files, links)
        self._shares[tid] = share
        for other, remains in tuple(self._kept.items()):
            if not self._matters(other, remains.peak, self._shares[other]):
                del self._kept[other], self._shares[other]

    def _matters(self, tid: int, peak: int, share: float) -> bool:
        """Whether too few other threads went deeper, or came closer to their limit."""
        deeper = sum(kept.peak >= peak for other, kept in self._kept.items() if other != tid)
        closer = sum(kept >= share for other, kept in self._shares.items() if other != tid)
        return deeper < _MOST or closer < _MOST
