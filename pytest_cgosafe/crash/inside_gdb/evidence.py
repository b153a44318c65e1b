"""What is kept of the frames while gdb still has them: pointers that C held, maps that Go held.

A frame is gone once the next segment is walked, so the variables that may explain a fault are noted
on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gdb

from . import describe

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

    def restart(self, handled: dict[str, Any] | None) -> None:
        """Forgets what Go's handler of the signal `handled` held: what it interrupted comes next."""
        self.handled = handled
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
