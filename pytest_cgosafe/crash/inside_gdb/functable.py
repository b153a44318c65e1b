"""Go's own function table, which even a stripped program carries: names, lines and frame sizes.

The runtime unwinds by it. Layout: runtime/symtab.go (pcHeader, moduledata, step) and
runtime/runtime2.go (_func), the same from Go 1.20 to 1.27.
"""

from __future__ import annotations

import bisect
import struct
from dataclasses import dataclass

MAGIC = 0xFFFFFFF1
"""What the table begins with (internal/abi: Go120PCLnTabMagic)."""

_FUNC = struct.Struct("<IiiIIIIII")


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
