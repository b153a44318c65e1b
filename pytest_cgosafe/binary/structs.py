"""Where the fields of a struct of the Go runtime lie, from the DWARF of the binary at hand.

The struct's name is searched as bytes and only its own entries are then decoded: the runtime's compilation unit has
tens of thousands of them, and a stopped program waits.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import IO, TYPE_CHECKING

from elftools.common.exceptions import DWARFError, ELFError
from elftools.dwarf.die import DIE
from elftools.elf.elffile import ELFFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.dwarfinfo import DWARFInfo

_CODE_BYTES = (1, 2)  # the length of the abbreviation code between an entry's start and its name


def field_offsets(path: Path, name: str) -> Mapping[str, int]:
    """The offset of every field of the struct `name` (``runtime.m``), in bytes; empty where the DWARF doesn't tell."""
    return field_offsets_of(path, (name,))[0]


def field_offsets_of(path: Path, names: tuple[str, ...]) -> tuple[Mapping[str, int], ...]:
    """The same for several structs at once: most of the time it takes to read the DWARF.

    ``runtime.schedt:gFree`` is the struct that the field `gFree` is; its fields are counted from the outer's begin.
    """
    try:
        status = path.stat()
        return _field_offsets(path, names, status.st_mtime_ns, status.st_size)
    except (OSError, ELFError, DWARFError):
        return ({},) * len(names)


@lru_cache(maxsize=64)
def _field_offsets(
    path: Path, names: tuple[str, ...], _mtime_ns: int, _size: int
) -> tuple[Mapping[str, int], ...]:
    with path.open("rb") as file:
        elf = ELFFile(file)
        if not elf.has_dwarf_info(strict=True):
            return ({},) * len(names)
        dwarf = elf.get_dwarf_info(relocate_dwarf_sections=False, follow_links=False)
        section = _debug_info(dwarf).read()
        return tuple(dict(_fields_of(dwarf, section, *name.split(":"))) for name in names)


def _fields_of(
    dwarf: DWARFInfo, section: bytes, name: str, field: str | None = None
) -> Iterator[tuple[str, int]]:
    entry = next(_structs(dwarf, section, name), None)
    for member in _members(entry) if entry else ():
        if field is None:
            yield _field(member)
        elif _field(member)[0] == field:
            inner = member.get_DIE_from_attribute("DW_AT_type")
            while inner.tag == "DW_TAG_typedef":
                inner = inner.get_DIE_from_attribute("DW_AT_type")
            start = _field(member)[1]
            yield from ((name, start + at) for name, at in map(_field, _members(inner)))


def _structs(dwarf: DWARFInfo, section: bytes, name: str) -> Iterator[DIE]:
    """The entries that define the struct: its name stands in them, just behind their abbreviation code."""
    wanted = name.encode() + b"\0"
    at = section.find(wanted)
    while at >= 0:
        unit = _unit_around(dwarf, section, at)
        for start in (at - length for length in _CODE_BYTES):
            entry = unit and _entry(unit, start)
            if entry and entry.tag == "DW_TAG_structure_type" and _name(entry) == wanted[:-1]:
                yield entry
        at = section.find(wanted, at + 1)


def _debug_info(dwarf: DWARFInfo) -> IO[bytes]:
    assert dwarf.debug_info_sec  # has_dwarf_info() saw it
    dwarf.debug_info_sec.stream.seek(0)
    return dwarf.debug_info_sec.stream


def _unit_around(dwarf: DWARFInfo, section: bytes, at: int) -> CompileUnit | None:
    start = 0
    while start < at:
        (length,) = struct.unpack_from("<I", section, start)
        if length == 0xFFFFFFFF:  # 64-bit DWARF: neither Go nor gcc writes it below 4 GiB
            return None
        if at < start + 4 + length:
            return dwarf.get_CU_at(start)
        start += 4 + length
    return None


def _entry(unit: CompileUnit, start: int) -> DIE | None:
    try:
        return DIE(unit, _debug_info(unit.dwarfinfo), start)
    except (DWARFError, KeyError, ValueError):
        return None  # no entry starts there


def _name(entry: DIE) -> bytes | None:
    attribute = entry.attributes.get("DW_AT_name")
    return attribute.value if attribute else None


def _members(entry: DIE) -> Iterator[DIE]:
    at = entry.offset + entry.size
    while (member := DIE(entry.cu, entry.stream, at)).tag == "DW_TAG_member":
        yield member
        at += member.size


def _field(member: DIE) -> tuple[str, int]:
    name, at = (
        member.attributes[f"DW_AT_{what}"].value for what in ("name", "data_member_location")
    )
    return name.decode(), at
