"""Go's own function table, which even a stripped program carries: names, lines and frame sizes.

The runtime unwinds by it. Layout: runtime/symtab.go (pcHeader, moduledata, step) and
runtime/runtime2.go (_func), the same from Go 1.20 to 1.27.
"""

from __future__ import annotations

import bisect
import re
import struct
from dataclasses import dataclass

import gdb

from . import memory

_MAGIC = 0xFFFFFFF1  # internal/abi: Go120PCLnTabMagic
_SECTION = re.compile(r"\s*\[\d+\]\s+0x([0-9a-f]+)->0x([0-9a-f]+) at \S+ (\S+) (.*)")
_TEXT_IN_MODULEDATA = 176
_FUNC = struct.Struct("<IiiIIIIII")
_MAX_SIZE = 1 << 30


@dataclass(frozen=True)
class Function:
    """A Go function, and where in it some pc is."""

    name: str
    entry: int
    file: str | None
    line: int | None
    depth: int
    """Bytes that the stack pointer is below the return address at that pc."""


class FunctionTable:
    """The function table of one Go program or library."""

    def __init__(self, data: bytes, text: range) -> None:
        self._data = data
        self.text = text
        self._quantum = data[6]
        (count,) = struct.unpack_from("<Q", data, 8)
        self._names, self._units, self._files, self._pcs, self._functions = struct.unpack_from(
            "<5Q", data, 32
        )
        index = struct.unpack_from(f"<{2 * count}I", data, self._functions)
        self._entries, self._offsets = index[::2], index[1::2]

    @classmethod
    def find(cls) -> FunctionTable | None:
        """The table of the program at hand, or None where there is none that this reader knows."""
        sections = _sections()
        places = [span for name, span in sections if name.endswith("gopclntab")]
        if not places or len(places[0]) > _MAX_SIZE:
            return None
        data = memory.read(places[0].start, len(places[0]))
        if data is None or struct.unpack_from("<I", data)[0] != _MAGIC:
            return None
        text = _text(
            places[0].start, [span for name, span in sections if "data" in name or "module" in name]
        )
        return cls(data, text) if text else None

    def at(self, pc: int) -> Function | None:
        """The function that holds `pc`, or None."""
        if pc not in self.text:
            return None
        offset = pc - self.text.start
        index = bisect.bisect_right(self._entries, offset) - 1
        if index < 0:
            return None
        at = self._functions + self._offsets[index]
        entry, name, _args, _defer, pcsp, pcfile, pcline, _count, unit = _FUNC.unpack_from(
            self._data, at
        )
        file = self._value(pcfile, entry, offset)
        return Function(
            name=self._string(self._names + name),
            entry=self.text.start + entry,
            file=None if file is None else self._file(unit + file),
            line=self._value(pcline, entry, offset),
            depth=self._value(pcsp, entry, offset) or 0,
        )

    def _file(self, number: int) -> str | None:
        (offset,) = struct.unpack_from("<I", self._data, self._units + 4 * number)
        return None if offset == 0xFFFFFFFF else self._string(self._files + offset)

    def _string(self, at: int) -> str:
        return self._data[at : self._data.index(b"\0", at)].decode(errors="replace")

    def _value(self, table: int, pc: int, wanted: int) -> int | None:
        """What the table at offset `table` says of `wanted`: values that hold for stretches of code."""
        if table == 0:
            return None
        at, value = self._pcs + table, -1
        first = True
        while first or self._data[at]:
            first = False
            delta, at = self._varint(at)
            value += ~(delta >> 1) if delta & 1 else delta >> 1
            length, at = self._varint(at)
            pc += length * self._quantum
            if wanted < pc:
                return value
        return None

    def _varint(self, at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = self._data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value, at
            shift += 7


def _sections() -> list[tuple[str, range]]:
    listing = gdb.execute("maintenance info sections", to_string=True)
    listing = listing[: listing.find("Core file:")] if "Core file:" in listing else listing
    found = (_SECTION.match(line) for line in listing.splitlines())
    return [(m[3], range(int(m[1], 16), int(m[2], 16))) for m in found if m]


def _text(table: int, candidates: list[range]) -> range | None:
    """The range of Go code, from the moduledata: the struct whose first word points to the table."""
    inferior = gdb.selected_inferior()
    for span in candidates:
        try:
            place = inferior.search_memory(span.start, len(span), struct.pack("<Q", table))
        except gdb.error:
            continue
        words = memory.words(place + _TEXT_IN_MODULEDATA - 16, 4) if place else []
        if len(words) == 4:
            least, most, start, end = words
            if 0 < start <= least < most <= end:
                return range(start, end)
    return None
