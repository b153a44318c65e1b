"""Symbols of ELF files: where a function or a variable of a program or a library is.

pyelftools finds the sections; the symbols are then searched as bytes, because a Go binary has tens of thousands of
them and a watched run must start within milliseconds.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SYMBOL = struct.Struct("<IBBHQQ")
"""Elf64_Sym: st_name, st_info, st_other, st_shndx, st_value, st_size (elf(5))."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A defined symbol: its address as linked (add the load bias of a PIE or a library), its size in bytes."""

    name: str
    address: int
    size: int


@dataclass(frozen=True, slots=True)
class _Table:
    entries: bytes
    names: bytes

    def find(self, name: str) -> Symbol | None:
        for start in _occurrences(self.names, name.encode() + b"\0"):
            for at in _occurrences(self.entries, struct.pack("<I", start)):
                if at % _SYMBOL.size:
                    continue
                _, _, _, section, address, size = _SYMBOL.unpack_from(self.entries, at)
                if section:  # SHN_UNDEF is a mere reference to another file's symbol
                    return Symbol(name, address, size)
        return None


def _occurrences(haystack: bytes, needle: bytes) -> Iterator[int]:
    at = haystack.find(needle)
    while at >= 0:
        yield at
        at = haystack.find(needle, at + 1)


@dataclass(frozen=True, slots=True)
class Elf:
    """What is read once from a 64-bit little-endian ELF file."""

    path: Path
    entry: int
    """The entry point as linked; with the auxiliary vector's AT_ENTRY it gives the load bias."""
    base: int
    """The address as linked of the file's first byte; where that is mapped gives the load bias too."""
    has_dwarf: bool
    is_go: bool
    _tables: tuple[_Table, ...]

    def symbol(self, name: str) -> Symbol | None:
        """The defined symbol of that name, or None: there is none, or the file is stripped."""
        return next((found for table in self._tables if (found := table.find(name))), None)

    @property
    def go_text(self) -> range | None:
        """The addresses of Go code, as linked; C code lies outside. None where the symbols are stripped."""
        first, last = self.symbol("runtime.text"), self.symbol("runtime.etext")
        return range(first.address, last.address) if first and last else None


def read_elf(path: Path) -> Elf | None:
    """The symbols of the file at `path`, or None when it is not an ELF file that this program reads."""
    try:
        status = path.stat()
        return _read_elf(path, status.st_mtime_ns, status.st_size)
    except (OSError, ELFError):
        return None


@lru_cache(maxsize=64)
def _read_elf(path: Path, _mtime_ns: int, _size: int) -> Elf | None:
    with path.open("rb") as file:
        elf = ELFFile(file)
        if elf.elfclass != 64 or not elf.little_endian:
            return None
        sections = {section.name: section for section in elf.iter_sections()}
        pairs = ((".symtab", ".strtab"), (".dynsym", ".dynstr"))
        tables = tuple(
            _Table(sections[entries].data(), sections[names].data())
            for entries, names in pairs
            if entries in sections and names in sections
        )
        loads = (part for part in elf.iter_segments() if part["p_type"] == "PT_LOAD")
        return Elf(
            path=path,
            entry=elf["e_entry"],
            base=next((part["p_vaddr"] - part["p_offset"] for part in loads), 0),
            has_dwarf=any(name in sections for name in (".debug_info", ".zdebug_info")),
            is_go=any(
                name in sections for name in (".go.buildinfo", ".gopclntab", ".note.go.buildid")
            ),
            _tables=tables,
        )
