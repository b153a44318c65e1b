"""The Go runtime's own records: which m a thread runs, which goroutine is on it, where stacks begin and end.

The structs are those of runtime/runtime2.go; where their fields lie is read from the program's DWARF. A stripped
program gets the few offsets that are the same in Go 1.21 to 1.27, and what is read through them is checked.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import gdb

from . import memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .functable import FunctionTable

_MAX_THREADS = 20_000

# Only what no Go from 1.21 to 1.27 places elsewhere (runtime/runtime2.go, 64-bit).
_UNNAMED_G = {
    "stack.lo": (0, 8),
    "stack.hi": (8, 8),
    "m": (0x30, 8),
    "sched.sp": (0x38, 8),
    "sched.pc": (0x40, 8),
}
_UNNAMED_M = {"g0": (0, 8)}

_G_FIELDS = (
    *("stack.lo", "stack.hi", "m", "sched.sp", "sched.pc", "sched.bp", "atomicstatus"),
    *("goid", "waitreason", "gopc", "parentGoid"),
)
_M_FIELDS = ("g0", "gsignal", "curg", "procid", "alllink", "vdsoSP", "vdsoPC")


def has_debug_information() -> bool:
    """Whether the program's Go code has DWARF, or there is no Go in it that could have any."""
    try:
        gdb.lookup_type("runtime.g")
    except gdb.error:
        return False
    return True


class Layout:
    """Where the fields of a struct lie: offset and size in bytes, by path."""

    def __init__(self, places: Mapping[str, tuple[int, int]]) -> None:
        self._places = dict(places)
        self.size = max((offset + size for offset, size in self._places.values()), default=0)

    @classmethod
    def of(cls, type_name: str, paths: tuple[str, ...]) -> Layout | None:
        """The layout of a Go struct, from DWARF; None where the program has none."""
        try:
            struct_type = gdb.lookup_type(type_name)
        except gdb.error:
            return None
        places = {path: place for path in paths if (place := _place(struct_type, path))}
        return cls(places)

    def read(self, address: int) -> dict[str, int] | None:
        """The fields of the struct at `address`; None where it cannot be read."""
        data = memory.read(address, self.size)
        if data is None:
            return None
        return {
            path: int.from_bytes(data[offset : offset + size], "little")
            for path, (offset, size) in self._places.items()
        }


def _place(struct_type: gdb.Type, path: str) -> tuple[int, int] | None:
    offset = 0
    for name in path.split("."):
        try:
            field = struct_type.fields()[[f.name for f in struct_type.fields()].index(name)]
        except (ValueError, TypeError):
            return None
        offset += field.bitpos // 8
        struct_type = field.type.strip_typedefs()
    return offset, struct_type.sizeof


@dataclass(frozen=True)
class Goroutine:
    """A runtime.g. Fields that the program does not tell are None."""

    address: int
    lo: int
    hi: int
    sp: int
    pc: int
    fp: int
    m: int
    goid: int | None
    status: int | None
    waitreason: int | None
    gopc: int | None
    parent: int | None

    def holds(self, sp: int) -> bool:
        """Whether `sp` lies on this goroutine's stack."""
        return self.lo < sp <= self.hi


@dataclass(frozen=True)
class Machine:
    """A runtime.m: an OS thread that Go runs on."""

    address: int
    g0: Goroutine | None
    gsignal: Goroutine | None
    curg: Goroutine | None
    tid: int
    vdso_sp: int
    """Where the vDSO was called from, while it runs; else 0."""
    vdso_pc: int


class GoRuntime:
    """What the program's Go runtime knows."""

    def __init__(self, table: FunctionTable | None) -> None:
        """`table` is Go's function table, where there is no debug information."""
        self.text = table.text if table else _text_range()
        self._g = Layout.of("runtime.g", _G_FIELDS) or Layout(_UNNAMED_G)
        self._m = Layout.of("runtime.m", _M_FIELDS) or Layout(_UNNAMED_M)

    def goroutine(self, address: int) -> Goroutine | None:
        """The g at `address`, or None where there is none that makes sense."""
        fields = self._g.read(address) if address else None
        if fields is None or not 0 < fields["stack.lo"] < fields["stack.hi"]:
            return None
        return Goroutine(
            address=address,
            lo=fields["stack.lo"],
            hi=fields["stack.hi"],
            sp=fields["sched.sp"],
            pc=fields["sched.pc"],
            fp=fields.get("sched.bp", 0),
            m=fields["m"],
            goid=fields.get("goid"),
            status=fields.get("atomicstatus"),
            waitreason=fields.get("waitreason"),
            gopc=fields.get("gopc"),
            parent=fields.get("parentGoid"),
        )

    def machine(self, address: int) -> Machine | None:
        """The m at `address`, or None."""
        fields = self._m.read(address) if address else None
        if fields is None:
            return None
        return Machine(
            address=address,
            g0=self.goroutine(fields["g0"]),
            gsignal=self.goroutine(fields.get("gsignal", 0)),
            curg=self.goroutine(fields.get("curg", 0)),
            tid=fields.get("procid", 0),
            vdso_sp=fields.get("vdsoSP", 0),
            vdso_pc=fields.get("vdsoPC", 0),
        )

    def machine_of_thread(self, tid: int) -> Machine | None:
        """The m that runs on the OS thread `tid`: the one of ``runtime.allm`` whose procid it is."""
        for address, fields in self._all_m():
            if fields["procid"] == tid:
                return self.machine(address)
        return None

    def machine_of_g(self, address: int) -> Machine | None:
        """The m that runs the g at `address`, which may be no g: the m's g0 must lead back to that m."""
        goroutine = self.goroutine(address)
        machine = self.machine(goroutine.m) if goroutine else None
        if machine is None or machine.g0 is None or machine.g0.m != machine.address:
            return None
        return machine if machine.g0.address == address else replace(machine, curg=goroutine)

    def _all_m(self) -> Iterator[tuple[int, dict[str, int]]]:
        address = global_word("runtime.allm")
        for _ in range(_MAX_THREADS):
            fields = self._m.read(address) if address else None
            if not address or fields is None or "procid" not in fields:
                return
            yield address, fields
            address = fields["alllink"]

    def goroutines(self, limit: int) -> list[Goroutine]:
        """The goroutines of ``runtime.allgs``, dead ones too, at most `limit`."""
        place = symbol_address("runtime.allgs")
        header = memory.read(place, 16) if place else None
        if header is None:
            return []
        array, length = struct.unpack("<QQ", header)
        addresses = memory.words(array, min(length, limit))
        return [g for g in map(self.goroutine, addresses) if g]


def symbol_address(name: str) -> int | None:
    """The address of a global variable or function, or None."""
    symbol = gdb.lookup_global_symbol(name)
    if symbol is None:
        return None
    place = symbol.value().address
    return None if place is None else int(place)


def global_word(name: str) -> int | None:
    """The first word of a global variable, or None."""
    address = symbol_address(name)
    return memory.word(address) if address else None


def _text_range() -> range:
    """The addresses of Go code, from ``runtime.firstmoduledata`` (runtime/symtab.go); empty where unknown."""
    symbol = gdb.lookup_global_symbol("runtime.firstmoduledata")
    try:
        data = symbol.value() if symbol else None
        return range(int(data["text"]), int(data["etext"])) if data else range(0)
    except gdb.error:
        return range(0)
