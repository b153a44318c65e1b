"""The deepest that calls from one function can go, in bytes, over everything that it may reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_cgosafe.binary.callgraph import Edge, Node, Unknown
    from pytest_cgosafe.binary.linking import Function


@dataclass(frozen=True, slots=True)
class Cycle:
    """Functions that call each other in a ring; the last one calls the first."""

    functions: tuple[Function, ...]
    size: int
    """Bytes that one round takes."""


@dataclass(frozen=True, slots=True)
class Worst:
    """The worst case of a function, as far as it is known."""

    size: int
    """Bytes from its CFA down; the bound, where nothing reached is without one, else what is known to be possible."""
    next: Edge | None
    """The call that makes it; None where its own frame does."""


class Depths:
    """The worst cases of all functions of a call graph."""

    def __init__(self, graph: Mapping[Function, Node]) -> None:
        self._graph = graph
        self._worst: dict[Function, Worst] = {}
        self._cycles: dict[Function, Cycle] = {}
        for component in _components(graph):
            self._solve(component)

    def _solve(self, component: frozenset[Function]) -> None:
        """Of a recursion, the calls that leave it count; those within it have no bound."""
        inward = False
        for function in component:
            node = self._graph[function]
            worst = Worst(node.size, None)
            for edge in node.edges:
                if edge.callee in component:
                    inward = inward or edge.depth > 0
                elif (size := edge.depth + self._worst[edge.callee].size) >= worst.size:
                    worst = Worst(size, edge)
            self._worst[function] = worst
        if inward:
            cycle = self._cycle(component)
            self._cycles.update(dict.fromkeys(component, cycle))
        elif len(component) > 1:  # tail calls: a loop, which takes no more than its hungriest part
            hungriest = max((self._worst[function] for function in component), key=lambda w: w.size)
            self._worst.update(dict.fromkeys(component, hungriest))

    def node(self, function: Function) -> Node:
        """`function` with its frame and its calls."""
        return self._graph[function]

    def worst(self, function: Function) -> Worst:
        """The worst case of `function`."""
        return self._worst[function]

    def chain(self, function: Function) -> Iterator[tuple[Function, int]]:
        """The calls that make the worst case of `function`, outermost first, each with the bytes that it takes."""
        while edge := self._worst[function].next:
            yield function, edge.depth
            function = edge.callee
        yield function, self._worst[function].size

    def reachable(self, function: Function) -> dict[Function, None]:
        """Every function that `function` may reach, nearest first, itself included."""
        found = {function: None}
        queue = [function]
        for caller in queue:
            for edge in self._graph[caller].edges:
                if edge.callee not in found:
                    found[edge.callee] = None
                    queue.append(edge.callee)
        return found

    def cycles(self, function: Function) -> tuple[Cycle, ...]:
        """Every recursion that `function` may reach, nearest first."""
        found = (self._cycles.get(reached) for reached in self.reachable(function))
        return tuple(dict.fromkeys(cycle for cycle in found if cycle))

    def unknowns(self, function: Function) -> tuple[Unknown, ...]:
        """Everything else that leaves `function` without a bound, nearest first."""
        return tuple(
            unknown
            for reached in self.reachable(function)
            for unknown in self._graph[reached].unknowns
        )

    def _cycle(self, component: frozenset[Function]) -> Cycle:
        """The shortest ring through the call within a recursion that takes the most stack."""
        caller, first = max(
            (
                (function, edge)
                for function in component
                for edge in self._graph[function].edges
                if edge.callee in component
            ),
            key=lambda call: (call[1].depth, -call[0].address),
        )
        came: dict[Function, tuple[Function, int]] = {}
        queue = [first.callee]
        for function in queue:
            if function is caller:
                break
            for edge in self._graph[function].edges:
                if edge.callee in component and edge.callee not in {*came, first.callee}:
                    came[edge.callee] = function, edge.depth
                    queue.append(edge.callee)
        ring, size = [caller], first.depth
        while ring[-1] is not first.callee:
            before, depth = came[ring[-1]]
            ring.append(before)
            size += depth
        return Cycle(tuple(reversed(ring)), size)


def _components(graph: Mapping[Function, Node]) -> Iterator[frozenset[Function]]:
    """The strongly connected components, callees before callers (Tarjan's algorithm, without recursion)."""
    index: dict[Function, int] = {}
    low: dict[Function, int] = {}
    open_: dict[Function, None] = {}
    for root in graph:
        if root in index:
            continue
        path = [(root, iter(graph[root].edges))]
        index[root] = low[root] = len(index)
        open_[root] = None
        while path:
            function, edges = path[-1]
            edge = next(edges, None)
            if edge is None:
                path.pop()
                if path:
                    caller = path[-1][0]
                    low[caller] = min(low[caller], low[function])
                if low[function] == index[function]:
                    yield frozenset(_close(open_, function))
            elif edge.callee not in index:
                index[edge.callee] = low[edge.callee] = len(index)
                open_[edge.callee] = None
                path.append((edge.callee, iter(graph[edge.callee].edges)))
            elif edge.callee in open_:
                low[function] = min(low[function], index[edge.callee])


def _close(open_: dict[Function, None], root: Function) -> Iterator[Function]:
    while True:
        function, _ = open_.popitem()
        yield function
        if function is root:
            return
