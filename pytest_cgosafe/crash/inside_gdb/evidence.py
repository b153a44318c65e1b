"""What is kept of the frames while gdb still has them: pointers that C held, maps that Go held.

A frame is gone once the next segment is walked, so the variables that may explain a fault are noted
on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gdb

from . import describe, memory

# The runtime's functions that end a program, and the argument that says why (runtime/panic.go).
_DEATHS = {
    "runtime.gopanic": ("e", "Go panic"),
    "runtime.throw": ("s", "Go fatal error"),
    "runtime.fatal": ("s", "Go fatal error"),
}
_KIND_OFFSET, _KIND_MASK, _KIND_STRING = 23, 31, 24  # internal/abi/type.go: Type.Kind_
_MAX_TEXT = 1 << 16
_MAX_C_FRAMES = 8
_MAX_GO_FRAMES = 12


@dataclass(frozen=True)
class Pointer:
    """A pointer variable of a C function."""

    function: str
    name: str
    value: int
    target: gdb.Type
    frame: int
    """The number of the frame, 0 for the innermost."""


@dataclass(frozen=True)
class MapVariable:
    """A map variable of a Go function."""

    function: str
    file: str | None
    line: int | None
    name: str
    type_name: str
    value: int
    """The address of the map's header."""
    address: int | None
    """Where the variable itself is kept."""


@dataclass
class Evidence:
    """The variables that were met on the way."""

    pointers: list[Pointer] = field(default_factory=list)
    maps: list[MapVariable] = field(default_factory=list)
    caller: tuple[str, str | None, int | None] | None = None
    """The innermost Go function that is no glue: who called C."""
    first: int = 0
    """The number of the frame at fault: what stands before it is Go's own signal handler."""
    _frames: int = 0
    _go_frames: int = 0

    handled: dict[str, Any] | None = None
    """The signal that Go's own handler is at work on, where it is."""

    registers: list[dict[str, Any]] | None = None
    """The registers at the fault, where Go's handler is at work on it."""
    death: str | None = None
    """How Go's runtime ends the program, in its own words as far as its frames keep them."""

    def restart(self, handled: dict[str, Any] | None, registers: list[dict[str, Any]]) -> None:
        """Forgets what Go's handler of the signal `handled` held: what it interrupted comes next."""
        self.handled, self.registers = handled, registers
        self.pointers, self.maps = [], []
        self.first, self._go_frames = self._frames, 0

    def see(
        self,
        frame: gdb.Frame,
        name: str | None,
        language: str | None,
        place: tuple[str | None, int | None],
    ) -> None:
        """Notes what `frame` holds."""
        number = self._frames
        self._frames += 1
        if name is None:
            return
        if name in _DEATHS and self.death is None:
            self.death = _death(frame, name)
        if language == "c" and not self._go_frames and number < self.first + _MAX_C_FRAMES:
            self.pointers += _pointers(frame, name, number)
        elif (
            language == "go"
            and not name.startswith("runtime.")
            and self._go_frames < _MAX_GO_FRAMES
        ):
            self._go_frames += 1
            if self.caller is None and "._Cfunc_" not in name:
                self.caller = (name, *place)
            self.maps += _maps(frame, name, place)


def _death(frame: gdb.Frame, function: str) -> str | None:
    argument, text = _DEATHS[function]
    try:
        value = frame.read_var(argument)
        if function == "runtime.gopanic":
            kind = memory.read(int(value["_type"]) + _KIND_OFFSET, 1)
            if kind is None or kind[0] & _KIND_MASK != _KIND_STRING:
                return text
            at, length = memory.words(int(value["data"]), 2)
        else:
            at, length = int(value["str"]), int(value["len"])
    except (gdb.error, ValueError, RuntimeError):
        return text
    said = memory.read(at, length) if 0 < length < _MAX_TEXT else None
    return f"{text}: {said.decode(errors='replace')}" if said else text


def _pointers(frame: gdb.Frame, function: str, number: int) -> list[Pointer]:
    found = []
    for symbol, value in _variables(frame):
        kind = value.type.strip_typedefs()
        is_pointer = kind.code in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_REF)
        if not is_pointer and not (kind.code == gdb.TYPE_CODE_INT and kind.sizeof == 8):
            continue
        target = kind.target().strip_typedefs() if is_pointer else kind
        found.append(Pointer(function, symbol.name, _unsigned(value), target, number))
    return found


def _maps(
    frame: gdb.Frame, function: str, place: tuple[str | None, int | None]
) -> list[MapVariable]:
    found = []
    for symbol, value in _variables(frame):
        name = symbol.type.name or ""
        if not name.startswith("map["):
            continue
        address = None if value.address is None else int(value.address)
        shown = symbol.name.lstrip("&")
        found.append(MapVariable(function, *place, shown, name, _unsigned(value), address))
    return found


def _variables(frame: gdb.Frame) -> list[tuple[gdb.Symbol, gdb.Value]]:
    found = []
    try:
        for symbol in describe.symbols_in_scope(frame):
            if not (symbol.is_variable or symbol.is_argument):
                continue
            value = frame.read_var(symbol)
            if not value.is_optimized_out and value.type.sizeof == 8:
                value.fetch_lazy()
                found.append((symbol, value))
    except (gdb.error, RuntimeError):
        pass
    return found


def _unsigned(value: gdb.Value) -> int:
    return int(value.cast(gdb.lookup_type("unsigned long"))) & 0xFFFF_FFFF_FFFF_FFFF
