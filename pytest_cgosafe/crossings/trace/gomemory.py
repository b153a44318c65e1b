"""Whether an address is in memory that Go manages, and what is there: the heap's spans, read from a stopped program.

Names and meanings are those of runtime/mheap.go and mbitmap.go (Go 1.21 to 1.27); where the fields lie comes from the
program's DWARF.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from elftools.elf.elffile import ELFFile

from pytest_cgosafe.binary.structs import field_offsets_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_cgosafe.binary.elf import Elf
    from pytest_cgosafe.crash.inside_gdb.functable import Function, FunctionTable
    from pytest_cgosafe.watch.procfs import Memory

_PAGE: Final = 8192  # pageSize
_ARENA: Final = 64 << 20  # heapArenaBytes on 64-bit Linux
_ARENA_BASE: Final = {"x86_64": -1 << 47, "aarch64": 0}  # arenaBaseOffset in malloc.go
_MOST_ARENAS: Final = 1 << 22
_IN_USE, _MANUAL = 1, 2  # mSpanInUse: objects; mSpanManual: goroutine stacks
_CONSTANTS: Final = (".rodata", ".go.type", ".go.func", ".data.rel.ro")
_NEEDED: Final = {
    "runtime.mheap": ("arenas",),
    "runtime.heapArena": ("spans",),
    "runtime.mspan": (
        *("startAddr", "npages", "freeindex", "nelems", "allocBits", "spanclass", "state"),
        *("elemsize", "pinnerBits"),
    ),
    "runtime.g": ("stack",),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """What is looked up once in the file that holds the Go runtime; addresses as linked."""

    fields: Mapping[str, Mapping[str, int]]
    """The offsets of the fields of the runtime's structs, by struct."""
    heap: int
    """Of ``runtime.mheap_``."""
    constants: tuple[range, ...]
    """Types, closures without variables, and what else is not written to."""
    variables: range
    """Of packages."""

    @property
    def swiss_maps(self) -> bool:
        """Whether maps are Swiss tables (Go 1.24), not hmaps of buckets."""
        return bool(self.fields["internal/runtime/maps.Map"])


def read_layout(elf: Elf) -> Layout | None:
    """The layout of a Go program, or None: its symbols or its DWARF do not tell."""
    names = (*_NEEDED, "runtime.hchan", "internal/runtime/maps.Map", "runtime.hmap")
    fields = dict(zip(names, field_offsets_of(elf.path, names), strict=True))
    heap = elf.symbol("runtime.mheap_")
    complete = all(
        field in fields[name] for name, needed in _NEEDED.items() for field in needed
    ) and bool(fields["internal/runtime/maps.Map"] or fields["runtime.hmap"])
    if not complete or not heap:
        return None
    starts = [elf.symbol(name) for name in ("runtime.data", "runtime.noptrdata")]
    start, end = min((s.address for s in starts if s), default=0), elf.symbol("runtime.end")
    variables = range(start, end.address) if start and end else range(0)
    return Layout(fields, heap.address, _constants(elf.path), variables)


def _constants(path: Path) -> tuple[range, ...]:
    with path.open("rb") as file:
        sections = (ELFFile(file).get_section_by_name(name) for name in _CONSTANTS)
        return tuple(
            range(section["sh_addr"], section["sh_addr"] + section["sh_size"])
            for section in sections
            if section
        )


@dataclass(frozen=True, slots=True)
class GoObject:
    """A live object on Go's heap."""

    start: int
    size: int
    """Of its slot, in bytes."""
    has_pointers: bool
    pinned: bool
    """By a runtime.Pinner."""


