"""What packages exchange with C: every call, the copies made, and what becomes of memory in C's heap.

It judges nothing: what it lists is mostly right to be there. The analyzer's package ``inventory`` (analyzer/inventory)
says what each entry means and how far it can see.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pytest_cgosafe.crossings.tool import analyzer_for
from pytest_cgosafe.crossings.vet import diagnostics_in

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_cgosafe.build import Builder, BuildFlags

_ANALYZER = "inventory"
_POSITION = re.compile(r"(?P<file>.+?):(?P<line>\d+)(?::\d+)?")


class Fate(StrEnum):
    """What becomes of memory that Go allocated in C's heap."""

    FREED = "freed"
    """On every path through the function; paths that end in a panic or with the program are left out."""
    LEAKED = "leaked"
    """On some path, at least."""
    ESCAPES = "escapes"
    """It outlives the function: whoever got it may free it."""
    UNDECIDED = "undecided"


class Direction(StrEnum):
    """Where one of cgo's helpers copies to."""

    TO_C = "to C"
    TO_GO = "to Go"


@dataclass(frozen=True, slots=True)
class CrossingType:
    """The type of an argument or a result: as Go had it before the conversion to C's, and as C has it."""

    go: str
    c: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A place in the source where Go and C meet."""

    file: str
    line: int
    caller: str
    """The Go function, named within its package: ``(*T).close``."""
    function: str
    """The C function, named without ``C.``."""


@dataclass(frozen=True, slots=True)
class CCall(Entry):
    """A call of a C function."""

    arguments: tuple[CrossingType, ...]
    results: tuple[CrossingType, ...]
    """Two where the call asks for errno too."""


@dataclass(frozen=True, slots=True)
class Export(Entry):
    """A Go function that C may call by the name `function`."""

    arguments: tuple[CrossingType, ...]
    results: tuple[CrossingType, ...]


@dataclass(frozen=True, slots=True)
class FunctionPointer(Entry):
    """The address of a C function, or of an exported Go function, is taken."""

    given_to: str | None
    """The C function that gets it; None where it goes elsewhere first."""


@dataclass(frozen=True, slots=True)
class Copy(Entry):
    """A copy made by one of cgo's helpers: CString, CBytes, GoString, GoStringN, GoBytes."""

    direction: Direction


@dataclass(frozen=True, slots=True)
class Allocation(Entry):
    """Memory in C's heap; `function` is what allocated it: a C function, or a Go function that returns such memory."""

    fate: Fate
    note: str | None
    """In which way it escapes, or is leaked other than by a return."""
    leaking_lines: tuple[int, ...]
    """The return statements (or the ends of functions) that leak it."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that some packages exchange with C, each kind by file and line."""

    calls: tuple[CCall, ...] = ()
    exports: tuple[Export, ...] = ()
    function_pointers: tuple[FunctionPointer, ...] = ()
    copies: tuple[Copy, ...] = ()
    allocations: tuple[Allocation, ...] = ()

    def entries(self) -> list[Entry]:
        """Everything, by file and line."""
        all_kinds = [entry for kind in fields(self) for entry in getattr(self, kind.name)]
        return sorted(all_kinds, key=lambda entry: (entry.file, entry.line))


def take_inventory(
    builder: Builder,
    packages: Iterable[tuple[str, Path]],
    flags: BuildFlags,
) -> Inventory:
    """The inventory of `packages`, each with the directory where relative ones start; test files included.

    Raises ToolchainError, BuildError with the compiler's own words when a package can't be type-checked, and
    AnalyzerError when the analyzer could not be built or failed.
    """
    entries: dict[Entry, None] = {}  # a package and its test variant hold the same files
    for package, base in packages:
        tool = analyzer_for(builder.environment(package, flags, base=base), otherwise=builder.store)
        answer = builder.vet(package, flags, tool, _ANALYZER, base=base)
        for diagnostic in diagnostics_in(answer, _ANALYZER):
            entries[_entry(diagnostic)] = None
    found = sorted(entries, key=lambda entry: (entry.file, entry.line))
    return Inventory(
        calls=tuple(entry for entry in found if isinstance(entry, CCall)),
        exports=tuple(entry for entry in found if isinstance(entry, Export)),
        function_pointers=tuple(entry for entry in found if isinstance(entry, FunctionPointer)),
        copies=tuple(entry for entry in found if isinstance(entry, Copy)),
        allocations=tuple(entry for entry in found if isinstance(entry, Allocation)),
    )


def _entry(diagnostic: dict[str, Any]) -> Entry:
    """What analyzer/inventory/inventory.go wrote as type Entry."""
    place = _POSITION.fullmatch(diagnostic["posn"])
    assert place, f"{diagnostic['posn']} is no position"
    said = json.loads(diagnostic["message"])
    where = (place["file"], int(place["line"]), said["caller"], said["function"])
    types = [
        tuple(CrossingType(**value) for value in said.get(name, ()))
        for name in ("arguments", "results")
    ]
    match said["what"]:
        case "call":
            return CCall(*where, *types)
        case "export":
            return Export(*where, *types)
        case "pointer":
            return FunctionPointer(*where, given_to=said.get("given_to"))
        case "copy":
            return Copy(*where, direction=Direction(said["note"]))
    return Allocation(
        *where,
        fate=Fate(said["fate"]),
        note=said.get("note"),
        leaking_lines=tuple(said.get("lines", ())),
    )
