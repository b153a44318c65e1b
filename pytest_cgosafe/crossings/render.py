"""A crossing as text."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.results import Crossing

_WIDTH = 80


def render_crossing(crossing: Crossing) -> Iterator[str]:
    """One line that says what reaches C, then where, why it is unsafe and what mends it."""
    to = f"C function `{crossing.c_function}`" if crossing.c_function else "C"
    summary = f"crossing: a Go {crossing.kind} reaches {to}"
    tag = f"[{crossing.kind}, {crossing.origin}]"
    yield f"{summary:<{_WIDTH - 2 - len(tag)}}  {tag}"
    for step in crossing.flow:
        yield f"  {step.file}:{step.line}  {step.note}"
    if crossing.file and not crossing.flow:
        yield f"  {crossing.file}:{crossing.line}"
    for text in (crossing.message, f"fix: {crossing.fix}"):
        yield from textwrap.wrap(
            text, _WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False
        )
