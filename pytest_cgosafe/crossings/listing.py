"""An inventory as text: by file and function, a line for each place where Go and C meet."""

from __future__ import annotations

import textwrap
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_cgosafe.crash.text import printable
from pytest_cgosafe.crossings.inventory import (
    Allocation,
    CCall,
    Copy,
    Direction,
    Export,
    Fate,
    FunctionPointer,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.crossings.inventory import CrossingType, Entry, Inventory

_WIDTH = 80
_MARGIN = 10  # columns of line number and indent
_COPIES = {Direction.TO_C: "copies to C", Direction.TO_GO: "copies to Go"}


def render_inventory(inventory: Inventory) -> Iterator[str]:
    """The entries by file and Go function, and last how many there are of each kind."""
    for file, in_file in groupby(inventory.entries(), lambda entry: entry.file):
        yield _shown(file)
        for caller, in_caller in groupby(in_file, lambda entry: entry.caller):
            yield f"  {printable(caller)}"
            for line, on_line in groupby(in_caller, lambda entry: entry.line):
                yield from _line(line, list(on_line))
        yield ""
    yield from textwrap.wrap(", ".join(_counts(inventory)), _WIDTH)


def _line(number: int, entries: list[Entry]) -> Iterator[str]:
    """What happens on one line; what becomes of memory stands beside the call that allocated it."""
    fates = [entry for entry in entries if isinstance(entry, Allocation)]
    for entry in entries:
        if isinstance(entry, Allocation):
            continue
        text = _told(entry)
        for fate in [fate for fate in fates if fate.function == entry.function][:1]:
            text += f"; {_fate(fate)}"
            fates.remove(fate)
        yield from _wrapped(number, text)
    for fate in fates:
        yield from _wrapped(number, f"memory of {fate.function}; {_fate(fate)}")


def _told(entry: Entry) -> str:
    match entry:
        case CCall():
            return f"C.{entry.function}({_types(entry.arguments)}){_results(entry.results)}"
        case Export():
            return (
                f"C may call {entry.function}({_types(entry.arguments)}){_results(entry.results)}"
            )
        case FunctionPointer(given_to=None):
            return f"the address of {entry.function}"
        case FunctionPointer():
            return f"the address of {entry.function}, given to C.{entry.given_to}"
        case Copy():
            return f"C.{entry.function} {_COPIES[entry.direction]}"
    return entry.function


def _types(values: tuple[CrossingType, ...]) -> str:
    """C's types, with Go's own before them where a conversion stands between."""
    return ", ".join(
        value.c if value.go == value.c else f"{value.go} as {value.c}" for value in values
    )


def _results(values: tuple[CrossingType, ...]) -> str:
    types = _types(values)
    return f" ({types})" if len(values) > 1 else f" {types}".rstrip()


def _fate(allocation: Allocation) -> str:
    match allocation.fate:
        case Fate.FREED:
            return "freed on every path"
        case Fate.LEAKED:
            lines = allocation.leaking_lines
            returns = [f"at the return in line {line}" for line in lines[:1]]
            returns += [f"line {line}" for line in lines[1:]]
            notes = [allocation.note] if allocation.note else []
            return f"LEAKED {', '.join([*returns, *notes])}"
        case Fate.ESCAPES:
            return f"escapes: {allocation.note}"
        case Fate.UNDECIDED:
            return f"undecided: {allocation.note}"


def _counts(inventory: Inventory) -> Iterator[str]:
    functions = len({call.function for call in inventory.calls})
    yield f"{_number(len(inventory.calls), 'call')} of {_number(functions, 'C function')}"
    yield f"{_number(len(inventory.exports), 'function')} that C may call"
    yield f"{len(inventory.copies)} {'copy' if len(inventory.copies) == 1 else 'copies'}"
    fates = Counter(allocation.fate for allocation in inventory.allocations)
    told = ", ".join(f"{fates[fate]} {fate}" for fate in Fate if fates[fate])
    yield _number(len(inventory.allocations), "allocation") + (f" ({told})" if told else "")


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _wrapped(number: int, text: str) -> Iterator[str]:
    yield from textwrap.wrap(
        printable(text),
        _WIDTH,
        initial_indent=f"{number:>{_MARGIN - 2}}  ",
        subsequent_indent=" " * (_MARGIN + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _shown(file: str) -> str:
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file
