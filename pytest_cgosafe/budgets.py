"""Stack budgets: what a test's programs used of their stacks, and whether that has grown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.binary.makers import read_makers
from pytest_cgosafe.checks import Breach
from pytest_cgosafe.crash.folding import describe_chain
from pytest_cgosafe.sizes import format_size, parse_share, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_cgosafe.results import Call, CallChain, RunResult, ThreadStack

_PAGE: Final = 4096
_FUNCTIONS_SHOWN: Final = 3
_WORTH_TELLING: Final = 64  # bytes by which a function grew


@dataclass(frozen=True, slots=True, order=True)
class Conditions:
    """What budgets were measured with. Those of one are not compared with those of another."""

    go: str
    cc: str
    libc: str
    arch: str
    profile: str
    """``"prebuilt"`` for a binary that was not built here."""

    def __str__(self) -> str:
        return f"go {self.go}, {self.cc}, {self.libc}, {self.arch}, {self.profile}"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much may be added before it is told: the larger of the two."""

    share: float = 0.10
    size: int = 1024
    """Bytes."""

    def exceeded(self, then: int, now: int) -> bool:
        """Whether growth from `then` to `now` is more than that."""
        return now - then > max(then * self.share, self.size)

    def __str__(self) -> str:
        return f"{self.share * 100:g}% {self.size}B"


def parse_tolerance(text: object) -> Tolerance:
    """``"10% 1KiB"``, or one of the two, which is then the only one. Raises ValueError, with the valid form named."""
    words = text.replace(" and ", " ").replace(",", " ").split() if isinstance(text, str) else []
    shares = [word for word in words if word.endswith("%")]
    sizes = [word for word in words if not word.endswith("%")]
    if not words or len(shares) > 1 or len(sizes) > 1:
        raise ValueError(f"{text!r} is not a tolerance; write '10% 1KiB', '10%' or '1KiB'")
    return Tolerance(
        parse_share(shares[0]) if shares else 0.0,
        # "0B" is how one writes that only the share counts
        parse_size(sizes[0]) if sizes and sizes[0] not in ("0", "0B") else 0,
    )


@dataclass(frozen=True, slots=True)
class Budget:
    """What one test used."""

    c_stack: int
    """Bytes that the program itself used of the deepest thread stack (`ThreadStack.used`), over all runs."""
    chain: CallChain | None
    """The calls that did; None where that is not known."""
    goroutine_stack: int | None = None
    """Bytes of the largest goroutine stack; None where not every growth was watched."""
    tolerance: Tolerance | None = None
    """Its own; None for the suite's."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one test used under one set of conditions."""

    conditions: Conditions
    budget: Budget
    note: str | None = None
    """In which way `budget.c_stack` is only a bound."""


def measured(runs: Iterable[RunResult]) -> tuple[Measured, ...]:
    """What the runs of a test used, for each set of conditions that they ran under.

    A run that crashed, was killed or timed out tells nothing of what the program needs, and is left out.
    """
    by_conditions: dict[Conditions, list[RunResult]] = {}
    for run in runs:
        if run.exit.code is not None and not run.exit.timed_out and run.crash is None:
            by_conditions.setdefault(_conditions(run), []).append(run)
    found = (_measure(conditions, alike) for conditions, alike in sorted(by_conditions.items()))
    return tuple(one for one in found if one)


def _conditions(run: RunResult) -> Conditions:
    makers = read_makers(run.binary.path)
    profile = run.binary.profile
    return Conditions(
        makers.go, makers.cc, makers.libc, makers.arch, profile.value if profile else "prebuilt"
    )


def _measure(conditions: Conditions, runs: list[RunResult]) -> Measured | None:
    stacks = [stack for run in runs for stack in run.stacks if stack.used is not None]
    if not stacks:
        return None
    deepest: ThreadStack = max(stacks, key=lambda stack: stack.used or 0)
    goroutines = [
        run.goroutines.peak_stack for run in runs if run.goroutines and run.goroutines.exact
    ]
    budget = Budget(deepest.used or 0, deepest.chain, max(goroutines, default=None))
    return Measured(conditions, budget, deepest.note)


