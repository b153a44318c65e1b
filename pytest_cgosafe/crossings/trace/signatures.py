"""What C functions are given, by the DWARF of the stubs that cgo writes to call them.

Such a stub, ``_cgo_HASH_Cfunc_NAME(void *v)``, gets the address of a struct of all arguments and the result
(cmd/cgo/out.go: writeOutputFunc); the type of its variable ``_cgo_a`` is that struct.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING

from elftools.common.exceptions import DWARFError, ELFError
from elftools.elf.elffile import ELFFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.die import DIE
    from elftools.dwarf.dwarfinfo import DWARFInfo

_STUB = re.compile(rb"_cgo_[0-9a-f]{12}_C2?func_(\w+)")
_STANDARD = re.compile(
    rb"\0(?:net|os/user|plugin|runtime/cgo)\.(_cgo_[0-9a-f]{12}_C2?func_\w+)(?=\0)"
)
"""Go's variables that hold the addresses of stubs, in the packages of its own that use cgo."""
_SYMBOL = struct.Struct("<IBBHQQ")
_STT_FUNC = 2
_INTEGER_ENCODINGS = (0x05, 0x07)  # DW_ATE_signed, DW_ATE_unsigned
_MOST_WORDS = 32
"""Of one argument, and of what it points to."""
_DEEPEST = 4
"""How many structs and arrays within each other are looked into."""


class Role(Enum):
    """What C takes a word for."""

    INTEGER = auto()
    POINTER = auto()


@dataclass(frozen=True, slots=True)
class Word:
    """Eight bytes that C is given."""

    offset: int
    """In bytes, in the struct of the arguments or in what a pointer points to."""
    name: str
    """``"argument 2 (size_t)"``, ``"field `data` of argument 1"``."""
    role: Role
    pointee: tuple[Word, ...] = ()
    """The words of the struct that a pointer points to."""


@dataclass(frozen=True, slots=True)
class Stub:
    """A C function as cgo calls it."""

    function: str
    address: int
    """Of the stub, as linked."""
    words: tuple[Word, ...] | None
    """Those of all arguments; None where the DWARF does not tell."""


def read_stubs(path: Path) -> tuple[Stub, ...]:
    """The C functions that the program or library at `path` calls; none where its symbols are stripped.

    Those that only Go's standard library calls are left out.
    """
    try:
        status = path.stat()
        return _read_stubs(path, status.st_mtime_ns, status.st_size)
    except (OSError, ELFError):
        return ()


@lru_cache(maxsize=16)
def _read_stubs(path: Path, _mtime_ns: int, _size: int) -> tuple[Stub, ...]:
    with path.open("rb") as file:
        elf = ELFFile(file)
        addresses = dict(_stub_symbols(elf))
        described: Mapping[int, tuple[Word, ...]] = {}
        if addresses and elf.has_dwarf_info(strict=True):
            dwarf = elf.get_dwarf_info(relocate_dwarf_sections=False, follow_links=False)
            try:
                described = dict(_described(dwarf, addresses))
            except (DWARFError, KeyError, ValueError):
                described = {}
        return tuple(
            Stub(name, address, described.get(address)) for address, name in addresses.items()
        )


def _stub_symbols(elf: ELFFile) -> Iterator[tuple[int, str]]:
    entries, names = (elf.get_section_by_name(name) for name in (".symtab", ".strtab"))
    if entries is None or names is None:
        return
    strings = names.data()
    standard = {found[1] for found in _STANDARD.finditer(strings)}
    for name, info, _, section, address, _ in _SYMBOL.iter_unpack(entries.data()):
        if info & 0xF == _STT_FUNC and section and strings.startswith(b"_cgo_", name):
            found = _STUB.fullmatch(strings, name, strings.index(b"\0", name))
            helper = found and found[1].startswith(b"_C")  # of cgo's own: _Cmalloc
            if found and not helper and found[0] not in standard:
                yield address, found[1].decode()


def _described(
    dwarf: DWARFInfo, addresses: Mapping[int, str]
) -> Iterator[tuple[int, tuple[Word, ...]]]:
    for unit in _units_of(dwarf, addresses):
        for entry in unit.get_top_DIE().iter_children():
            low = entry.attributes.get("DW_AT_low_pc")
            if entry.tag == "DW_TAG_subprogram" and low and _address(unit, low) in addresses:
                block = _argument_block(entry)
                if block is not None:
                    yield _address(unit, low), tuple(_arguments(block))


def _units_of(dwarf: DWARFInfo, addresses: Mapping[int, str]) -> list[CompileUnit]:
    """The compilation units with the stubs: by the table of address ranges, else by the name of cgo's file."""
    ranges = dwarf.get_aranges()
    offsets = [ranges.cu_offset_at_addr(address) for address in addresses] if ranges else [None]
    known = {offset for offset in offsets if offset is not None}
    if None not in offsets:
        return [dwarf.get_CU_at(offset) for offset in sorted(known)]
    return [unit for unit in dwarf.iter_CUs() if _text(unit.get_top_DIE()).endswith(".cgo2.c")]


