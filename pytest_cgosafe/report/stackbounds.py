"""Static stack bounds as text for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_cgosafe.binary.stackreport import StackBound, StackReport, Unbounded
    from pytest_cgosafe.bounds import Comparison
    from pytest_cgosafe.results import Call

_WIDTH: Final = 80
_TOGETHER: Final = "\N{NO-BREAK SPACE}"  # between a function and its bytes
_MOST_REASONS, _MOST_CALLS = 3, 8


def render_bounds(
    report: StackReport, measured: Sequence[Comparison], *, full: bool
) -> Iterator[str]:
    """Every entry with its bound, or with what it has none for; and what was measured beside it."""
    yield f"C stack of {report.path.name} by its code, in bytes from each entry on"
    yield f"{'measured':>10}  {'bound':>10}  entry"
    for bound in report.bounds:
        peaks = [comparison for comparison in measured if comparison.bound is bound]
        yield from _row(bound, max(peaks, key=lambda peak: peak.measured, default=None))
        for line in _details(bound, full=full):
            for part in textwrap.wrap(
                line,
                _WIDTH,
                initial_indent=" " * 24,
                subsequent_indent=" " * 26,
                break_on_hyphens=False,
            ):
                yield part.replace(_TOGETHER, " ")
    shared = dict.fromkeys(note for bound in report.bounds for note in bound.notes)
    for note in (*shared, *report.notes):
        yield from textwrap.wrap(f"note: {note}", _WIDTH, subsequent_indent="  ")


def render_defects(measured: Sequence[Comparison]) -> Iterator[str]:
    """Each peak above its bound."""
    for peak in measured:
        if peak.is_above:
            yield from textwrap.wrap(
                f"defect: thread {peak.tid} used {peak.measured:,} B from {peak.bound.entry} on, above the bound"
                f" of {peak.bound.bound:,} B: one of the two is wrong; please report it with the program",
                _WIDTH,
                subsequent_indent="  ",
            )


def _row(bound: StackBound, peak: Comparison | None) -> Iterator[str]:
    number = "none" if bound.bound is None else f"{bound.bound:,}"
    seen = f"{peak.measured:,}" if peak else "-"
    unsure = f"  (not sure: {peak.doubt})" if peak and peak.doubt else ""
    yield f"{seen:>10}  {number:>10}  {bound.entry}{unsure}"


def _details(bound: StackBound, *, full: bool) -> Iterator[str]:
    calls = list(bound.chain)
    if len(calls) > _MOST_CALLS and not full:
        skipped = f"... {len(calls) - _MOST_CALLS} more"
        words = [*map(_call, calls[: _MOST_CALLS - 2]), skipped, *map(_call, calls[-2:])]
    else:
        words = [_call(call) for call in calls]
    least = f"as far as is known {bound.known:,}: " if bound.unbounded else ""
    if len(calls) > 1 or bound.unbounded:
        yield least + " <- ".join(words)
    shown = bound.unbounded if full else bound.unbounded[:_MOST_REASONS]
    yield from map(_reason, shown)
    if more := len(bound.unbounded) - len(shown):
        yield f"and {more} more (--full shows them)"


def _call(call: Call) -> str:
    return f"{call.function}{_TOGETHER}{call.size:,}"


def _reason(reason: Unbounded) -> str:
    where = f", {reason.file.rpartition('/')[2]}:{reason.line}" if reason.file else ""
    return f"{reason.detail}{where}"
