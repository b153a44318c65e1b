"""What was seen of goroutine stacks, with functions for addresses, and as text."""

from __future__ import annotations

from itertools import dropwhile, groupby
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_cgosafe.crash.gofunctions import place_of
from pytest_cgosafe.results import CreatedBy, GoroutineStack, GoroutineStacks
from pytest_cgosafe.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.results import Place
    from pytest_cgosafe.watch.population import Seen

_MOST_CALLS = 4


def name_goroutine_stacks(seen: Seen, *, looks: int, exact: bool) -> GoroutineStacks:
    """The goroutine stacks of a run that was seen so; `exact` is whether every growth was."""
    return GoroutineStacks(
        peak_count=seen.most,
        peak_stack=seen.largest.size,
        limit=seen.limit,
        most_count=seen.listed,
        largest=_stack(seen),
        exact=exact,
        looks=looks,
    )


def _stack(seen: Seen) -> GoroutineStack:
    goroutine, path, bias = seen.largest, seen.image.path, seen.image.bias

    def place(address: int, *, returns: bool = False) -> Place | None:
        return place_of(path, address - bias, returns=returns) if address else None

    creator = place(goroutine.gopc, returns=True)
    by = (
        CreatedBy(creator.function, creator.file, creator.line, goroutine.parent or None)
        if creator and not creator.function.startswith("runtime.")
        else None
    )
    innermost, outer = goroutine.calls[:1], goroutine.calls[1:]
    calls = (*(place(pc) for pc in innermost), *(place(pc, returns=True) for pc in outer))
    return GoroutineStack(
        goroutine.id,
        goroutine.size,
        goroutine.used,
        place(goroutine.startpc),
        by,
        _of_user([call for call in calls if call]),
    )


def _of_user(calls: list[Place]) -> tuple[Place, ...]:
    """The calls without those of the runtime that end them, such as an allocation; all where there is nothing else.

    Of a function that calls itself, the innermost.
    """
    user = list(dropwhile(lambda call: call.function.startswith("runtime."), calls))
    folded = [next(level) for _, level in groupby(user or calls, key=lambda call: call.function)]
    return tuple(folded[:_MOST_CALLS])


def describe_goroutine_stacks(stacks: GoroutineStacks) -> Iterator[str]:
    """What is known, line by line: the most at once, the largest stack, whose that was, and how that is known."""
    largest = stacks.largest
    used = f", {format_size(largest.used)} of it in use" if largest and largest.used else ""
    yield (
        f"goroutines: {stacks.peak_count:,} at once; "
        f"largest stack {format_size(stacks.peak_stack)}{used}"
    )
    if largest:
        yield from describe_goroutine_stack(largest)
    if not stacks.exact:
        times = "once, at the end" if stacks.looks == 1 else f"{stacks.looks:,} times"
        yield f"looked at {times}: a stack that was larger in between is not seen"


def describe_goroutine_stack(stack: GoroutineStack) -> Iterator[str]:
    """Whose stack it is, and what made it grow."""
    function = f" ({stack.function.function})" if stack.function else ""
    by = stack.created_by
    created = f", created by {by.function} at {_at(by.file, by.line)}" if by else ""
    yield f"goroutine {stack.goroutine}{function}{created}"
    if stack.grown_by:
        chain = " <- ".join(place.function for place in stack.grown_by)
        yield f"grown by {chain} at {_at(stack.grown_by[0].file, stack.grown_by[0].line)}"


def _at(file: str | None, line: int | None) -> str:
    return f"{Path(file).name if file else '?'}:{line or '?'}"
