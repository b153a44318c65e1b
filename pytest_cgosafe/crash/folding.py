"""Chains of calls: recursion told once, with a count; and the chain as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.results import Call

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_cgosafe.binary.trail import Frame
    from pytest_cgosafe.results import CallChain

_LONGEST_CYCLE: Final = 8
_FEWEST_LEVELS: Final = 3


_MOST_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class _Row:
    """A function's frames in a row."""

    name: str
    count: int
    sizes: frozenset[int]


def fold(frames: Iterable[Frame]) -> tuple[Call, ...]:
    """One call for each run of a function's frames, and for each run of functions that call each other in turn."""
    rows = _rows(frames)
    calls: list[Call] = []
    at = 0
    while at < len(rows):
        cycle, levels = _cycle(rows, at)
        if levels >= _FEWEST_LEVELS:
            calls.append(_level(rows[at : at + cycle * levels], cycle, levels))
        else:
            cycle, levels = 1, 1
            row = rows[at]
            calls.append(Call(row.name, row.count, _only(row.sizes)))
        at += cycle * levels
    return tuple(calls)


def describe_chain(chain: CallChain) -> Iterator[str]:
    """A sentence that names the calls which made a peak, innermost first, and one about what is not sure of it."""
    calls = []
    for library, group in groupby(chain.calls, _library):
        described = [_describe(call) for call in group]
        alike = library and len(described) > 1
        calls += [f"{len(described)} functions of {library}"] if alike else described
    if len(calls) > _MOST_SHOWN:
        calls[_MOST_SHOWN - 2 : -1] = [f"... {len(calls) - _MOST_SHOWN + 1} more"]
    yield f"peak made by {' <- '.join(calls)}"
    if chain.doubt:
        yield f"not sure: {chain.doubt}"


def _library(call: Call) -> str:
    """The file of a function that has no name."""
    found = re.fullmatch(r"(.+)\+0x[0-9a-f]+", call.function)
    return found[1] if found else ""


def _describe(call: Call) -> str:
    if call.count == 1:
        return call.function
    name = f"({call.function})" if " <- " in call.function else call.function
    each = f" ({call.size:,} B each)" if call.size else ""
    return f"{name} x {call.count:,}{each}"


def _rows(frames: Iterable[Frame]) -> list[_Row]:
    rows: list[_Row] = []
    for number, frame in enumerate(frames):
        # How much of its frame the innermost function used says nothing about its other calls.
        sizes = frozenset((frame.size,) if frame.size else ())
        if rows and rows[-1].name == frame.name:
            known = rows.pop()
            kept = frozenset() if number == 1 and known.count == 1 else known.sizes
            rows.append(_Row(known.name, known.count + frame.count, kept | sizes))
        else:
            rows.append(_Row(frame.name or "?", frame.count, sizes))
    return rows


def _cycle(rows: Sequence[_Row], at: int) -> tuple[int, int]:
    """The shortest cycle of several functions that begins at `at`, and how many times it is there in a row."""
    for length in range(2, min(_LONGEST_CYCLE, (len(rows) - at) // _FEWEST_LEVELS) + 1):
        same = at + length
        while same < len(rows) and _alike(rows[same], rows[same - length]):
            same += 1
        levels = (same - at) // length
        if levels >= _FEWEST_LEVELS:
            return length, levels
    return 1, 1


def _alike(one: _Row, other: _Row) -> bool:
    return (one.name, one.count) == (other.name, other.count)


def _level(rows: Sequence[_Row], cycle: int, levels: int) -> Call:
    """One call that stands for all levels of a cycle."""
    # The innermost level is not whole.
    sizes = {
        sum(size * row.count for row in rows[at : at + cycle] for size in row.sizes)
        for at in range(cycle, len(rows), cycle)
        if all(len(row.sizes) == 1 for row in rows[at : at + cycle])
    }
    name = " <- ".join(row.name for row in rows[:cycle])
    return Call(name, levels, _only(frozenset(sizes)))


def _only(sizes: frozenset[int]) -> int | None:
    return next(iter(sizes)) if len(sizes) == 1 else None
