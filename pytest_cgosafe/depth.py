"""The depth model: how much C stack a level of recursion takes, and how many levels fit."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import linear_regression
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.errors import CgosafeError
from pytest_cgosafe.sizes import format_share, format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_cgosafe.results import CallChain, RunResult

_RANDOM_TOP: Final = 8192
"""Bytes that the kernel leaves free above a main stack at most (``arch_align_stack``)."""
_PAGE: Final = 4096
_NOISE: Final = 64  # bytes by which runs of the same program differ
_STRAIGHT: Final = 256
"""Bytes that points on a line may be away from it, or a hundredth of their range."""


@dataclass(frozen=True, slots=True)
class DepthPoint:
    """The deepest thread stack of a run at one depth."""

    depth: int
    used: int
    """Bytes that the program itself used (`ThreadStack.used`)."""
    top: int
    """Bytes above those (`ThreadStack.initial`)."""
    main: bool
    """Whether it is the main thread's."""
    limit: int | None
    """Bytes that it may take; None where it is unlimited or not known."""
    chain: CallChain | None = None
    """The calls that used it; None where that is not known."""


@dataclass(frozen=True, slots=True)
class DepthProof:
    """Two runs with thread stacks of `limit` bytes: one level count that must fit, and one that must not."""

    limit: int
    under_depth: int
    under: RunResult
    over_depth: int
    over: RunResult

    @property
    def survived(self) -> bool:
        """Whether the run that must fit did."""
        return self.under.crash is None and self.under.exit.code == 0

    @property
    def overflowed(self) -> bool:
        """Whether the run that must not fit died of a stack overflow."""
        return self.over.crash is not None and "stack overflow" in self.over.crash.cause


@dataclass(frozen=True, slots=True)
class DepthModel:
    """``bytes = base + bytes_per_level * depth``, by least squares over the measured points."""

    points: tuple[DepthPoint, ...]
    """By depth; those in `floor` are not on the line."""
    floor: tuple[int, ...]
    """Depths too small to tell: there the program's start took more stack than the recursion."""
    base: float
    bytes_per_level: float
    error: int
    """The furthest that a point is from the line, in bytes."""
    r2: float
    """The share of the variation that the line explains, from 0 to 1."""
    linear: bool
    """Whether the points are on a line at all. If not, no depth can be told from it."""
    limit: int | None
    """Bytes of thread stack that the depths below are for."""
    min_headroom: float
    safe_depth: int | None
    """The greatest depth that keeps `min_headroom` of `limit`; None where none can be told: see `linear`, `limit`, and
    a stack that does not grow with the depth."""
    greatest_depth: int | None
    """The greatest that fits into `limit` at all."""
    proof: DepthProof | None = None

    def bytes_at(self, depth: int) -> float:
        """What the model says that a depth uses, without what stands at the stack's top."""
        return self.base + self.bytes_per_level * depth


def point_of(depth: int, run: RunResult) -> DepthPoint:
    """What a run at `depth` used. Raises CgosafeError where that was not measured, or the run failed."""
    if run.exit.code != 0:
        raise CgosafeError(
            f"depth model: at depth {depth} the program did not end with status 0\n{run.stdout}{run.stderr}"
        )
    known = [stack for stack in run.stacks if stack.used is not None]
    if not known:
        reasons = "; ".join(run.notes) or "no thread stack is known"
        raise CgosafeError(f"depth model: the stack could not be measured: {reasons}")
    deepest = max(known, key=lambda stack: stack.used or 0)
    return DepthPoint(
        depth, deepest.used or 0, deepest.initial or 0, deepest.main, deepest.limit, deepest.chain
    )


def check_depths(depths: Sequence[int]) -> tuple[int, ...]:
    """The depths, each once, lowest first. Raises CgosafeError for fewer than two."""
    distinct = tuple(sorted(set(depths)))
    if len(distinct) < 2:
        raise CgosafeError(
            f"a depth model needs at least two different depths, not {list(depths)}",
            next_step="depths=[100, 1_000, 2_000]",
        )
    return distinct


def fit(points: Sequence[DepthPoint], *, limit: int | None, min_headroom: float) -> DepthModel:
    """The line through `points`, which have at least two different depths; `limit` in bytes, None for the real one."""
    points = sorted(points, key=lambda point: point.depth)
    low = _floor(points)
    kept = points[low:]
    base, slope, error = _line(kept)
    limit = limit or points[-1].limit
    model = DepthModel(
        points=tuple(points),
        floor=tuple(point.depth for point in points[:low]),
        base=base,
        bytes_per_level=slope,
        error=math.ceil(error),
        r2=_r2(kept, base, slope),
        linear=_is_straight(kept, error),
        limit=limit,
        min_headroom=min_headroom,
        safe_depth=None,
        greatest_depth=None,
    )
    return _with_depths(model)


def _with_depths(model: DepthModel) -> DepthModel:
    return replace(
        model,
        safe_depth=_fitting(model, model.min_headroom),
        greatest_depth=_fitting(model, 0.0),
    )


def _fitting(model: DepthModel, headroom: float) -> int | None:
    """The greatest depth that fits for sure."""
    if not model.linear or model.limit is None or not _grows(model):
        return None
    room = model.limit // _PAGE * _PAGE * (1 - headroom) - _tops(model)[1] - model.base
    return max(0, math.floor((room - _doubt(model, room)) / model.bytes_per_level))


