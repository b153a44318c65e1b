"""The report as text for a terminal of 80 columns: a run, what breaches a limit, what programs printed."""

from __future__ import annotations

import shlex
import textwrap
from typing import TYPE_CHECKING

from pytest_cgosafe.crash.folding import describe_chain
from pytest_cgosafe.crash.goroutinestacks import describe_goroutine_stacks
from pytest_cgosafe.outcome import describe_end, render_result
from pytest_cgosafe.sizes import format_share, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_cgosafe.checks import Breach
    from pytest_cgosafe.results import RunResult, ThreadStack, TraceSummary

_OUTPUT_LINES = 50
"""Lines of a program's output that a failing test shows."""


def render_breaches(breaches: Iterable[Breach]) -> Iterator[str]:
    """Each breach: its line, then its details."""
    for number, breach in enumerate(breaches):
        if number:
            yield ""
        yield breach.summary
        for detail in breach.details:
            yield f"  {detail}"


def render_output(runs: Iterable[RunResult]) -> Iterator[tuple[str, str]]:
    """A title and a text for whatever each run printed, cut to its last lines."""
    for run in runs:
        for stream, text in (("stdout", run.stdout), ("stderr", run.stderr)):
            lines = printable(text).splitlines()
            if lines:
                cut = (
                    [f"... {len(lines) - _OUTPUT_LINES:,} lines above"]
                    if len(lines) > _OUTPUT_LINES
                    else []
                )
                yield f"{stream} of {describe_run(run)}", "\n".join([*cut, *lines[-_OUTPUT_LINES:]])


def printable(text: str) -> str:
    """`text` as any terminal and log takes it: bytes that are not UTF-8 become ``\\xff``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def describe_run(run: RunResult) -> str:
    """The command that was run, in short."""
    what = "go test " if run.binary.is_test else ""
    return what + shlex.join([run.binary.package, *(() if run.binary.is_test else run.args)])


def render_run(run: RunResult, *, colour: bool, full: bool, more: str) -> Iterator[str]:
    """A whole run: how it ended, every thread stack, and the crash, the hang and the crossings where there are any."""
    after = f" after {run.duration:.2f} s" if run.duration is not None else ""
    ending = "the program crashed" if run.crash else describe_end(run)
    yield f"{describe_run(run)}: {ending}{after}"
    if run.stacks:
        yield f"  {'thread':>9}  {'name':<15}  {'C stack peak':>12}  {'limit':>10}  {'headroom':>8}"
        deepest = max(run.stacks, key=lambda stack: stack.peak or 0)
        for stack in sorted(run.stacks, key=lambda stack: (not stack.main, -(stack.peak or 0))):
            yield from _stack_rows(stack)
            if stack is deepest and stack.chain:
                for line in describe_chain(stack.chain):
                    yield from textwrap.wrap(
                        line, 80, initial_indent=" " * 13, subsequent_indent=" " * 15
                    )
    if run.goroutines:
        first, *rest = describe_goroutine_stacks(run.goroutines)
        yield f"  {first}"
        for line in rest:
            yield from textwrap.wrap(line, 80, initial_indent=" " * 13, subsequent_indent=" " * 15)
    if run.trace:
        yield from textwrap.wrap(
            describe_trace(run.trace), 80, initial_indent="  ", subsequent_indent="    "
        )
    for note in (*run.notes, *((*run.trace.missing, *run.trace.notes) if run.trace else ())):
        yield from textwrap.wrap(f"note: {note}", 80, initial_indent="  ", subsequent_indent="    ")
    details = list(render_result(run, full=full, colour=colour, more=more))
    if details:
        yield ""
        yield from details


def describe_trace(trace: TraceSummary) -> str:
    """What the trace of crossings looked at, in a line."""
    calls = sum(function.calls for function in trace.functions)
    looked = f"trace: {calls:,} calls of C functions were looked at"
    let_go = ", ".join(function.name for function in trace.functions if function.let_go)
    return f"{looked}; not the later ones of {let_go}" if let_go else looked


def _stack_rows(stack: ThreadStack) -> Iterator[str]:
    peak = "?" if stack.peak is None else format_size(stack.peak)
    limit = "?" if stack.limit is None else format_size(stack.limit)
    headroom = "?" if stack.headroom is None else format_share(stack.headroom)
    name = f"{stack.name[:15]}{' (main)' if stack.main and len(stack.name) < 9 else ''}"
    yield f"  {stack.tid:>9}  {name:<15}  {peak:>12}  {limit:>10}  {headroom:>8}"
    if stack.note:
        yield from textwrap.wrap(
            stack.note, 80, initial_indent=" " * 13, subsequent_indent=" " * 13
        )
