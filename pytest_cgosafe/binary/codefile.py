"""The code of an ELF file: its functions, the calls in it, and where those lead. Linux amd64 only so far."""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from pytest_cgosafe.binary.callcode import (
    ALLOCATES,
    BRANCH,
    LONGEST_CALL,
    STUB,
    Call,
    is_indirect_call,
)
from pytest_cgosafe.binary.callframes import CallFrames, table
from pytest_cgosafe.binary.demangle import plain_name

if TYPE_CHECKING:
    from pathlib import Path

_SYMBOL = struct.Struct("<IBBHQQ")  # Elf64_Sym (elf(5))
_RELOCATION = struct.Struct("<QQq")  # Elf64_Rela
_FUNCTION_TYPES = (2, 10)  # STT_FUNC, STT_GNU_IFUNC
_IRELATIVE = 37  # R_X86_64_IRELATIVE


@dataclass(frozen=True, slots=True)
class Function:
    """A function, as linked."""

    name: str
    """As its language names it; ``libc.so.6+0x5c420`` for one that has no symbol."""
    start: int
    end: int
    is_resolver: bool = False
    """Its symbol stands for one of several implementations, picked when the program is loaded (STT_GNU_IFUNC)."""


@dataclass(frozen=True, slots=True)
class _Section:
    address: int
    data: bytes

    def read(self, address: int, size: int) -> bytes:
        at = address - self.address
        return self.data[at : at + size] if 0 <= at < len(self.data) else b""


