"""The code of a process: which file's function an address belongs to, and which call would return to it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_cgosafe.binary.codefile import Function, read_code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_cgosafe.binary.callcode import Call
    from pytest_cgosafe.binary.callframes import Row
    from pytest_cgosafe.binary.codefile import CodeFile
    from pytest_cgosafe.watch.procfs import Mapping


@dataclass(frozen=True, slots=True)
class Spot:
    """An address in a file's code."""

    file: CodeFile
    bias: int
    """What was added to addresses as linked."""
    pc: int
    """The address as linked."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A function of the process. `function` has its addresses as linked."""

    file: CodeFile
    function: Function

    @property
    def name(self) -> str:
        """As its language names it."""
        return self.function.name

    @property
    def has_variable_frame(self) -> bool:
        """Whether it takes as much of the stack as it finds out that it needs (alloca, arrays of variable length)."""
        return self.file.has_variable_frame(self.function)


class LoadedCode:
    """The code of one process, by the files that were mapped."""

    def __init__(self, files: Sequence[Mapping]) -> None:
        self._files = sorted(files, key=lambda mapping: mapping.start)
        self._starts = [mapping.start for mapping in self._files]
        self._first = {m.path: m.start - m.offset for m in reversed(self._files)}
        self._code: dict[str, tuple[CodeFile, int] | None] = {}
        self._functions: dict[int, Loaded | None] = {}
        self._may_call: dict[tuple[int, int, int, int], bool] = {}
        self._called: dict[int, Loaded | None] = {}
        self._rows: dict[int, Row | None] = {}
        self._calls: dict[int, Call | None] = {}

    @property
    def files(self) -> tuple[CodeFile, ...]:
        """Every file that could be read."""
        found = (self._file(path) for path in self._first)
        return tuple(entry[0] for entry in found if entry)

    def spot(self, address: int) -> Spot | None:
        """Where in a file's code `address` is; None where it is in none."""
        at = bisect_right(self._starts, address) - 1
        if at < 0 or address >= self._files[at].end:
            return None
        found = self._file(self._files[at].path)
        if found is None or not found[0].is_code(address - found[1]):
            return None
        return Spot(*found, address - found[1])

    def function(self, address: int) -> Loaded | None:
        """The function that `address` is in."""
        if address not in self._functions:
            spot = self.spot(address)
            function = spot and spot.file.function(spot.pc)
            self._functions[address] = Loaded(spot.file, function) if spot and function else None
        return self._functions[address]

    def call_before(self, address: int) -> Call | None:
        """The call that would return to `address`; None where there is none."""
        if address not in self._calls:
            spot = self.spot(address)
            self._calls[address] = spot.file.call_before(spot.pc) if spot else None
        return self._calls[address]

    def row(self, address: int) -> Row | None:
        """How to get from the frame of the instruction at `address` to its caller's."""
        if address not in self._rows:
            spot = self.spot(address)
            self._rows[address] = spot.file.frames.row(spot.pc) if spot else None
        return self._rows[address]

    def returns_from_signal(self, address: int) -> bool:
        """Whether `address` is where signal handlers return to."""
        row = self.row(address)
        return row is not None and row.is_signal

    def called_before(self, address: int) -> Loaded | None:
        """The function that the call before `address` leads to; None where only the running program knew."""
        if address not in self._called:
            call, spot = self.call_before(address), self.spot(address)
            self._called[address] = self._leads_to(call, spot) if call and spot else None
        return self._called[address]

    def _leads_to(self, call: Call, spot: Spot) -> Loaded | None:
        if call.symbol:
            return self._named(call.symbol, spot.file)
        function = None if call.target is None else spot.file.function(call.target)
        return Loaded(spot.file, function) if function else None

    def may_call(self, caller: Loaded, callee: Loaded) -> bool:
        """Whether `caller` has a call of `callee`; or one through a pointer, where nothing names `callee`."""
        key = (id(caller.file), caller.function.start, id(callee.file), callee.function.start)
        if key not in self._may_call:
            self._may_call[key] = self._has_call(caller, callee)
        return self._may_call[key]

    def _has_call(self, caller: Loaded, callee: Loaded) -> bool:
        start = callee.function.start
        by_pointer_only = not callee.file.sites_of(callee.function)
        for pc in range(caller.function.start + 2, caller.function.end + 1):
            call = caller.file.call_before(pc)
            if call is None:
                continue
            if call.symbol:
                named = self._named(call.symbol, caller.file)
                if named.file is callee.file and named.function.start == start:
                    return True
            elif call.target is None:
                if by_pointer_only:
                    return True
            elif caller.file is callee.file and call.target == start:
                return True
        return False

    def _named(self, symbol: str, caller: CodeFile) -> Loaded:
        """The function that a dynamic linker finds under that name, called by that name."""
        for path in self._first:
            found = self._file(path)
            function = found and found[0].named(symbol)
            if found and function:
                return Loaded(found[0], replace(function, name=symbol))
        return Loaded(caller, Function(symbol, 0, 0, is_resolver=True))

    def _file(self, path: str) -> tuple[CodeFile, int] | None:
        if path not in self._code:
            code = read_code(Path(path))
            bias = self._first[path] - code.base if code else 0
            self._code[path] = (code, bias) if code else None
        return self._code[path]