def overflowing_depth(model: DepthModel) -> int | None:
    """The least depth that for sure does not fit into the limit; None where it can't be told."""
    if model.greatest_depth is None or model.limit is None:
        return None
    room = -(-model.limit // _PAGE) * _PAGE - _tops(model)[0] - model.base
    return math.ceil((room + _doubt(model, room)) / model.bytes_per_level) + 1


def _on_line(model: DepthModel) -> list[int]:
    return [point.depth for point in model.points if point.depth not in model.floor]


def _grows(model: DepthModel) -> bool:
    """Whether the stack grows with the depth by more than runs of the same program differ."""
    depths = _on_line(model)
    return model.bytes_per_level * (depths[-1] - depths[0]) > 4 * _NOISE


def _doubt(model: DepthModel, room: float) -> float:
    """Bytes by which the line may be off where it has taken `room`: the more, the further beyond its points."""
    depths = _on_line(model)
    beyond = max(0.0, room / model.bytes_per_level - depths[-1])
    return max(model.error, _NOISE) * (1 + 2 * beyond / (depths[-1] - depths[0]))


def prove_depths(model: DepthModel, run: Callable[[int, int], RunResult]) -> DepthProof:
    """Call `run` with a depth and a thread stack size, in bytes, just under the model's limit and just over it.

    Raises CgosafeError where the model tells no such depths.
    """
    over = overflowing_depth(model)
    if model.limit is None or model.greatest_depth is None or over is None:
        raise CgosafeError("\n".join(["depth model: nothing to prove", *render_depth_model(model)]))
    return DepthProof(
        limit=model.limit,
        under_depth=model.greatest_depth,
        under=run(model.greatest_depth, model.limit),
        over_depth=over,
        over=run(over, model.limit),
    )


def _tops(model: DepthModel) -> tuple[int, int]:
    """The least and the most that may stand at the stack's top: on a main stack, the kernel draws lots."""
    tops = [point.top for point in model.points]
    if not any(point.main for point in model.points):
        return min(tops), max(tops)
    mains = [point.top for point in model.points if point.main]
    return max(0, min(*tops, max(mains) - _RANDOM_TOP)), max(*tops, min(mains) + _RANDOM_TOP)


def _line(points: Sequence[DepthPoint]) -> tuple[float, float, float]:
    slope, base = linear_regression(
        [point.depth for point in points], [point.used for point in points]
    )
    return base, slope, max(abs(point.used - base - slope * point.depth) for point in points)


def _is_straight(points: Sequence[DepthPoint], error: float) -> bool:
    used = [point.used for point in points]
    return error <= max(_STRAIGHT, (max(used) - min(used)) / 100)


def _floor(points: Sequence[DepthPoint]) -> int:
    """How many of the lowest points are not on the line: the recursion is not what made their peak.

    Raises CgosafeError where fewer than two are left.
    """
    name = _recursive_function(points[-1].chain)
    low = 0
    while name and low < len(points) and not _calls(points[low].chain, name):
        low += 1
    if len(points) - low < 2:
        raise CgosafeError(
            f"depth model: only at depth {points[-1].depth} the recursion took more stack than the program's start",
            next_step=f"depths=[{points[-1].depth}, {2 * points[-1].depth}, {3 * points[-1].depth}]",
        )
    return low


def _recursive_function(chain: CallChain | None) -> str | None:
    """The function that takes the most of a stack."""
    calls = [call for call in chain.calls if call.size] if chain else []
    if not calls:
        return None
    return max(calls, key=lambda call: call.count * (call.size or 0)).function


def _calls(chain: CallChain | None, name: str) -> bool:
    """Whether `name` is known to be on the chain, where the functions of a cycle are told together."""
    wanted = set(name.split(" <- "))
    calls = chain.calls if chain else ()
    return any(wanted & set(call.function.split(" <- ")) for call in calls)


def _r2(points: Sequence[DepthPoint], base: float, slope: float) -> float:
    mean = sum(point.used for point in points) / len(points)
    total = sum((point.used - mean) ** 2 for point in points)
    rest = sum((point.used - base - slope * point.depth) ** 2 for point in points)
    return 1.0 if total == 0 else max(0.0, 1 - rest / total)


def render_depth_model(model: DepthModel) -> Iterator[str]:
    """The model as a person reads it."""
    yield (
        f"{model.bytes_per_level:,.1f} B a level, and {format_size(max(0, round(model.base)))} besides: "
        f"at most {model.error:,} B off, r2 {model.r2:.6f}"
    )
    if model.floor:
        yield f"depths {', '.join(map(str, model.floor))} tell nothing: the program's start takes more"
    if not model.linear:
        yield "the stack does not grow by the same for every level: no safe depth can be told"
    elif model.safe_depth is None:
        yield (
            "the stack has no limit"
            if model.limit is None
            else "the stack does not grow with the depth"
        )
    else:
        yield (
            f"safe to depth {model.safe_depth:,} within {format_size(model.limit or 0)} and "
            f"{format_share(model.min_headroom)} headroom; the edge is at {model.greatest_depth:,}"
        )
    if model.proof:
        proof = model.proof
        under = "survived" if proof.survived else "DID NOT SURVIVE"
        over = "overflowed" if proof.overflowed else "DID NOT OVERFLOW"
        yield f"proved with {format_size(proof.limit)}: {proof.under_depth:,} {under}, {proof.over_depth:,} {over}"
