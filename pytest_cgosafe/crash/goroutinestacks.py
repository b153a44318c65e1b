"""What was seen of goroutine stacks, with functions for addresses."""

from __future__ import annotations

from itertools import dropwhile
from typing import TYPE_CHECKING

from pytest_cgosafe.crash.gofunctions import place_of
from pytest_cgosafe.results import CreatedBy, GoroutineStack, GoroutineStacks

if TYPE_CHECKING:
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
    """The calls without those of the runtime that end them, such as an allocation; all where there is nothing else."""
    user = list(dropwhile(lambda call: call.function.startswith("runtime."), calls))
    return tuple((user or calls)[:_MOST_CALLS])
