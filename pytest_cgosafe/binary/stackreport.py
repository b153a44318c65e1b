"""The static bound of a program's C stack: how deep each function that Go calls can go, without running it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.binary.callgraph import Cause, Unknown, call_graph
from pytest_cgosafe.binary.demangle import plain_name
from pytest_cgosafe.binary.lines import source_lines
from pytest_cgosafe.binary.linking import Program
from pytest_cgosafe.binary.stackbound import Depths
from pytest_cgosafe.errors import CgosafeError
from pytest_cgosafe.results import Call

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_cgosafe.binary.linking import Function
    from pytest_cgosafe.binary.stackbound import Cycle

_STUB: Final = re.compile(r"_cgo_[0-9a-f]{12}_C2?func_(?P<name>\w+)")
"""What Go's calls into C go through (cmd/cgo/out.go, writeOutputFunc)."""


@dataclass(frozen=True, slots=True)
class Unbounded:
    """One thing that leaves an entry without a bound."""

    cause: Cause
    function: str
    """Where it is; of a recursion, the first function of the ring."""
    detail: str
    """What it is, in a clause."""
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class StackBound:
    """How deep calls from one function can go."""

    entry: str
    """The C function as Go names it, without ``C.``."""
    symbol: str
    """The function that is counted from: the stub that cgo wrote for it, or the function itself."""
    bound: int | None
    """Bytes from the stack pointer before the call of `symbol` down to the deepest byte that can be used; None where
    `unbounded` says why there is no such number."""
    known: int
    """Bytes of the deepest way through the code that is known; the bound itself, where there is one."""
    chain: tuple[Call, ...]
    """The calls that make `known`, innermost first. Those that left nothing on the stack (tail calls) take 0."""
    unbounded: tuple[Unbounded, ...]
    """Nearest first. Of what a library does, one thing for each of its functions that is called."""
    notes: tuple[str, ...]
    """What is not counted."""


@dataclass(frozen=True, slots=True)
class StackReport:
    """The bounds of one program."""

    path: Path
    bounds: tuple[StackBound, ...]
    notes: tuple[str, ...] = ()

    def __getitem__(self, entry: str) -> StackBound:
        """The bound of an entry by its name. Raises KeyError."""
        for bound in self.bounds:
            if entry in {bound.entry, bound.symbol}:
                return bound
        raise KeyError(entry)


def bound_stacks(
    path: Path, entries: Sequence[str] = (), *, assume: Mapping[str, int] | None = None
) -> StackReport:
    """The bound of each of the `entries`, or of every C function that Go calls.

    `assume` gives bytes for functions by name, which are then taken as they are and not looked into.
    Raises CgosafeError where the file can't be read, has no such function, or no symbols to find any.
    """
    program = Program(path)
    symbols = _symbols(program, entries)
    functions = [program.named(symbol) for symbol in symbols]
    graph = call_graph(program, functions, assume or {})
    depths = Depths(graph)
    reporter = _Reporter(program, depths, functions)
    bounds = tuple(
        reporter.bound(symbol, function)
        for symbol, function in zip(symbols, functions, strict=True)
    )
    unused = set(assume or {}) - {function.name for function in graph}
    notes = [f"{name}, whose size was given, is not called" for name in sorted(unused)]
    if not bounds:
        notes.append("Go calls no C function in this program")
    return StackReport(path, bounds, tuple(notes))


def _symbols(program: Program, entries: Sequence[str]) -> list[str]:
    image = program.main.image
    stubs: dict[str, list[str]] = {}
    for function in image.functions:
        if match := _STUB.fullmatch(function.name):
            stubs.setdefault(match["name"], []).append(function.name)
    if not entries:
        if not image.has_symbols:
            raise CgosafeError(
                f"{image.path} has no symbol table: the functions in it have no names",
                next_step="build it without -ldflags=-s and without strip",
            )
        return [symbol for name in sorted(stubs) for symbol in stubs[name]]
    symbols: list[str] = []
    for entry in entries:
        name = entry.removeprefix("C.")
        if name not in stubs and image.function(name) is None:
            raise CgosafeError(
                f"{image.path} has no function {entry}", next_step=f"nm -C {image.path}"
            )
        symbols += stubs.get(name, [name])
    return symbols


