"""Where variables live, as DWARF tells it: expressions and location lists (DWARF 5, sections 2.5 and 2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from elftools.common.exceptions import DWARFError
from elftools.dwarf.dwarf_expr import DWARFExprParser
from elftools.dwarf.locationlists import LocationLists

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elftools.dwarf.die import DIE
    from elftools.dwarf.dwarf_expr import DWARFExprOp
    from elftools.dwarf.dwarfinfo import DWARFInfo

_AMD64: Final = (
    "rax",
    "rdx",
    "rcx",
    "rbx",
    "rsi",
    "rdi",
    "rbp",
    "rsp",
    *(f"r{n}" for n in range(8, 16)),
)
_ARM64: Final = (*(f"x{n}" for n in range(31)), "sp")
REGISTERS: Final = {"EM_X86_64": _AMD64, "EM_AARCH64": _ARM64}
"""DWARF's register numbers, from the psABIs."""
_REG0: Final = 0x50  # DW_OP_reg0
_EXPRESSIONS: Final = frozenset(
    {"DW_FORM_exprloc", "DW_FORM_block1", "DW_FORM_block2", "DW_FORM_block"}
)
_LISTS: Final = frozenset({"DW_FORM_sec_offset", "DW_FORM_loclistx"})


class Home(StrEnum):
    """The kind of place where a variable lives."""

    STACK = "stack"
    REGISTER = "register"
    STATIC = "static"
    HEAP = "heap"
    """It escapes: what has a place of its own is a pointer to it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a variable lives, in all of its function or in a part."""

    home: Home
    offset: int | None = None
    """On the stack: bytes from the CFA, what the stack pointer was before the call; below it is negative."""
    register: str | None = None
    address: int | None = None
    """Of a static variable, as linked."""
    code: range | None = None
    """The instructions for which this holds; None: all of the function's."""


class Places:
    """Reads places from one file's DWARF."""

    def __init__(self, dwarf: DWARFInfo, machine: str) -> None:
        lists: Any = dwarf.location_lists()
        self._lists = lists
        self._registers = REGISTERS.get(machine, ())

    def of(self, entry: DIE) -> tuple[Place, ...]:
        """Where the variable of `entry` lives; empty where it is nowhere: it was optimized away."""
        attribute = entry.attributes.get("DW_AT_location")
        if attribute is None:
            return ()
        if attribute.form in _EXPRESSIONS:
            place = self._place(entry, attribute.value, None)
            return (place,) if place else ()
        if attribute.form in _LISTS:
            return tuple(self._listed(entry, attribute.value))
        return ()

    def _listed(self, entry: DIE, offset: int) -> Iterator[Place]:
        for lists in self._of_version(entry.cu["version"]):
            try:
                items: list[Any] = lists.get_location_list_at_offset(offset, entry)
            except (DWARFError, KeyError, ValueError):
                continue
            start_of_unit = entry.cu.get_top_DIE().attributes.get("DW_AT_low_pc")
            base = start_of_unit.value if start_of_unit else 0
            for item in items:
                if hasattr(item, "base_address"):
                    base = item.base_address
                elif hasattr(item, "begin_offset"):
                    shift = 0 if item.is_absolute else base
                    code = range(item.begin_offset + shift, item.end_offset + shift)
                    if place := self._place(entry, item.loc_expr, code):
                        yield place

    def _of_version(self, version: int) -> list[LocationLists]:
        """The lists that a unit of this DWARF version refers to; a file may have both kinds."""
        if isinstance(self._lists, LocationLists):
            return [self._lists]
        if self._lists is None:
            return []
        both = self._lists  # LocationListsPair
        return [both._loclists if version >= 5 else both._loc]

    def _place(self, entry: DIE, expression: list[int], code: range | None) -> Place | None:
        try:
            operations = DWARFExprParser(entry.cu.structs).parse_expr(expression)
        except (DWARFError, KeyError, ValueError):
            return None
        if len(operations) != 1:
            return None  # a value in pieces, or one that is computed: no map is
        operation = operations[0]
        match operation.op_name:
            case "DW_OP_call_frame_cfa":
                return Place(Home.STACK, offset=0, code=code)
            case "DW_OP_fbreg":  # Go's frame base is the CFA
                return Place(Home.STACK, offset=operation.args[0], code=code)
            case "DW_OP_addr" | "DW_OP_addrx":
                address = operation.args[0]
                if operation.op_name == "DW_OP_addrx":
                    address = entry.dwarfinfo.get_addr(entry.cu, address)
                return Place(Home.STATIC, address=address, code=code)
        return self._in_register(operation, code)

    def _in_register(self, operation: DWARFExprOp, code: range | None) -> Place | None:
        is_numbered = operation.op_name == "DW_OP_regx"
        number = operation.args[0] if is_numbered else operation.op - _REG0
        if not operation.op_name.startswith("DW_OP_reg") or number not in range(
            len(self._registers)
        ):
            return None
        return Place(Home.REGISTER, register=self._registers[number], code=code)
