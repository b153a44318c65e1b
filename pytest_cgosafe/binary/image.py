"""What an ELF file holds for whoever reads its code: functions, bytes, and what its references are bound to.

Addresses are as linked: no load bias is added.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

from pytest_cgosafe.binary.elf import Symbol
from pytest_cgosafe.errors import CgosafeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")
"""Elf64_Sym and Elf64_Rela (elf(5))."""
_STT_FUNC, _STT_GNU_IFUNC = 2, 10
_SHF_EXECINSTR = 4
_DATA = (".rodata", ".data", ".eh_frame", ".debug_frame")
_WITH_CONTENTS = {"SHT_PROGBITS", "SHT_X86_64_UNWIND"}
_HIDDEN_VERSION = 0x8000  # of .gnu.version: not the symbol's default version
_JUMP_SLOT = {"EM_X86_64": 7, "EM_AARCH64": 1026}
_IRELATIVE = {"EM_X86_64": 37, "EM_AARCH64": 1032}
_RELATIVE = {"EM_X86_64": 8, "EM_AARCH64": 1027}
_DF_BIND_NOW, _DF_1_NOW = 8, 1  # of DT_FLAGS and DT_FLAGS_1


@dataclass(frozen=True, slots=True)
class Slot:
    """A word that the dynamic linker fills in: with the address of `name`, or with what the resolver returns."""

    name: str
    resolver: int | None
    """The address of an IFUNC's resolver, for a word without a name."""
    lazy: bool
    """Whether it may be filled in at the first call only, which then runs the dynamic linker."""


@dataclass(frozen=True, slots=True)
class Export:
    """A function that a file offers to others."""

    address: int
    indirect: bool
    """An IFUNC: the function at `address` chooses the one that is called."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section's address, as linked, and its contents."""

    start: int
    data: bytes
    name: str

    def __contains__(self, address: int) -> bool:
        return self.start <= address < self.start + len(self.data)