class _Reporter:
    """Words for what the depths of a call graph say."""

    def __init__(self, program: Program, depths: Depths, entries: Iterable[Function]) -> None:
        self._main = program.main
        self._depths = depths
        self._lines = source_lines(
            program.main.image.path,
            (
                unknown.address
                for function in dict.fromkeys(
                    found for entry in entries for found in depths.reachable(entry)
                )
                if function.module is program.main
                for unknown in depths.node(function).unknowns
            ),
        )

    def bound(self, symbol: str, entry: Function) -> StackBound:
        known = self._depths.worst(entry).size
        unbounded = tuple(dict.fromkeys(self._unbounded(entry)))
        chain = [
            Call(_shown(function), 1, size)
            for function, size in self._depths.chain(entry)
            if size or function.is_named
        ]
        return StackBound(
            entry=_plain(symbol),
            symbol=symbol,
            bound=None if unbounded else known,
            known=known,
            chain=tuple(reversed(chain)),
            unbounded=unbounded,
            notes=tuple(self._notes(entry)),
        )

    def _unbounded(self, entry: Function) -> Iterator[Unbounded]:
        """Of the program itself everything, of libraries the functions that the program calls."""
        for cycle in self._depths.cycles(entry):
            if cycle.functions[0].module is self._main:
                yield _recursion(cycle)
        for function in self._depths.reachable(entry):
            if function.module is self._main:
                node = self._depths.node(function)
                yield from map(self._own, node.unknowns)
                for edge in node.edges:
                    if edge.callee.module is not self._main:
                        yield from self._of_library(edge.callee)

    def _own(self, unknown: Unknown) -> Unbounded:
        file, line = self._lines.get(unknown.address, (None, None))
        detail = _DETAILS[unknown.cause].format(
            symbol=unknown.symbol, function=_shown(unknown.function)
        )
        return Unbounded(unknown.cause, _shown(unknown.function), detail, file, line)

    def _of_library(self, callee: Function) -> Iterator[Unbounded]:
        library = callee.module.image.path.name
        unknowns = self._depths.unknowns(callee)
        cycles = self._depths.cycles(callee)
        if unknowns:
            first = unknowns[0]
            where = f" in {_shown(first.function)}" if first.function is not callee else ""
            yield Unbounded(
                first.cause,
                _shown(callee),
                f"{_shown(callee)} of {library} has no bound: {first.cause}{where}",
            )
        elif cycles:
            ring = " -> ".join(_shown(function) for function in cycles[0].functions)
            yield Unbounded(
                Cause.RECURSION,
                _shown(callee),
                f"{_shown(callee)} of {library} has no bound: recursion of {ring}",
            )

    def _notes(self, entry: Function) -> Iterator[str]:
        nodes = [self._depths.node(function) for function in self._depths.reachable(entry)]
        if any(node.lazy for node in nodes):
            yield (
                "the dynamic linker, which runs at the first call of a library's function, is not counted;"
                " with LD_BIND_NOW=1 it does not"
            )
        if any(node.deadly for node in nodes):
            yield "functions that end the program (abort, a failed assertion) are not counted"
        for node in nodes:
            if node.assumed:
                yield f"{_shown(node.function)} was taken to need {node.size:,} B, as given"


def _recursion(cycle: Cycle) -> Unbounded:
    names = [_shown(function) for function in cycle.functions]
    ring = " -> ".join([*names, names[0]])
    return Unbounded(Cause.RECURSION, names[0], f"recursion: {ring}, {cycle.size:,} B a round")


def _shown(function: Function) -> str:
    return _STUB.sub(r"_Cfunc_\g<name>", plain_name(function.name.encode()))


def _plain(symbol: str) -> str:
    match = _STUB.fullmatch(symbol)
    return match["name"] if match else symbol


_DETAILS: Final[Mapping[Cause, str]] = {
    Cause.INDIRECT_CALL: "{function} calls through a pointer",
    Cause.DYNAMIC_FRAME: "{function} makes room at run time (alloca, or a variable-length array)",
    Cause.CALLBACK: "{function} calls back into Go, which may call C again",
    Cause.LIBRARY: "{function} calls {symbol}, which no library on this system has",
    Cause.STACK_SWITCH: "{function} moves the stack pointer in a way that can't be followed",
    Cause.UNREADABLE: "{function} has code that can't be read",
}
