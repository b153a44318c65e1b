"""Which lines a backtrace is made of: frames folded, recursion counted, the switches of stacks marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_cgosafe.crash.naming import glue, user_frames
from pytest_cgosafe.results import Frame, Gap, Language, StackKind

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from pytest_cgosafe.results import Backtrace, Recursion

_LONGEST_CYCLE = 24  # frames: one level of a recursion through Go and C takes about 14
_FEWEST_LEVELS = 6  # a cycle is folded from so many levels on
_FEWEST_LEVELS_FULL = 16


@dataclass(frozen=True, slots=True)
class Repeat:
    """Levels of a recursion beyond the one that is shown just before."""

    functions: tuple[str, ...]
    """Those of one level that are shown."""
    levels: int


@dataclass(frozen=True, slots=True)
class Switch:
    """The boundary between two stacks; `inner` is the kind of the frames above it."""

    inner: StackKind
    why: str


@dataclass(frozen=True, slots=True)
class Layout:
    """A backtrace as it is to be shown, innermost first."""

    lines: tuple[Frame | Repeat | Switch | Gap, ...]
    folded: int
    """The number of frames left out because they are not code that anybody wrote by hand."""
    user: tuple[Frame, ...]
    """The shown frames that the user wrote, as far as can be told."""


def lay_out(
    backtrace: Backtrace, recursion: Recursion | None = None, *, full: bool = False
) -> Layout:
    """The lines of a backtrace; with `full`, frames of the runtime and glue are shown too."""
    frames = backtrace.frames
    user = tuple(user_frames(frames))
    hidden = {
        id(frame)
        for frame, is_glue in zip(frames, glue(frames), strict=True)
        if is_glue and user and not full
    }
    fewest = _FEWEST_LEVELS_FULL if full else _FEWEST_LEVELS
    entries = list(_fold_recursion(backtrace, recursion, fewest, hidden))
    shown = [entry for entry in entries if id(entry) not in hidden]
    return Layout(tuple(_mark_switches(shown)), len(entries) - len(shown), user)


def _fold_recursion(
    backtrace: Backtrace, recursion: Recursion | None, fewest: int, hidden: Container[int]
) -> Iterator[Frame | Repeat | Gap]:
    frames, gaps = backtrace.frames, backtrace.gaps
    at = 0
    while at <= len(frames):
        yield from (gap for gap in gaps if gap.after == at)
        if at == len(frames):
            return
        cycle, levels = _cycle_at(frames, at, _barrier(gaps, at, len(frames)))
        if levels < fewest:
            yield frames[at]
            at += 1
            continue
        yield from frames[at : at + cycle]
        end = at + cycle * levels
        elided = sum(gap.elided or 0 for gap in gaps if at < gap.after <= end)
        gaps = tuple(gap for gap in gaps if not at < gap.after <= end or gap.elided is None)
        level = frames[at : at + cycle]
        functions = tuple(frame.function or "?" for frame in level)
        if recursion and elided and sorted(recursion.functions) == sorted(functions):
            levels = recursion.levels
        else:
            levels += elided // cycle
        shown = tuple(frame.function or "?" for frame in level if id(frame) not in hidden)
        yield Repeat(shown, levels - 1)
        at = end


def _barrier(gaps: Iterable[Gap], at: int, end: int) -> int:
    """The first place beyond `at` where frames are missing and nobody knows which."""
    return min((gap.after for gap in gaps if gap.after > at and gap.elided is None), default=end)


def _cycle_at(frames: Sequence[Frame], at: int, end: int) -> tuple[int, int]:
    """The length of the shortest cycle of functions that starts at `at`, and how many times it is there."""
    names = [frame.function for frame in frames[at:end]]
    for cycle in range(1, min(_LONGEST_CYCLE, len(names) // _FEWEST_LEVELS) + 1):
        same = next(
            (n for n in range(cycle, len(names)) if names[n] != names[n - cycle]), len(names)
        )
        if same >= cycle * _FEWEST_LEVELS and None not in names[:cycle]:
            return cycle, same // cycle
    return 1, 1


def _mark_switches(
    entries: Iterable[Frame | Repeat | Gap],
) -> Iterator[Frame | Repeat | Switch | Gap]:
    inner: Frame | None = None
    for entry in entries:
        if isinstance(entry, Frame):
            if inner and inner.stack is not entry.stack:
                yield Switch(inner.stack, _why(inner, entry))
            inner = entry
        yield entry


def _why(inner: Frame, outer: Frame) -> str:
    if StackKind.SIGNAL in (inner.stack, outer.stack):
        return "a signal is handled"
    if inner.stack is StackKind.GOROUTINE:
        return "C calls Go"
    calls_c = inner.language is Language.C or inner.function == "runtime.asmcgocall"
    return "Go calls C" if calls_c else "the runtime switches stacks"
