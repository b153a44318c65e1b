"""Where a thread's stack is, and how far down it was ever used.

A fresh stack is zero-filled memory, so what was touched shows by itself: the lowest present page in
``/proc/PID/pagemap``, then the first byte from there up that is not zero. Nothing is painted, nothing instrumented.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_cgosafe.watch.machine import this_machine
from pytest_cgosafe.watch.procfs import PAGE, stack_limit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.watch.procfs import Memory

_CHUNK = 1 << 16
_LARGEST = 1 << 36  # a stack's size is below, a pointer mistaken for a size above
_LARGEST_SNAPSHOT = 1 << 22
_MARK_EVERY = 32  # bytes


@dataclass(frozen=True, slots=True)
class StackRange:
    """The memory that a thread stack may take, guard pages left out."""

    low: int
    high: int
    """The top: a stack grows down from here."""
    limit: int | None
    """Bytes; None for a main thread whose RLIMIT_STACK is unlimited."""
    owned: bool = False
    """The C library allocated it for the thread, so that nobody else has anything there."""


@dataclass(frozen=True, slots=True)
class Depth:
    """The lowest byte of a stack that was ever touched."""

    address: int
    note: str | None = None
    """In which way it is only a bound."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The bytes that stood in a stack before its thread began."""

    start: int
    data: bytes

    @property
    def end(self) -> int:
        """The address after the last byte."""
        return self.start + len(self.data)

    def first_change(self, memory: Memory) -> int | None:
        """The lowest byte that differs by now, or None."""
        now = memory.read(self.start, len(self.data))
        for at in range(0, min(len(now), len(self.data)), PAGE):
            old, new = self.data[at : at + PAGE], now[at : at + PAGE]
            if old != new:
                pairs = enumerate(zip(old, new, strict=False))
                return next(
                    (self.start + at + i for i, (one, other) in pairs if one != other), None
                )
        return None


def main_stack(pid: int, memory: Memory, sp: int) -> StackRange | None:
    """The main thread's stack: it ends where ``[stack]`` ends, and the arguments and the environment are part of it."""
    found = next((m for m in memory.mappings() if m.start <= sp < m.end), None)
    if not found:
        return None
    limit = stack_limit(pid)
    return StackRange(found.end - limit if limit else found.start, found.end, limit)


def grown(memory: Memory, stack: StackRange) -> StackRange:
    """The part of the main thread's `stack` that is mapped by now (the kernel maps more as it grows)."""
    low = stack.high
    for mapping in reversed(memory.mappings()):
        if mapping.end == low and (stack.limit is None or mapping.end > stack.low):
            low = mapping.start  # mprotect may have split it
    return StackRange(low, stack.high, stack.limit)


def thread_stack(memory: Memory, sp: int, thread_pointer: int) -> StackRange | None:
    """The stack that the C library gave a new thread, from its own ``struct pthread``; None where there is none.

    That struct is the library's secret, but four of its words in a row describe the stack, and have to fit the thread's
    registers and each other. It is right where the map of the process misleads: stacks of one's own
    (pthread_attr_setstack) are part of something else, and neighbouring mappings merge.
    """
    span = this_machine().pthread_span
    raw = memory.read(thread_pointer + span.start, len(span))
    words = struct.unpack(f"<{len(raw) // 8}Q", raw[: len(raw) // 8 * 8])
    # Other words may happen to fit as well, but only with a larger size: the true stack is the closest fit.
    fits = (
        min(found(words, sp, thread_pointer), key=_size, default=None) for found in (_glibc, _musl)
    )
    return next(filter(None, fits), None)


def _size(stack: StackRange) -> int:
    return stack.high - stack.low


def _glibc(words: tuple[int, ...], sp: int, thread_pointer: int) -> Iterator[StackRange]:
    """stackblock, stackblock_size, guardsize, reported_guardsize: nptl/descr.h, filled in before the thread starts."""
    for block, size, guard, reported in zip(words, words[1:], words[2:], words[3:], strict=False):
        if (
            block <= sp < block + size < block + _LARGEST
            and block <= thread_pointer <= block + size
            and reported <= guard < size
            and guard % PAGE == 0
        ):
            # Where the program lends the memory, there is no guard.
            yield StackRange(block + guard, block + size, size - guard, owned=guard > 0)


def _musl(words: tuple[int, ...], sp: int, thread_pointer: int) -> Iterator[StackRange]:
    """map_base, map_size, stack, stack_size, guard_size: src/internal/pthread_impl.h; `stack` is the top."""
    rows = zip(words, words[1:], words[2:], words[3:], words[4:], strict=False)
    for base, mapped, top, size, guard in rows:
        within = base <= thread_pointer <= base + mapped
        own = within and base + guard == top - size
        # In memory of the caller's, TLS may have a mapping of its own.
        lent = guard == 0 and (within or base == 0)
        if 0 < size < _LARGEST and top - size <= sp <= top and (own or lent):
            yield StackRange(top - size, top, size)


def lowest_touched(memory: Memory, stack: StackRange, *, read_before: bool = False) -> Depth | None:
    """The lowest byte of `stack` ever touched; None where nothing was.

    With `read_before` a debugger may have read from the stack, which makes pages present: zeros tell nothing then.
    Raises OSError where the kernel does not show it.
    """
    page = memory.lowest_page(stack.low, stack.high)
    if page is None:
        return None
    start = max(page, stack.low)
    first = _first_written(memory, start, stack.high)
    if first is not None and first < page + PAGE:
        return Depth(first)
    if read_before or memory.has_huge_pages(start):
        hidden = "a debugger's reading hides" if read_before else "huge pages hide"
        return Depth(first, f"at least: {hidden} what was only cleared") if first else None
    # Touched, but with zeros only: a cleared buffer. How far into the page it reached can't be seen.
    return Depth(start, "to the page: the lowest one holds only zeros")


def _first_written(memory: Memory, start: int, end: int) -> int | None:
    while start < end:
        chunk = memory.read(start, min(_CHUNK, end - start))
        if not chunk:
            return None
        zeros = len(chunk) - len(chunk.lstrip(b"\0"))
        if zeros < len(chunk):
            return start + zeros
        start += len(chunk)
    return None


def mark(data: bytes) -> bytes:
    """What stood on a dead stack, changed as little as shows who writes there: one bit in every `_MARK_EVERY` bytes."""
    marked = bytearray(data)
    marked[::_MARK_EVERY] = bytes(byte ^ 1 for byte in data[::_MARK_EVERY])
    return bytes(marked)


def snapshot(memory: Memory, start: int, end: int) -> Snapshot | None:
    """What stands from `start` to `end` now; None where that is too much to keep."""
    if end - start > _LARGEST_SNAPSHOT:
        return None
    return Snapshot(start, memory.read(start, end - start))
