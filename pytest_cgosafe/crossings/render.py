"""A crossing as text."""

from __future__ import annotations

import linecache
import textwrap
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_cgosafe.crash.text import columns, cut, pad, printable
from pytest_cgosafe.crossings.rules import is_about_checks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_cgosafe.results import Crossing, FlowStep

_WIDTH = 80


def render_crossing(crossing: Crossing) -> Iterator[str]:
    """One line that says what reaches C, then its way there with the source, why it is unsafe and what mends it."""
    yield from _heading(crossing)
    if crossing.flow:
        yield from _flow(crossing.flow)
    elif crossing.file:
        yield f"  {_shown(crossing.file)}:{crossing.line}"
    if crossing.rule is None:
        yield from _wrapped(crossing.message)
    yield from _wrapped(f"fix: {crossing.fix}")


def _heading(crossing: Crossing) -> Iterator[str]:
    """What it is, with the tag at the end of the first line, where people look for it."""
    to = f"C function `{crossing.c_function}`" if crossing.c_function else "C"
    what = crossing.message if crossing.rule else f"a Go {crossing.kind} reaches {to}"
    tag = f"[{crossing.kind}, {crossing.rule or crossing.origin}]"
    if is_about_checks(crossing.rule):
        tag = f"[{crossing.rule}]"
    room = _WIDTH - 2 - len(tag)
    first, *rest = textwrap.wrap(printable(f"crossing: {what}"), room, break_long_words=False)
    yield f"{first:<{room}}  {tag}"
    for line in rest:
        yield f"    {line}"


def _flow(flow: tuple[FlowStep, ...]) -> Iterator[str]:
    """Each source line on the way once, with what happens there: in columns where they are wide enough, else below."""
    rows = [
        (
            f"{_shown(file)}:{line}",
            _source(file, line),
            _notes(steps),
        )
        for (file, line), steps in groupby(flow, lambda step: (step.file, step.line))
    ]
    places, sources = (max(columns(row[column]) for row in rows) for column in (0, 1))
    table = [
        f"  {pad(place, places)}  {pad(source, sources)}  {note}".rstrip()
        for place, source, note in rows
    ]
    if max(map(columns, table)) <= _WIDTH:
        yield from table
        return
    for place, source, note in rows:
        yield from _wrapped(f"{place}  {note}")
        if source:
            yield f"      {cut(source, _WIDTH - 6)}"


def _notes(steps: Iterable[FlowStep]) -> str:
    """What happens on one line, in order."""
    notes = dict.fromkeys(printable(step.note) for step in steps if step.note)
    return f"<- {', '.join(notes)}" if notes else ""


def _source(file: str, line: int) -> str:
    return printable(linecache.getline(file, line).strip().expandtabs(4))


def _shown(file: str) -> str:
    """As someone who stands in the working directory would name it, where it lies below."""
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file


def _wrapped(text: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text, _WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False
    )
