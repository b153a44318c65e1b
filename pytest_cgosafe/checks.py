"""Holds what was measured against what is allowed."""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.crash.folding import describe_chain
from pytest_cgosafe.crash.goroutinestacks import describe_goroutine_stack
from pytest_cgosafe.crossings.render import render_crossing
from pytest_cgosafe.crossings.rules import is_forbidden
from pytest_cgosafe.options import platform_of
from pytest_cgosafe.sizes import format_share, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_cgosafe.options import Limits
    from pytest_cgosafe.results import Crossing, RunResult, ThreadStack

_WIDTH: Final = 78  # columns of a detail, which is indented by two


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that is not allowed, and was found."""

    summary: str
    """One line: what was measured, what is allowed, and where."""
    details: tuple[str, ...] = ()
    """Lines that say more, and how to see more still."""


def check(
    limits: Limits, runs: Iterable[RunResult], crossings: Iterable[Crossing]
) -> tuple[Breach, ...]:
    """Every breach of `limits` in `runs` and in the static `crossings`.

    A limit that somebody asked for and that could not be measured is a breach too: nothing passes unseen. A default
    that could not be measured is none; the run's notes tell.
    """
    breaches: list[Breach] = []
    found = list(crossings)
    for run in runs:
        breaches += _check_thread_stacks(limits, run)
        breaches += _check_goroutine_stacks(limits, run)
        breaches += _check_trace(limits, run)
        found += run.crossings
    for crossing in dict.fromkeys(found):
        if is_forbidden(crossing, limits.forbid):
            summary, *details = render_crossing(crossing)
            breaches.append(Breach(summary, tuple(line.removeprefix("  ") for line in details)))
    return tuple(breaches)


def _check_trace(limits: Limits, run: RunResult) -> Iterator[Breach]:
    asked = limits.trace_crossings and "trace_crossings" in limits.asked
    if asked and run.trace and run.trace.missing:
        yield Breach(
            "crossings: trace_crossings could not be done", (*run.trace.missing, *run.notes)
        )


def _check_thread_stacks(limits: Limits, run: RunResult) -> Iterator[Breach]:
    see = f"see every thread: {_command(run)}"
    if not any(stack.peak is not None for stack in run.stacks):
        asked = sorted(limits.asked & {"min_headroom", "max_c_stack", "stack_limit"})
        if asked:
            yield Breach(f"stack: {' and '.join(asked)} could not be checked", (*run.notes, see))
        return
    too_low = [
        (room, stack) for stack in run.stacks if (room := _headroom(limits, stack)) is not None
    ]
    too_low = [(room, stack) for room, stack in too_low if room < limits.min_headroom]
    if too_low:
        room, stack = min(too_low, key=lambda pair: pair[0])
        yield Breach(
            f"stack: {_thread(stack)} kept {format_share(room)} headroom, {_wanted(limits.min_headroom)} wanted",
            (
                *(
                    _elsewhere(stack, limits.stack_limit)
                    if limits.stack_limit
                    else [_measured(stack)]
                ),
                *_made_by(stack),
                *_as_well(len(too_low) - 1),
                see,
            ),
        )
    too_big = [
        stack
        for stack in run.stacks
        if limits.max_c_stack is not None and (stack.peak or 0) > limits.max_c_stack
    ]
    if too_big:
        stack = max(too_big, key=lambda stack: stack.peak or 0)
        peak, wanted = _apart(stack.peak or 0, limits.max_c_stack or 0)
        yield Breach(
            f"stack: {_thread(stack)} peaked at {peak}, at most {wanted} wanted",
            (
                _measured(stack),
                *_made_by(stack),
                *_as_well(len(too_big) - 1),
                see,
            ),
        )


def _check_goroutine_stacks(limits: Limits, run: RunResult) -> Iterator[Breach]:
    if limits.max_goroutine_stack is None:
        return
    if run.goroutines is None:
        yield Breach(
            "stack: max_goroutine_stack could not be checked",
            ("goroutine stacks were not measured", *run.notes),
        )
    elif run.goroutines.peak_stack > limits.max_goroutine_stack:
        peak, wanted = _apart(run.goroutines.peak_stack, limits.max_goroutine_stack)
        largest = run.goroutines.largest
        whose = tuple(describe_goroutine_stack(largest)) if largest else ()
        yield Breach(f"stack: a goroutine stack grew to {peak}, at most {wanted} wanted", whose)


def _headroom(limits: Limits, stack: ThreadStack) -> float | None:
    """Against another platform's limit every thread counts, the main one too: any of them may run a call into C."""
    if limits.stack_limit is None:
        return stack.headroom
    judged = _judged(stack)
    return None if judged is None else max(0.0, 1 - judged / limits.stack_limit)


def _judged(stack: ThreadStack) -> int | None:
    """The bytes of `stack` that a thread elsewhere would need: without the main thread's arguments and environment."""
    return stack.used if stack.main and stack.used is not None else stack.peak


def _apart(peak: int, wanted: int) -> tuple[str, str]:
    """Both sizes as text, to the byte where rounding would make them look the same."""
    texts = format_size(peak), format_size(wanted)
    return texts if texts[0] != texts[1] else (f"{peak:,} B", f"{wanted:,} B")


def _wanted(share: float) -> str:
    return f"{share * 100:g}%"


def _thread(stack: ThreadStack) -> str:
    return f"thread {stack.tid} ({'main' if stack.main else stack.name})"


def _measured(stack: ThreadStack) -> str:
    of = f" of {stack.limit:,} bytes" if stack.limit else ""
    return f"peak {stack.peak:,}{of}{f'; {stack.note}' if stack.note else ''}"


def _elsewhere(stack: ThreadStack, stack_limit: int) -> Iterator[str]:
    """What the measured stack would do within the `stack_limit` of another platform."""
    judged = _judged(stack) or 0
    note = f"; {stack.note}" if stack.note else ""
    yield f"peak {judged:,} of {stack_limit:,} bytes, the stack_limit{note}"
    threads = f"{format_size(stack_limit)} threads"
    platform = platform_of(stack_limit)
    if judged > stack_limit:
        yield f"passes here, would overflow {f'the {threads} of {platform}' if platform else threads}"
    elif platform:
        yield f"that is the size of threads on {platform}"
    if stack.main and stack.used is not None:
        yield "the main thread's arguments and environment are left out: a thread has none"


def _made_by(stack: ThreadStack) -> tuple[str, ...]:
    """The chain of calls that made the peak, where it is known, in lines of a report."""
    sentences = describe_chain(stack.chain) if stack.chain else ()
    return tuple(
        line
        for sentence in sentences
        for line in textwrap.wrap(sentence, _WIDTH, subsequent_indent="  ")
    )


def _as_well(others: int) -> tuple[str, ...]:
    return (f"and {others} other thread{'s' if others > 1 else ''} likewise",) if others else ()


def _command(run: RunResult) -> str:
    """The command that shows a run's stacks once more."""
    profile = [f"--profile={run.binary.profile}"] if run.binary.profile else []
    if run.binary.is_test:
        return shlex.join(["cgosafe", "test", *profile, str(run.binary.directory)])
    args = ["--", *run.args] if run.args else []
    target = str(run.binary.directory) if run.binary.profile else str(run.binary.path)
    return shlex.join(["cgosafe", "run", *profile, target, *args])
