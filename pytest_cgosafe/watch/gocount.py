"""Counts the goroutines of a watched program while it runs, as ``runtime.NumGoroutine`` does (`gcount` in proc.go)."""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.watch.scatter import read_each

if TYPE_CHECKING:
    from pytest_cgosafe.watch.procfs import Memory

_MOST_PROCESSORS: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class CountLayout:
    """Where a Go program keeps its counts: addresses as linked. All but the list's length are 32 bits."""

    allglen: int
    """Goroutines ever made."""
    system: int
    """The runtime's own, with those that are kept ready for threads of C."""
    free: tuple[int, ...]
    """Ended ones that are kept to be used again, for all processors."""
    allp: int
    """The list of the processors (`p`)."""
    free_of_p: int
    """The offset, in each, of its count of ended ones."""


class GoroutineCounter:
    """Counts the goroutines of one process."""

    def __init__(self, pid: int, memory: Memory, layout: CountLayout, bias: int) -> None:
        self._pid = pid
        self._memory = memory
        self._layout = layout
        self._bias = bias

    def count(self) -> int | None:
        """The goroutines alive, the runtime's own not counted; None before there is one, and when the program is gone.

        Ended ones move between a processor's list and the common one, and may be missed on their way. What is read
        first is missed on the way there, what is read last on the way back: so both orders are tried, and the least
        counts.
        """
        listed = self._number(self._layout.allglen, "<Q")
        system = self._number(self._layout.system, "<i")
        lists = (self._of_processors, self._common)
        free = [tuple(read() for read in order) for order in (lists, lists[::-1])]
        if not listed or system is None or None in free[0] or None in free[1]:
            return None
        most_free = max(sum(filter(None, one)) for one in free)
        return max(1, listed - system - most_free)

    def _common(self) -> int | None:
        counts = [self._number(linked, "<i") for linked in self._layout.free]
        return None if None in counts else sum(filter(None, counts))

    def _of_processors(self) -> int | None:
        header = self._memory.read(self._bias + self._layout.allp, 16)
        if len(header) < 16:
            return None
        start, length = struct.unpack("<QQ", header)
        if not 0 < length < _MOST_PROCESSORS:
            return None
        raw = self._memory.read(start, 8 * length)
        places = array("Q", raw[: len(raw) // 8 * 8])
        counts = array("Q", [place + self._layout.free_of_p for place in places])
        read = read_each(self._pid, self._memory, counts, 4)
        return sum(struct.unpack(f"<{len(counts)}i", read)) if read else None

    def _number(self, linked: int, form: str) -> int | None:
        raw = self._memory.read(self._bias + linked, struct.calcsize(form))
        return int(struct.unpack(form, raw)[0]) if len(raw) == struct.calcsize(form) else None