def _address(unit: CompileUnit, low: object) -> int:
    form, value = low.form, low.value  # type: ignore[attr-defined]
    if form.startswith("DW_FORM_addrx"):
        return int(unit.dwarfinfo.get_addr(unit, value))
    return int(value)


def _argument_block(stub: DIE) -> DIE | None:
    for entry in stub.iter_children():
        if entry.tag == "DW_TAG_variable" and _text(entry) == "_cgo_a":
            pointer = _type(entry)
            return _type(pointer) if pointer else None
    return None if _has_arguments(stub) else stub


def _has_arguments(stub: DIE) -> bool:
    """Whether arguments can't be ruled out: a stub of a function without any, and without a result, has no `_cgo_a`."""
    return any(entry.tag == "DW_TAG_variable" for entry in stub.iter_children())


def _arguments(block: DIE) -> Iterator[Word]:
    for member in block.iter_children():
        found = re.fullmatch(r"p(\d+)", _text(member)) if member.tag == "DW_TAG_member" else None
        kind = _type(member) if found else None
        if found and kind:
            name = f"argument {int(found[1]) + 1} ({_spell(kind)})"
            yield from _words(kind, _offset(member), name, follow=True)


def _words(
    kind: DIE | None, offset: int, name: str, *, follow: bool, depth: int = 0
) -> Iterator[Word]:
    """The words of a value of type `kind`; with `follow`, pointers come with what they point to."""
    kind = _strip(kind)
    if kind is None or depth > _DEEPEST:
        return
    if kind.tag == "DW_TAG_pointer_type":
        target = _strip(_type(kind))
        inner = _words(target, 0, f"what {name} points to", follow=False) if follow else ()
        is_struct = target is not None and target.tag == "DW_TAG_structure_type"
        yield Word(offset, name, Role.POINTER, tuple(inner)[:_MOST_WORDS] if is_struct else ())
    elif kind.tag == "DW_TAG_base_type":
        if _number(kind, "DW_AT_encoding") in _INTEGER_ENCODINGS and _size(kind) == 8:
            yield Word(offset, name, Role.INTEGER)
    elif kind.tag == "DW_TAG_structure_type":
        for member in kind.iter_children():
            if member.tag == "DW_TAG_member" and "DW_AT_bit_size" not in member.attributes:
                inside = f"field `{_text(member)}` of {name}"
                at = offset + _offset(member)
                yield from _words(_type(member), at, inside, follow=follow, depth=depth + 1)
    elif kind.tag == "DW_TAG_array_type":
        yield from _elements(kind, offset, name, follow=follow, depth=depth)


def _elements(kind: DIE, offset: int, name: str, *, follow: bool, depth: int) -> Iterator[Word]:
    element, size = _type(kind), _size(_strip(_type(kind)))
    for bounds in kind.iter_children():
        last = bounds.attributes.get("DW_AT_upper_bound")
        if bounds.tag == "DW_TAG_subrange_type" and last and size and isinstance(last.value, int):
            for number in range(min(last.value + 1, _MOST_WORDS)):
                at, inside = offset + number * size, f"element {number} of {name}"
                yield from _words(element, at, inside, follow=follow, depth=depth + 1)
        return


def _strip(kind: DIE | None) -> DIE | None:
    """The type behind its names and qualifiers."""
    while kind is not None and kind.tag in (
        *("DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type"),
        *("DW_TAG_restrict_type", "DW_TAG_atomic_type"),
    ):
        kind = _type(kind)
    return kind


def _spell(kind: DIE | None) -> str:
    """The type as C writes it, but for what is rare."""
    if kind is None:
        return "void"
    if kind.tag == "DW_TAG_pointer_type":
        inner = _spell(_type(kind))
        return f"{inner}*" if inner.endswith("*") else f"{inner} *"
    if kind.tag == "DW_TAG_const_type":
        return f"const {_spell(_type(kind))}"
    if kind.tag == "DW_TAG_subroutine_type":
        return "function"
    name = _text(kind) or "..."
    return f"struct {name}" if kind.tag == "DW_TAG_structure_type" else name


def _type(entry: DIE) -> DIE | None:
    return entry.get_DIE_from_attribute("DW_AT_type") if "DW_AT_type" in entry.attributes else None


def _text(entry: DIE) -> str:
    attribute = entry.attributes.get("DW_AT_name")
    return attribute.value.decode("utf-8", "replace") if attribute else ""


def _number(entry: DIE, name: str) -> int | None:
    attribute = entry.attributes.get(name)
    return attribute.value if attribute and isinstance(attribute.value, int) else None


def _offset(member: DIE) -> int:
    return _number(member, "DW_AT_data_member_location") or 0


def _size(kind: DIE | None) -> int | None:
    return None if kind is None else _number(kind, "DW_AT_byte_size")