class GoMemory:
    """The memory of one process, as Go has it. Every read may fail, and then says None."""

    def __init__(
        self, memory: Memory, layout: Layout, functions: FunctionTable, bias: int, machine: str
    ) -> None:
        """`functions` knows addresses as linked; `bias` is what to add to those."""
        self.layout = layout
        self.machine = machine
        self._memory = memory
        self._functions = functions
        self._bias = bias
        self._lowest = _ARENA_BASE[machine]
        self._span = layout.fields["runtime.mspan"]
        self._arenas: dict[int, int] = {}

    def read(self, address: int, size: int) -> bytes | None:
        """`size` bytes, or None where they can't all be read."""
        raw = self._memory.read(address, size) if address > 0 else b""
        return raw if len(raw) == size else None

    def word(self, address: int) -> int | None:
        """The eight bytes at `address`."""
        return self.number(address, 8)

    def number(self, address: int, size: int) -> int | None:
        """The unsigned number of `size` bytes at `address`."""
        raw = self.read(address, size)
        return None if raw is None else int.from_bytes(raw, "little")

    def function_at(self, pc: int) -> Function | None:
        """The Go function that an instruction belongs to."""
        return self._functions.at(pc - self._bias)

    def function_of_entry(self, address: int) -> str | None:
        """The name of the Go function that begins there."""
        found = self.function_at(address)
        return found.name if found and found.entry == address - self._bias else None

    def is_constant(self, address: int) -> bool:
        """Whether it is in Go's read-only data."""
        return any(address - self._bias in part for part in self.layout.constants)

    def is_variable(self, address: int) -> bool:
        """Whether it is in the memory of package variables."""
        return address - self._bias in self.layout.variables

    def is_managed(self, address: int) -> bool:
        """Whether it is on Go's heap, freed or not, or on a goroutine's stack."""
        span = self._span_of(address)
        return span is not None and self._state(span) in (_IN_USE, _MANUAL)

    def on_goroutine_stack(self, address: int) -> bool:
        """Whether it is on the stack of any goroutine."""
        span = self._span_of(address)
        return span is not None and self._state(span) == _MANUAL

    def object_at(self, address: int) -> GoObject | None:
        """The live heap object that holds `address`."""
        span = self._span_of(address)
        if span is None or self._state(span) != _IN_USE:
            return None
        start, size = self._field(span, "startAddr"), self._field(span, "elemsize")
        count, spanclass = self._count(span, "nelems"), self._field(span, "spanclass", 1)
        if not start or not size or not count or spanclass is None or address < start:
            return None
        index = (address - start) // size
        if index >= count or not self._is_allocated(span, index):
            return None
        return GoObject(start + index * size, size, not spanclass & 1, self._is_pinned(span, index))

    def _is_allocated(self, span: int, index: int) -> bool:
        """`mspan.isFree`: what was allocated since the last sweep is below `freeindex`."""
        free = self._count(span, "freeindex")
        if free is None or index < free:
            return free is not None
        bits = self._field(span, "allocBits")
        byte = self.number(bits + index // 8, 1) if bits else None
        return bool(byte and byte >> index % 8 & 1)

    def _is_pinned(self, span: int, index: int) -> bool:
        """`pinnerBits` has two bits for each object, the lower one for pinned (pinner.go)."""
        bits = self._field(span, "pinnerBits")
        byte = self.number(bits + index // 4, 1) if bits else None
        return bool(byte and byte >> 2 * (index % 4) & 1)

    def _span_of(self, address: int) -> int | None:
        """`spanOf`: the address of the mspan."""
        index, within = divmod(address - self._lowest, _ARENA)
        arena = self._arena(index) if 0 <= index < _MOST_ARENAS else None
        spans = self.layout.fields["runtime.heapArena"]["spans"]
        span = self.word(arena + spans + 8 * (within // _PAGE)) if arena else None
        if not span:
            return None
        start, pages = self._field(span, "startAddr"), self._field(span, "npages")
        inside = start and pages and start <= address < start + pages * _PAGE
        return span if inside else None

    def _arena(self, index: int) -> int | None:
        """The address of a heapArena; what is there once stays there."""
        if index not in self._arenas:
            heap = self.layout.heap + self._bias
            table = self.word(heap + self.layout.fields["runtime.mheap"]["arenas"])
            found = self.word(table + 8 * index) if table else None
            if not found:
                return None
            self._arenas[index] = found
        return self._arenas[index]

    def _state(self, span: int) -> int | None:
        return self._field(span, "state", 1)

    def _field(self, span: int, name: str, size: int = 8) -> int | None:
        return self.number(span + self._span[name], size)

    def _count(self, span: int, name: str) -> int | None:
        """A field that was a word up to Go 1.21, and half of a half after that."""
        after = min(offset for offset in self._span.values() if offset > self._span[name])
        return self._field(span, name, 8 if after - self._span[name] >= 8 else 2)
