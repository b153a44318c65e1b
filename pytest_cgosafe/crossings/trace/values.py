"""What a word is, as a Go pointer: a map, a channel, a func value. Told from the structure of what it points to.

None of them carries its type (but a channel that of its elements), so what proves it is that its parts agree.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.results import CrossingKind

if TYPE_CHECKING:
    from pytest_cgosafe.crossings.trace.gomemory import GoMemory

_CLOSURE: Final = re.compile(r"\.(func|gowrap|deferwrap)\d+|-fm$|-range\d+$")
"""In the names of functions that have variables of their surroundings (cmd/compile/internal/ir/func.go)."""
_SLOTS: Final = 8  # of a group of a Swiss table, and of a bucket before Go 1.24
_TOP_BIT: Final = (
    0x80  # internal/runtime/maps/group.go: set in the control byte of an empty or deleted slot
)
_DELETED: Final = 0xFE
_MIN_TOP_HASH: Final = 5  # runtime/map.go: smaller values mark empty and evacuated slots
_MAX_DIRECTORY: Final = 1 << 16
_MAX_BUCKETS_EXPONENT: Final = 40
_MAP_SIZE: Final = 48
"""Bytes of a map's header, which is a size class of the heap too."""


def kind_of(go: GoMemory, word: int) -> CrossingKind | None:
    """What `word` is when taken for a Go pointer: MAP, CHAN, FUNC, or None for anything else."""
    if word % 8 or word <= 0:
        return None
    if go.is_constant(word):
        return CrossingKind.FUNC if go.function_of_entry(go.word(word) or 0) else None
    on_stack, found = go.on_goroutine_stack(word), go.object_at(word)
    if not on_stack and (found is None or found.start != word):
        return None
    if found and found.size >= 80 and _is_chan(go, word):
        return CrossingKind.CHAN
    # an object without pointers is no map; of what is on a stack nobody knows
    if (on_stack or (found and found.has_pointers)) and _is_map(go, word, on_stack):
        return CrossingKind.MAP
    return CrossingKind.FUNC if _is_closure(go, word) else None


def _is_closure(go: GoMemory, address: int) -> bool:
    """Whether a func value points there: the address of a function literal or a method value, then its variables."""
    name = go.function_of_entry(go.word(address) or 0)
    return name is not None and _CLOSURE.search(name) is not None


def _is_chan(go: GoMemory, address: int) -> bool:
    """By runtime/chan.go: counts and indices that fit, and the type of the elements, of the size that is told."""
    at = go.layout.fields["runtime.hchan"]
    raw = go.read(address, 64)
    if raw is None or not at:
        return False
    count, capacity, buffer = struct.unpack_from("<QQQ", raw, at["qcount"])
    (size,) = struct.unpack_from("<H", raw, at["elemsize"])
    (closed,) = struct.unpack_from("<I", raw, at["closed"])
    elements = go.word(address + at["elemtype"])
    sent, received = go.word(address + at["sendx"]), go.word(address + at["recvx"])
    return (
        bool(elements and go.is_constant(elements) and buffer)
        and go.word(elements or 0) == size
        and closed <= 1
        and count <= capacity
        and None not in (sent, received)
        and max(sent or 0, received or 0) <= capacity
    )


def _is_map(go: GoMemory, address: int, on_stack: bool) -> bool:
    """Whether a map's header is there, by its entries: those that it claims are those that it has.

    One that never had an entry shows nothing but a random number. So might a struct, on a stack more than on the heap.
    """
    check = _swiss_entries if go.layout.swiss_maps else _hmap_entries
    entries = check(go, address)
    found = None if on_stack else go.object_at(address)
    return bool(entries) or (entries == 0 and found is not None and found.size == _MAP_SIZE)


def _swiss_entries(go: GoMemory, address: int) -> int | None:
    """How many entries the map there has, by internal/runtime/maps/map.go; None where there is none."""
    raw = go.read(address, _MAP_SIZE)
    if raw is None:
        return None
    used, seed, directory, length, depth, shift, writing = struct.unpack_from("<QQQQBBB", raw)
    # the seed of an empty map is all there is to see: it must be no number of a program's, and no pointer
    if writing > 1 or not seed >> (32 if used else 48) or (used == 0 and not seed & 0xFFFFFFFF):
        return None
    if length == 0:
        found = None if depth or shift else _entries_of_group(go, directory)
    elif length <= _MAX_DIRECTORY and length == 1 << depth and shift == (64 - depth) % 256:
        found = _entries_of_tables(go, directory, length)
    else:
        found = None
    return used if found == used else None


def _entries_of_group(go: GoMemory, group: int) -> int | None:
    """Those of a map that is small enough to need no table; its group is made with the first entry."""
    if group == 0:
        return 0
    control = go.read(group, _SLOTS) if go.is_managed(group) else None
    if control is None or any(byte > _TOP_BIT and byte != _DELETED for byte in control):
        return None
    return sum(byte < _TOP_BIT for byte in control)


def _entries_of_tables(go: GoMemory, directory: int, length: int) -> int | None:
    tables = go.read(directory, 8 * length)
    if tables is None:
        return None
    counts = [go.number(table, 2) for table in set(struct.unpack(f"<{length}Q", tables))]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _hmap_entries(go: GoMemory, address: int) -> int | None:
    """The same by runtime/map.go, up to Go 1.23."""
    raw = go.read(address, _MAP_SIZE)
    if raw is None:
        return None
    numbers = struct.unpack("<qBBHIQQQQ", raw)
    count, flags, exponent, overflow, seed, buckets, old, evacuated, _ = map(int, numbers)
    if exponent > _MAX_BUCKETS_EXPONENT or flags & ~0xF or not seed >> (0 if count else 16):
        return None
    most = _SLOTS if exponent == 0 else 13 << (exponent - 1)  # 6.5 entries a bucket; then it grows
    fits = 0 <= count <= most + 1 and evacuated <= 1 << exponent and overflow <= max(count, 1)
    if not fits or any(part and not go.is_managed(part) for part in (buckets, old)):
        return None
    tops = go.read(buckets, _SLOTS) if buckets else bytes(_SLOTS)
    full = sum(top >= _MIN_TOP_HASH for top in tops or b"")
    one_bucket = exponent == 0 and not old and not overflow
    return None if tops is None or (one_bucket and full != count) else count