class CodeFile:
    """What is read once from an ELF file; each part when it is first asked for."""

    def __init__(self, path: Path, elf: ELFFile) -> None:
        self.path = path
        loads = [part for part in elf.iter_segments() if part["p_type"] == "PT_LOAD"]
        self.base: int = next((part["p_vaddr"] - part["p_offset"] for part in loads), 0)
        """The address as linked of the file's first byte."""
        self._sections = {
            section.name: _Section(section["sh_addr"], section.data())
            for section in elf.iter_sections()
            if section.name in _READ or section["sh_flags"] & 0x4  # SHF_EXECINSTR
        }
        executable = (s for s in elf.iter_sections() if s["sh_flags"] & 0x4)
        self._code = tuple(self._sections[section.name] for section in executable)

    @cached_property
    def frames(self) -> CallFrames:
        """The call frame information."""
        known = ((".eh_frame", True), (".debug_frame", False))
        return CallFrames(
            tuple(
                table(section.data, section.address, is_eh=is_eh)
                for name, is_eh in known
                if (section := self._sections.get(name))
            )
        )

    @cached_property
    def _functions(self) -> tuple[list[int], list[tuple[int, int, bytes]]]:
        """Start addresses, and for each the size, the symbol's type and its name; one per address."""
        best: dict[int, tuple[int, int, bytes]] = {}
        for entries, names in ((".symtab", ".strtab"), (".dynsym", ".dynstr")):
            if entries not in self._sections or names not in self._sections:
                continue
            raw, strings = self._sections[entries].data, self._sections[names].data
            for name, info, _, section, address, size in _SYMBOL.iter_unpack(raw):
                if info & 0xF in _FUNCTION_TYPES and section:
                    symbol = (size, info & 0xF, strings[name : strings.index(b"\0", name)])
                    if address not in best or _rank(symbol[2]) < _rank(best[address][2]):
                        best[address] = symbol
        starts = sorted(best)
        return starts, [best[start] for start in starts]

    @cached_property
    def _by_name(self) -> dict[bytes, int]:
        starts, symbols = self._functions
        known = dict(zip((name for _, _, name in symbols), starts, strict=True))
        if ".dynsym" in self._sections:  # with every alias
            strings = self._sections[".dynstr"].data
            for name, _, _, section, address, _ in _SYMBOL.iter_unpack(
                self._sections[".dynsym"].data
            ):
                if section:
                    known[strings[name : strings.index(b"\0", name)]] = address
        return known

    def is_code(self, pc: int) -> bool:
        """Whether an instruction can be at `pc`."""
        return any(part.address <= pc < part.address + len(part.data) for part in self._code)

    def read(self, address: int, size: int) -> bytes:
        """Up to `size` bytes of code."""
        return next((found for part in self._code if (found := part.read(address, size))), b"")

    def function(self, pc: int) -> Function | None:
        """The function that `pc` is in; None where neither a symbol nor call frame information knows it."""
        starts, symbols = self._functions
        at = bisect_right(starts, pc) - 1
        if at >= 0:
            size, kind, name = symbols[at]
            if pc < starts[at] + size or (size == 0 and starts[at] == pc):
                return Function(plain_name(name), starts[at], starts[at] + size, kind == 10)
        entry = self.frames.entry(pc)
        if entry is None or not self.is_code(pc):
            return None
        return Function(f"{self.path.name}+{entry.start:#x}", entry.start, entry.end)

    def named(self, name: str) -> Function | None:
        """The function with that symbol."""
        start = self._by_name.get(name.encode())
        return None if start is None else self.function(start)

    def has_variable_frame(self, function: Function) -> bool:
        """Whether a function takes as much of the stack as it finds out that it needs (alloca, variable arrays)."""
        code = self.read(function.start, function.end - function.start)
        return ALLOCATES.search(code) is not None

    @property
    def is_stripped(self) -> bool:
        """Whether only the functions are named that the dynamic linker needs."""
        return ".symtab" not in self._sections

    def symbols_ending(self, end: str) -> tuple[str, ...]:
        """The symbols of functions or variables with that end, without it."""
        names = self._sections.get(".strtab")
        pattern = re.compile(rb"\0([^\0]+)" + re.escape(end.encode()) + rb"\0")
        found = pattern.findall(names.data) if names else []
        return tuple(name.decode("utf-8", "replace") for name in found)

    def call_before(self, pc: int) -> Call | None:
        """The call that would return to `pc`, or None: there is none."""
        code = self.read(pc - LONGEST_CALL, LONGEST_CALL)
        if len(code) < LONGEST_CALL:
            return None
        if code[-5] == 0xE8:
            target = pc + int.from_bytes(code[-4:], "little", signed=True)
            symbol = self._through_stub(target)
            if symbol or ((found := self.function(target)) and found.start == target):
                return Call(target, symbol)
        for length in range(2, LONGEST_CALL + 1):
            if code[-length] == 0xFF and is_indirect_call(code[-length:]):
                slot = pc + int.from_bytes(code[-4:], "little", signed=True)
                return Call(None, self._slots.get(slot) if code[-length + 1] == 0x15 else None)
        return None

    def jumps_to(self, source: Function, target: int) -> bool:
        """Whether `source` ends in a jump to `target`: a tail call."""
        return any(source.start <= site < source.end for site in self.branches.get(target, ()))

    @cached_property
    def branches(self) -> dict[int, list[int]]:
        """Where each address is called from or jumped to, by instructions that name it."""
        found: dict[int, list[int]] = {}
        for part in self._code:
            end = len(part.data) - 5
            for match in BRANCH.finditer(part.data):
                at = match.start()
                if at <= end:
                    (distance,) = struct.unpack_from("<i", part.data, at + 1)
                    site = part.address + at
                    found.setdefault(site + 5 + distance, []).append(site)
        return found

    def sites_of(self, function: Function) -> list[int]:
        """The instructions that call or jump to a function of this file, also by way of the linkage table."""
        sites = list(self.branches.get(function.start, ()))
        return sites + [
            site for name in self.exports(function) for site in self.sites_calling(name)
        ]

    def sites_calling(self, symbol: str) -> list[int]:
        """The instructions that call or jump to what the dynamic linker finds under a name."""
        return [
            site for target in self._stubs.get(symbol, ()) for site in self.branches.get(target, ())
        ]

    def exports(self, function: Function) -> tuple[str, ...]:
        """The names under which the dynamic linker finds a function."""
        return self._exports.get(function.start, ())

    @cached_property
    def _exports(self) -> dict[int, tuple[str, ...]]:
        found: dict[int, tuple[str, ...]] = {}
        if ".dynsym" in self._sections:
            strings = self._sections[".dynstr"].data
            entries = self._sections[".dynsym"].data
            for name, info, _, section, address, _ in _SYMBOL.iter_unpack(entries):
                if section and info & 0xF in _FUNCTION_TYPES:
                    text = strings[name : strings.index(b"\0", name)].decode("utf-8", "replace")
                    found[address] = (*found.get(address, ()), text)
        return found

    @cached_property
    def _stubs(self) -> dict[str, list[int]]:
        """The entries of the linkage table, by the name that is looked up for them."""
        found: dict[str, list[int]] = {}
        tables = [part for name, part in self._sections.items() if name.startswith(".plt")]
        for target in self.branches:
            if any(part.read(target, 1) for part in tables) and (
                symbol := self._through_stub(target)
            ):
                found.setdefault(symbol, []).append(target)
        return found

    def _through_stub(self, target: int) -> str | None:
        stub = STUB.match(self.read(target, 11))
        if not stub:
            return None
        slot = target + stub.end() + int.from_bytes(stub[1], "little", signed=True)
        return self._slots.get(slot)

    @cached_property
    def _slots(self) -> dict[int, str]:
        """The names of the functions whose addresses the dynamic linker puts into each word."""
        found = {}
        for relocations in (".rela.dyn", ".rela.plt"):
            section = self._sections.get(relocations)
            for slot, info, addend in _RELOCATION.iter_unpack(section.data) if section else ():
                if info & 0xFFFFFFFF == _IRELATIVE:
                    resolver = self.function(addend)
                    name = resolver.name if resolver else ""
                else:
                    name = self._dynamic_name(info >> 32)
                if name:
                    found[slot] = name
        return found

    def _dynamic_name(self, index: int) -> str:
        if not index or ".dynsym" not in self._sections:
            return ""
        (name,) = struct.unpack_from("<I", self._sections[".dynsym"].data, index * _SYMBOL.size)
        strings = self._sections[".dynstr"].data
        return strings[name : strings.index(b"\0", name)].decode("utf-8", "replace")


_READ: Final = frozenset(
    (
        ".symtab", ".strtab", ".dynsym", ".dynstr", ".eh_frame", ".debug_frame", ".rela.dyn", ".rela.plt",
    )
)  # fmt: skip


def _rank(name: bytes) -> tuple[bool, int]:
    """Of several names the one that people use: ``printf``, not ``_IO_printf``."""
    return name.startswith(b"_"), len(name)


def read_code(path: Path) -> CodeFile | None:
    """The code of the file at `path`, or None: it is not an ELF file, or not for a machine that is known here."""
    try:
        status = path.stat()
        return _read_code(path, status.st_mtime_ns, status.st_size)
    except (OSError, ELFError):
        return None


@lru_cache(maxsize=16)
def _read_code(path: Path, _mtime_ns: int, _size: int) -> CodeFile | None:
    with path.open("rb") as file:
        elf = ELFFile(file)
        return CodeFile(path, elf) if elf["e_machine"] == "EM_X86_64" else None