def compare(then: Budget, now: Measured, suite: Tolerance, accept: str) -> Iterator[Breach]:
    """What has grown beyond the tolerance. `accept` is the command that makes the new numbers the budget."""
    tolerance = then.tolerance or suite
    added = now.budget.c_stack - then.c_stack
    grown = _grown(then.chain, now.budget.chain, tolerance, enough=added > tolerance.size)
    # a bound may be off by the page that holds it
    slack = _PAGE if now.note else 0
    if tolerance.exceeded(then.c_stack + slack, now.budget.c_stack) or any(
        function.beyond for function in grown
    ):
        yield Breach(
            f"budget: the C stack grew from {_from_to(then.c_stack, now.budget.c_stack)}",
            (
                *(function.text for function in grown[:_FUNCTIONS_SHOWN]),
                *_chain("now", now.budget.chain),
                *_chain("then", then.chain),
                f"{_allowed(tolerance)}; to accept it: {accept}",
            ),
        )
    if _both(then.goroutine_stack, now.budget.goroutine_stack) and tolerance.exceeded(
        then.goroutine_stack or 0, now.budget.goroutine_stack or 0
    ):
        sizes = _from_to(then.goroutine_stack or 0, now.budget.goroutine_stack or 0)
        yield Breach(
            f"budget: the largest goroutine stack grew from {sizes}",
            (f"{_allowed(tolerance)}; to accept it: {accept}",),
        )


def _both(then: int | None, now: int | None) -> bool:
    return then is not None and now is not None


@dataclass(frozen=True, slots=True)
class _Growth:
    """A function on both chains that takes more than it did, or one that is new."""

    text: str
    added: int
    beyond: bool
    """One frame of it grew beyond the tolerance."""


def _grown(
    then: CallChain | None, now: CallChain | None, tolerance: Tolerance, *, enough: bool
) -> list[_Growth]:
    """The functions that grew, most first. With `enough` growth of the whole stack a frame counts by itself."""
    if not then or not now:
        return []
    before = _by_name(then.calls)
    growths = []
    for name, call in _by_name(now.calls).items():
        old = before.get(name)
        if call.size is None or (old and old.size is None):
            continue
        added = call.count * call.size - (old.count * (old.size or 0) if old else 0)
        beyond = bool(enough and old and tolerance.exceeded(old.size or 0, call.size))
        if added >= _WORTH_TELLING or beyond:
            growths.append(_Growth(_difference(name, old, call), added, beyond))
    return sorted(growths, key=lambda growth: (not growth.beyond, -growth.added))


def _by_name(calls: Iterable[Call]) -> Mapping[str, Call]:
    """The calls of a chain; of a function that stands there more than once, the largest."""
    found: dict[str, Call] = {}
    for call in calls:
        other = found.get(call.function)
        if other is None or (call.size or 0) > (other.size or 0):
            found[call.function] = call
    return found


def _difference(name: str, old: Call | None, call: Call) -> str:
    if old is None:
        return f"`{name}` is new there: {_frames(call)}"
    if old.count == call.count == 1:
        added = (call.size or 0) - (old.size or 0)
        return f"`{name}` takes {added:,} B more: {old.size:,} B then, {call.size:,} B now"
    return f"`{name}`: {_frames(old)} then, {_frames(call)} now"


def _frames(call: Call) -> str:
    return f"{call.count:,} x {call.size:,} B" if call.count > 1 else f"{call.size:,} B"


def _chain(when: str, chain: CallChain | None) -> Iterator[str]:
    if chain:
        for sentence in describe_chain(chain):
            yield f"{when}: {sentence}"


def _from_to(then: int, now: int) -> str:
    before, after = format_size(then), format_size(now)
    return f"{before} to {after}" if before != after else f"{then:,} B to {now:,} B"


def _allowed(tolerance: Tolerance) -> str:
    return f"{tolerance.share * 100:g}% or {format_size(tolerance.size)} more is tolerated"
