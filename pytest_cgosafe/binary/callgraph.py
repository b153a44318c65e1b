"""Which functions call which, how deep each stands on the stack when it does, and what can't be known of that."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.binary.linking import Miss

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_cgosafe.binary.frames import CallSite, FunctionFrame
    from pytest_cgosafe.binary.linking import Function, Program, Reached

ENDS_THE_PROGRAM: Final = frozenset(
    {
        "abort",
        "__assert_fail",
        "__assert_perror_fail",
        "__chk_fail",
        "__fortify_fail",
        "__stack_chk_fail",
        "__libc_fatal",
    }
)
"""Functions of the C library on the way to SIGABRT: what they take on the stack harms nobody any more."""


class Cause(StrEnum):
    """What leaves a stack without a bound."""

    RECURSION = "recursion"
    INDIRECT_CALL = "indirect call"
    """A call through a pointer: any function may be behind it."""
    DYNAMIC_FRAME = "dynamic frame"
    """alloca, or an array of variable length."""
    CALLBACK = "callback into Go"
    """Go code may call C again, on the same stack."""
    LIBRARY = "unknown library"
    """A function of a library that is not on this system."""
    STACK_SWITCH = "stack switch"
    """The stack pointer is set to a value that can't be followed (coroutines, hand-written assembly)."""
    UNREADABLE = "unreadable code"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A place that leaves the stack without a bound."""

    cause: Cause
    function: Function
    address: int
    """The instruction, as linked."""
    symbol: str | None = None
    """What is called, where that has a name."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A call of one known function by another."""

    callee: Function
    depth: int
    """Bytes from the caller's CFA to the callee's."""


@dataclass(frozen=True, slots=True)
class Node:
    """A function, with its frame and its calls."""

    function: Function
    size: int
    """Bytes from its CFA to the deepest byte that it uses itself, or that a call it makes pushes."""
    edges: tuple[Edge, ...]
    unknowns: tuple[Unknown, ...]
    lazy: bool
    """Whether a call of its runs the dynamic linker the first time."""
    deadly: bool
    """Whether it calls a function that ends the program."""
    assumed: bool = False
    """Whether the size was given, and nothing is known of its calls."""


def call_graph(
    program: Program, entries: Iterable[Function], assume: Mapping[str, int]
) -> dict[Function, Node]:
    """Every function that the `entries` may reach, they included; of those in `assume` the size is taken as given."""
    graph: dict[Function, Node] = {}
    waiting = list(entries)
    while waiting:
        function = waiting.pop()
        if function not in graph:
            given = assume.get(function.name)
            node = graph[function] = (
                _node(program, function)
                if given is None
                else Node(function, given, (), (), lazy=False, deadly=False, assumed=True)
            )
            waiting += (edge.callee for edge in node.edges)
    return graph


def _node(program: Program, function: Function) -> Node:
    module = function.module
    frame = module.frame(function.address)
    unknowns = list(_own_unknowns(function, frame))
    edges: list[Edge] = []
    size, lazy, deadly = frame.size, False, False
    for site in frame.calls:
        reached = program.reached(module, site)
        lazy = lazy or reached.lazy
        if _is_deadly(reached):
            deadly = True
            continue
        if unknown := _unknown(function, site, reached):
            unknowns.append(unknown)
            size = max(size, site.depth + module.architecture.entry)
        else:
            edges += (Edge(callee, site.depth) for callee in reached.functions)
    return Node(function, size, tuple(edges), tuple(unknowns), lazy, deadly)


def _is_deadly(reached: Reached) -> bool:
    names = {function.name for function in reached.functions} | {reached.symbol}
    return not names.isdisjoint(ENDS_THE_PROGRAM)


def _own_unknowns(function: Function, frame: FunctionFrame) -> Iterator[Unknown]:
    for cause, address in (
        (Cause.DYNAMIC_FRAME, frame.dynamic),
        (Cause.STACK_SWITCH, frame.switches),
        (Cause.UNREADABLE, frame.incomplete),
    ):
        if address is not None:
            yield Unknown(cause, function, address)


def _unknown(function: Function, site: CallSite, reached: Reached) -> Unknown | None:
    if reached.miss:
        cause = Cause.LIBRARY if reached.miss is Miss.LIBRARY else Cause.INDIRECT_CALL
        return Unknown(cause, function, site.address, reached.symbol)
    for callee in reached.functions:
        if callee.module.is_go(callee):
            return Unknown(Cause.CALLBACK, function, site.address, callee.name)
    return None
