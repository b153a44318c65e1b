"""Whether an address is that of a Go map, told from the map's own structure.

A map's header carries no type, so what proves it is that its parts agree: the number of entries it
claims is the number its slots hold, and both stand in memory that Go manages. Go 1.24 brought Swiss
tables (internal/runtime/maps: Map, table, group); before that a map was a runtime.hmap of buckets
(runtime/map.go).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import gdb

from . import arch, memory

if TYPE_CHECKING:
    from collections.abc import Callable

_ARENA_SIZE = 64 << 20  # bytes; heapArenaBytes on 64-bit Linux (runtime/malloc.go)
_MOST_ARENAS = 1 << 22
_MAX_DIRECTORY = 1 << 16
_MAX_BUCKETS_EXPONENT = 40
_MIN_TOP_HASH = 5  # runtime/map.go: smaller values mark empty and evacuated slots
_TOP_BIT = (
    0x80  # internal/runtime/maps/group.go: set in the control byte of an empty or deleted slot
)


def length_of_map(address: int) -> int | None:
    """The number of entries of the Go map whose header is at `address`; None where there is none."""
    if address % 8 or not _is_managed(address):
        return None
    check: Callable[[int], int | None] = _swiss if _has_type("internal/runtime/maps.Map") else _hmap
    return check(address)


def _is_managed(address: int) -> bool:
    """Whether `address` lies in an arena of Go's heap, where goroutine stacks are too (runtime/mheap.go)."""
    table = arch.current()
    try:
        arenas = int(gdb.parse_and_eval("'runtime.mheap_'.arenas[0]"))
    except gdb.error:
        return False
    if table is None or not arenas:
        return False
    index = (address - table.lowest_arena) // _ARENA_SIZE
    return 0 <= index < _MOST_ARENAS and bool(memory.word(arenas + 8 * index))


def _has_type(name: str) -> bool:
    try:
        gdb.lookup_type(name)
    except gdb.error:
        return False
    return True


def _swiss(address: int) -> int | None:
    data = memory.read(address, 34)
    if data is None:
        return None
    used, _seed, directory, length, depth, shift = struct.unpack("<QQQqBB", data)
    if length == 0:
        if depth or shift or not _is_managed(directory):
            return None
        control = memory.read(directory, 8) if directory else None
        full = sum(not byte & _TOP_BIT for byte in control) if control else 0
        return used if 0 < used <= 8 and full == used else None
    if not 0 < length <= _MAX_DIRECTORY or length != 1 << depth or shift != (64 - depth) % 256:
        return None
    tables = set(memory.words(directory, length))
    counts = [memory.read(table, 2) for table in tables]
    total = sum(int.from_bytes(count, "little") for count in counts if count)
    return used if None not in counts and used == total else None


def _hmap(address: int) -> int | None:
    data = memory.read(address, 48)
    if data is None:
        return None
    count, flags, exponent, overflow, seed, buckets, old, evacuated, _extra = struct.unpack(
        "<qBBHIQQQQ", data
    )
    if exponent > _MAX_BUCKETS_EXPONENT or flags & ~0xF or not seed or buckets % 8:
        return None
    most = 8 if exponent == 0 else 13 << (exponent - 1)  # 6.5 entries a bucket; then it grows
    if not 0 < count <= most + 1 or evacuated > 1 << exponent or overflow > count:
        return None
    tops = memory.read(buckets, 8)
    if tops is None:
        return None
    if exponent == 0 and not old and not overflow:
        return count if sum(top >= _MIN_TOP_HASH for top in tops) == count else None
    return count if old == 0 or memory.read(old, 8) else None
