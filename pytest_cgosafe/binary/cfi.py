"""Call frame information (``.eh_frame``): what the compiler itself says of a function's frame.

Where the CFA is given by the stack pointer, it tells the stack pointer's depth at every instruction.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from elftools.common.exceptions import DWARFError, ELFError
from elftools.dwarf.callframe import FDE
from elftools.elf.elffile import ELFFile

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """What holds from the instruction at `address` on."""

    address: int
    depth: int | None
    """The stack pointer's, in bytes below the CFA; None where the CFA is given by another register."""


class CallFrames:
    """The call frame information of one file; empty where it has none."""

    def __init__(self, path: Path, stack_register: int) -> None:
        self._path = path
        self._stack_register = stack_register
        self._decoded: dict[int, tuple[Row, ...]] = {}

    @cached_property
    def _entries(self) -> list[FDE]:
        try:
            with self._path.open("rb") as file:
                dwarf = ELFFile(file).get_dwarf_info(
                    relocate_dwarf_sections=False, follow_links=False
                )
                entries = dwarf.EH_CFI_entries() if dwarf.has_EH_CFI() else []
        except (OSError, ELFError, DWARFError):
            return []
        found = [entry for entry in entries if isinstance(entry, FDE)]
        return sorted(found, key=lambda entry: int(entry["initial_location"]))

    @cached_property
    def _starts(self) -> list[int]:
        return [entry["initial_location"] for entry in self._entries]

    def _entry(self, address: int) -> FDE | None:
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return None
        entry = self._entries[at]
        inside = address < entry["initial_location"] + entry["address_range"]
        return entry if inside else None

    def span(self, address: int) -> range | None:
        """The code that is described together with `address`: a function, or a part of one."""
        entry = self._entry(address)
        if not entry:
            return None
        start = entry["initial_location"]
        return range(start, start + entry["address_range"])

    def depth_at(self, address: int) -> int | None:
        """How deep the stack pointer is at the instruction at `address`; None where this does not tell."""
        rows = self._rows(address)
        at = bisect_right([row.address for row in rows], address) - 1
        return rows[at].depth if at >= 0 else None

    def deepest(self, address: int) -> int | None:
        """The deepest that the stack pointer is known to be anywhere in the code described with `address`."""
        return max(
            (row.depth for row in self._rows(address) if row.depth is not None), default=None
        )

    def _rows(self, address: int) -> tuple[Row, ...]:
        entry = self._entry(address)
        if not entry:
            return ()
        start = entry["initial_location"]
        if start not in self._decoded:
            self._decoded[start] = tuple(self._decode(entry))
        return self._decoded[start]

    def _decode(self, entry: FDE) -> list[Row]:
        try:
            table = entry.get_decoded().table
        except (DWARFError, KeyError, ValueError):
            return []
        return [
            Row(row["pc"], row["cfa"].offset if row["cfa"].reg == self._stack_register else None)
            for row in table
        ]