class Image:
    """An ELF file, read once. Raises CgosafeError where `path` holds no 64-bit little-endian ELF file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self._read(ELFFile(file))
        except (OSError, ELFError) as error:
            raise CgosafeError(
                f"{path} could not be read as an ELF file: {error}", next_step=f"file {path}"
            ) from None

    def _read(self, elf: ELFFile) -> None:
        if elf.elfclass != 64 or not elf.little_endian:
            raise ELFError("64-bit little-endian ELF is what this reads")
        sections = {section.name: section for section in elf.iter_sections()}
        self.machine: str = elf["e_machine"]
        """``"EM_X86_64"``, ``"EM_AARCH64"``."""
        self.has_symbols = ".symtab" in sections
        self._code = [
            Section(section["sh_addr"], section.data(), section.name)
            for section in sections.values()
            if section["sh_flags"] & _SHF_EXECINSTR and section["sh_type"] == "SHT_PROGBITS"
        ]
        self._data = [
            Section(section["sh_addr"], section.data(), name)
            for name, section in sections.items()
            if name.startswith(_DATA) and section["sh_type"] in _WITH_CONTENTS
        ]
        self._tables = {
            name: (sections[name].data(), sections[names].data())
            for name, names in ((".symtab", ".strtab"), (".dynsym", ".dynstr"))
            if name in sections and sections[name]["sh_type"] != "SHT_NOBITS"
        }
        self._relocations = [
            section.data() for name, section in sections.items() if name.startswith(".rela.")
        ]
        self._versions = sections[".gnu.version"].data() if ".gnu.version" in sections else b""
        dynamic = sections.get(".dynamic")  # without contents in a file of debug information only
        tags: list[Any] = list(dynamic.iter_tags()) if isinstance(dynamic, DynamicSection) else []
        self.needed = tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED")
        self.search_path = tuple(
            directory
            for tag in tags
            if tag.entry.d_tag in {"DT_RUNPATH", "DT_RPATH"}
            for directory in getattr(tag, tag.entry.d_tag[3:].lower()).split(":")
        )
        flags = {tag.entry.d_tag: tag.entry.d_val for tag in tags}
        self.binds_now = bool(
            "DT_BIND_NOW" in flags
            or flags.get("DT_FLAGS", 0) & _DF_BIND_NOW
            or flags.get("DT_FLAGS_1", 0) & _DF_1_NOW
        )

    def code(self, start: int, end: int | None = None) -> bytes:
        """The code from `start` to `end`, or to its section's end; empty where there is none."""
        section = self._section_of(start)
        if not section:
            return b""
        stop = None if end is None else end - section.start
        return section.data[start - section.start : stop]

    def word(self, address: int) -> int | None:
        """The 8 bytes of data at `address`, as they are when the program starts; None where there is none."""
        if address in self._relative:
            return self._relative[address]
        for section in self._data:
            if address in section and address + 7 in section:
                return int.from_bytes(section.data[address - section.start :][:8], "little")
        return None

    def section(self, name: str) -> Section | None:
        """A section of data, or None."""
        return next((section for section in self._data if section.name == name), None)

    def has_code(self, address: int) -> bool:
        """Whether code lies at `address`."""
        return self._section_of(address) is not None

    def is_stub(self, address: int) -> bool:
        """Whether the code at `address` only leads on to another file's: the procedure linkage table."""
        section = self._section_of(address)
        return section is not None and section.name.startswith((".plt", ".iplt"))

    def _section_of(self, address: int) -> Section | None:
        return next((section for section in self._code if address in section), None)

    @cached_property
    def functions(self) -> tuple[Symbol, ...]:
        """Every function that has a symbol, in the order of addresses. Of several names for one, the longest body's."""
        found: dict[int, Symbol] = {}
        for name, info, section, address, size in self._symbols():
            if info & 15 in {_STT_FUNC, _STT_GNU_IFUNC} and section and address:
                known = found.get(address)
                if not known or (size, -len(name)) > (known.size, -len(known.name)):
                    found[address] = Symbol(name, address, size)
        return tuple(found[address] for address in sorted(found))

    @cached_property
    def _by_name(self) -> Mapping[str, Symbol]:
        named: dict[str, Symbol] = {}
        for name, info, section, address, size in self._symbols():
            if info & 15 in {_STT_FUNC, _STT_GNU_IFUNC} and section and address:
                named.setdefault(name, Symbol(name, address, size))
        return named

    def function(self, name: str) -> Symbol | None:
        """The function of that name, or None."""
        return self._by_name.get(name)

    def function_at(self, address: int) -> Symbol | None:
        """The function that starts at `address`, or holds it; None where no symbol says."""
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return None
        symbol = self.functions[at]
        inside = symbol.address <= address < symbol.address + max(symbol.size, 1)
        return symbol if inside else None

    @cached_property
    def _starts(self) -> list[int]:
        return [symbol.address for symbol in self.functions]

    @cached_property
    def go_text(self) -> range:
        """The addresses that Go's linker gave to Go code; empty where there is none, or no symbol says."""
        ends = {"runtime.text": 0, "runtime.etext": 0}
        for name, _, section, address, _ in self._symbols():
            if name in ends and section:
                ends[name] = address
        return range(ends["runtime.text"], ends["runtime.etext"])

    @cached_property
    def exports(self) -> Mapping[str, Export]:
        """The functions offered to other files, by name; of several versions the default one (``ld.so(8)``)."""
        offered: dict[str, Export] = {}
        for index, (name, info, section, address, _) in enumerate(self._entries(".dynsym")):
            if info & 15 not in {_STT_FUNC, _STT_GNU_IFUNC} or not section:
                continue
            version = (
                struct.unpack_from("<H", self._versions, 2 * index) if self._versions else (0,)
            )
            if name not in offered or not version[0] & _HIDDEN_VERSION:
                offered[name] = Export(address, info & 15 == _STT_GNU_IFUNC)
        return offered

    @cached_property
    def slots(self) -> Mapping[int, Slot]:
        """What the dynamic linker writes into which word: a function's address, by the word's address."""
        names = [name for name, *_ in self._entries(".dynsym")]
        slots: dict[int, Slot] = {}
        for section in self._relocations:
            for address, info, addend in _RELOCATION.iter_unpack(section):
                index, kind = info >> 32, info & 0xFFFFFFFF
                if kind == _IRELATIVE.get(self.machine):
                    slots[address] = Slot("", addend, lazy=False)
                elif 0 < index < len(names) and names[index]:
                    lazy = kind == _JUMP_SLOT.get(self.machine) and not self.binds_now
                    slots[address] = Slot(names[index], None, lazy)
        return slots

    @cached_property
    def _relative(self) -> Mapping[int, int]:
        """The words that hold an address in this file, which a PIE or a library gets when it is loaded."""
        return {
            address: addend
            for section in self._relocations
            for address, info, addend in _RELOCATION.iter_unpack(section)
            if info & 0xFFFFFFFF == _RELATIVE.get(self.machine)
        }

    def _symbols(self) -> Iterator[tuple[str, int, int, int, int]]:
        for table in self._tables:
            yield from self._entries(table)

    def _entries(self, table: str) -> Iterator[tuple[str, int, int, int, int]]:
        """Name, info, section, address and size of every symbol of a table."""
        entries, names = self._tables.get(table, (b"", b""))
        for at, info, _, section, address, size in _SYMBOL.iter_unpack(entries):
            yield (
                names[at : names.index(b"\0", at)].decode(errors="replace"),
                info,
                section,
                address,
                size,
            )
