"""What the DWARF of a Go binary says of one package: its functions, and its variables that are maps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, cast

from elftools.common.exceptions import DWARFError, ELFError
from elftools.elf.elffile import ELFFile

from pytest_cgosafe.binary.places import Home, Place, Places

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.die import DIE

_GO_KIND: Final = 0x2900
"""DW_AT_go_kind (cmd/internal/dwarf/dwarf.go): reflect.Kind of a type."""
_MAP, _POINTER = 21, 22
_WORD: Final = 8
_NESTING: Final = frozenset({"DW_TAG_lexical_block", "DW_TAG_inlined_subroutine"})
_VARIABLES: Final = frozenset({"DW_TAG_variable", "DW_TAG_formal_parameter"})


@dataclass(frozen=True, slots=True)
class MapVariable:
    """A variable whose type is a map."""

    name: str
    type: str
    size: int
    """Bytes of the variable itself: a map is a pointer."""
    line: int | None
    places: tuple[Place, ...]
    """Where it lives; empty where it was optimized away."""


@dataclass(frozen=True, slots=True)
class GoFunction:
    """A function that was compiled, as linked."""

    name: str
    code: range
    line: int | None
    maps: tuple[MapVariable, ...]
    inlined: tuple[str, ...]
    """The functions whose code was put into this one."""


@dataclass(frozen=True, slots=True)
class GoPackage:
    """One package in a binary."""

    name: str
    producer: str
    """``"Go cmd/compile go1.26.8; -N -l regabi"``."""
    functions: tuple[GoFunction, ...]
    maps: tuple[MapVariable, ...]
    """Its package-level variables."""
    lines: Mapping[int, tuple[str, int]]
    """File and line, by the address of the instruction from which on they hold."""


def read_package(path: Path, package: str) -> GoPackage | None:
    """What the binary's DWARF says of `package` (``main``, or an import path); None where it says nothing."""
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            if not elf.has_dwarf_info():
                return None
            dwarf = elf.get_dwarf_info(relocate_dwarf_sections=False, follow_links=False)
            for unit in dwarf.iter_CUs():
                top = unit.get_top_DIE()
                if _text(top, "DW_AT_name") == package and _is_go(top):
                    return _Reader(unit, Places(dwarf, elf["e_machine"])).read(top, package)
    except (OSError, ELFError, DWARFError):
        return None
    return None


class _Reader:
    def __init__(self, unit: CompileUnit, places: Places) -> None:
        self._unit = unit
        self._places = places

    def read(self, top: DIE, package: str) -> GoPackage:
        functions: list[GoFunction] = []
        maps: list[MapVariable] = []
        for entry in top.iter_children():
            if entry.tag == "DW_TAG_subprogram" and "DW_AT_low_pc" in entry.attributes:
                functions.append(self._function(entry))
            elif entry.tag == "DW_TAG_variable":
                maps += self._map(entry)
        return GoPackage(
            name=package,
            producer=_text(top, "DW_AT_producer") or "",
            functions=tuple(sorted(functions, key=lambda function: function.code.start)),
            maps=tuple(maps),
            lines=self._lines(),
        )

    def _function(self, entry: DIE) -> GoFunction:
        start, size = (entry.attributes[name] for name in ("DW_AT_low_pc", "DW_AT_high_pc"))
        end = size.value if size.form == "DW_FORM_addr" else start.value + size.value
        named = _origin(entry)
        inlined = [_text(_origin(nested), "DW_AT_name") for nested in _inlined(entry)]
        return GoFunction(
            name=_text(named, "DW_AT_name") or "",
            code=range(start.value, end),
            line=_number(named, "DW_AT_decl_line"),
            maps=tuple(found for nested in _variables(entry) for found in self._map(nested)),
            inlined=tuple(dict.fromkeys(name for name in inlined if name)),
        )

    def _map(self, entry: DIE) -> Iterator[MapVariable]:
        origin = _origin(entry)
        name = _text(origin, "DW_AT_name") or ""
        if "DW_AT_type" not in origin.attributes or name.startswith("~"):
            return  # a result without a name is none of the user's variables
        kind = origin.get_DIE_from_attribute("DW_AT_type")
        places = self._places.of(entry)
        if name.startswith("&") and _number(kind, _GO_KIND) == _POINTER:  # it was moved to the heap
            kind = kind.get_DIE_from_attribute("DW_AT_type")
            name = name[1:]
            places = tuple(replace(place, home=Home.HEAP) for place in places)
        if _number(kind, _GO_KIND) == _MAP:
            line = _number(origin, "DW_AT_decl_line")
            size = _number(kind, "DW_AT_byte_size") or _WORD
            yield MapVariable(name, _text(kind, "DW_AT_name") or "map", size, line, places)

    def _lines(self) -> dict[int, tuple[str, int]]:
        program = self._unit.dwarfinfo.line_program_for_CU(self._unit)
        if program is None:
            return {}
        files = program["file_entry"]
        first = 0 if program["version"] >= 5 else 1
        found: dict[int, tuple[str, int]] = {}
        for entry in program.get_entries():
            state = entry.state
            if state is not None and 0 <= state.file - first < len(files):
                name = files[state.file - first].name.decode(errors="replace")
                found[state.address] = name, state.line
        return dict(sorted(found.items()))


def short(file: str) -> str:
    """The last part of a file's path: what stays the same with ``-trimpath``."""
    return PurePath(file).name


def _variables(entry: DIE) -> Iterator[DIE]:
    """The variables of a function that live where their entry says."""
    for nested in entry.iter_children():
        if nested.tag in _VARIABLES:
            yield nested
        elif nested.tag in _NESTING:
            yield from _variables(nested)


def _inlined(entry: DIE) -> Iterator[DIE]:
    for nested in entry.iter_children():
        if nested.tag == "DW_TAG_inlined_subroutine":
            yield nested
        if nested.tag in _NESTING:
            yield from _inlined(nested)


def _origin(entry: DIE) -> DIE:
    """The entry that tells name and type: of an inlined function and its variables it stands elsewhere."""
    has_origin = "DW_AT_abstract_origin" in entry.attributes
    return entry.get_DIE_from_attribute("DW_AT_abstract_origin") if has_origin else entry


def _is_go(top: DIE) -> bool:
    return (_text(top, "DW_AT_producer") or "").startswith("Go ")


def _text(entry: DIE, name: str) -> str | None:
    attribute = entry.attributes.get(name)
    return attribute.value.decode(errors="replace") if attribute else None


def _number(entry: DIE, name: str | int) -> int | None:
    attribute = entry.attributes.get(
        cast("str", name)
    )  # a number for one that pyelftools can't name
    return int(attribute.value) if attribute else None
