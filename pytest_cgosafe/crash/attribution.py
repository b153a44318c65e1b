"""Which calls made a thread stack's peak: found in what they left there, when the program is gone."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.binary.callers import (
    callers_of,
    frame_size,
    go_callers,
    is_stub,
    largest_frame,
)
from pytest_cgosafe.binary.loaded import Loaded, LoadedCode
from pytest_cgosafe.binary.trail import End, Frame
from pytest_cgosafe.binary.unwind import Walker
from pytest_cgosafe.crash.folding import fold
from pytest_cgosafe.crash.naming import is_glue_name
from pytest_cgosafe.crash.room import fits_of
from pytest_cgosafe.results import CallChain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_cgosafe.binary.trail import Trail
    from pytest_cgosafe.results import ThreadStack
    from pytest_cgosafe.watch.remains import Remains

_SEARCHED: Final = 64 << 10
"""Bytes above the deepest one in which the innermost return address must stand."""
_TRIES: Final = 64
_ENOUGH: Final = 3
"""Proved steps that make a walk one that tells."""
_GO_ENTRY: Final = "runtime.asmcgocall"
_CALLBACK: Final = "runtime.cgocallback"
_CALLBACK_REACH = (
    128  # bytes, from where a call from Go into C begins up to a callback that it is in
)
_UNNAMED: Final = re.compile(r".*\+0x[0-9a-f]+")
_OVERWRITTEN: Final = "later calls overwrote the frames further out, perhaps more levels too"


@dataclass(frozen=True, slots=True)
class _Found:
    """Frames, innermost first, and what is not sure about them."""

    frames: tuple[Frame, ...]
    doubts: tuple[str, ...] = ()


def attribute(
    stacks: Sequence[ThreadStack], remains: Iterable[Remains]
) -> tuple[tuple[ThreadStack, ...], tuple[str, ...]]:
    """The same stacks, those whose remains were kept with the chain of calls that made their peak; and notes."""
    kept = {left.tid: left for left in remains}
    last = {
        stack.tid: stack for stack in stacks
    }  # a program that replaced itself has two main threads
    try:
        return tuple(
            replace(stack, chain=chain_of(kept[stack.tid], stack))
            if stack is last[stack.tid] and stack.tid in kept
            else stack
            for stack in stacks
        ), ()
    except Exception as error:  # what was measured counts more
        return tuple(stacks), (f"what made the peaks could not be found out: {error!r}",)


def chain_of(left: Remains, stack: ThreadStack) -> CallChain | None:
    """The calls that made the peak of a stack; None where nothing that can be read was left."""
    code = LoadedCode(left.files)
    trail = _best_walk(Walker(left.stack, code))
    if trail is None:
        return None
    doubts = []
    if (unexplained := _unexplained(trail, code)) > 0:
        doubts.append(f"something went {unexplained:,} bytes deeper and was overwritten")
    if (deeper := (stack.peak or 0) - left.peak) > 0:
        doubts.append(f"what started the program went {deeper:,} bytes deeper: this is its own")
    if (stack.note or "").startswith("at most"):
        doubts.append("perhaps an earlier thread on the same memory made it")
    whole = _outward(trail, left, code)
    doubts += whole.doubts
    doubts += _choices(whole.frames)
    calls = fold(_without_glue(whole.frames))
    return CallChain(calls, "; ".join(doubts) or None) if calls else None


def _best_walk(walker: Walker) -> Trail | None:
    """The walk from the lowest return address that leads somewhere."""
    best: Trail | None = None
    for trail in islice(map(walker.walk, walker.starts(_SEARCHED)), _TRIES):
        if trail.proved >= _ENOUGH or trail.end in (End.OUTERMOST, End.SWITCH):
            return trail
        if best is None or trail.proved > best.proved:
            best = trail
    return best


def _unexplained(trail: Trail, code: LoadedCode) -> int:
    """How many bytes deeper something went than the innermost function of a walk can have gone."""
    callee = code.called_before(trail.innermost)
    most = largest_frame(callee.file, callee.function) if callee else None
    return 0 if most is None else max(0, trail.frames[0].size - most)


def _outward(trail: Trail, left: Remains, code: LoadedCode) -> _Found:
    """The frames of a walk and those beyond its end."""
    if trail.last is None:
        return _Found(trail.frames, (_OVERWRITTEN,))
    if trail.end is End.SWITCH and trail.last.name == _GO_ENTRY:
        return _into_go(trail, left, code)
    last = Frame(trail.last.name, trail.sp, 0, 1, trail.last)
    if trail.end in (End.OUTERMOST, End.SWITCH):
        return _Found((*trail.frames, last))
    if trail.end is End.BEYOND:
        return _Found((*trail.frames, last), ("the stack is too large to be read to its top",))
    return _by_room(trail, left, code) or _Found((*trail.frames, last), (_OVERWRITTEN,))


def _into_go(trail: Trail, left: Remains, code: LoadedCode) -> _Found:
    """Across to the goroutine that called C: by its stack, if the call still stands there, else by the code."""
    stub = next((f.name for f in reversed(trail.frames) if f.name and is_stub(f.name)), None)
    for link in left.links:
        if link.at != trail.sp:
            continue
        walker = Walker(link.stack, code)
        for slot in walker.starts(24):
            goroutine = walker.walk(slot)
            if goroutine.last and goroutine.end is End.SWITCH and _calls(goroutine, stub):
                beyond = (replace(frame, size=0) for frame in goroutine.frames)
                return _back_in_c(_Found((*trail.frames, *beyond)), trail.sp, left, code)
    return _back_in_c(_by_code(trail.frames, stub, code), trail.sp, left, code)


def _back_in_c(found: _Found, sp: int, left: Remains, code: LoadedCode) -> _Found:
    """With the C functions that called the Go function that called C, if that is what stands above `sp`."""
    walker = Walker(left.stack, code)
    for at in range(sp, sp + _CALLBACK_REACH, 8):
        called = code.called_before(left.stack.word(at) or 0)
        if called and called.name == _CALLBACK:
            outer = _outward(walker.walk(at), left, code)
            # cmd/cgo writes a C function of the same name for an exported Go function.
            go = found.frames[-1].name
            further = tuple(frame for frame in outer.frames[1:] if frame.name != go)
            return _Found(found.frames + further, found.doubts + outer.doubts)
    return found


def _calls(goroutine: Trail, stub: str | None) -> bool:
    """Whether Go frames called C through `stub`."""
    if stub is None:
        return False
    name = re.sub(r"_cgo_[0-9a-f]{12}(_C2?func_\w+)", r".\1", stub)
    return any((frame.name or "").endswith(name) for frame in goroutine.frames)


def _by_code(frames: tuple[Frame, ...], stub: str | None, code: LoadedCode) -> _Found:
    """With the Go function that calls C through `stub`, if it is the only one."""
    files = (file for file in code.files if stub and file.named(stub))
    callers = next((go_callers(file, stub) for file in files if stub), ())
    if len(callers) == 1:
        return _Found((*frames, Frame(callers[0], 0, 0)))
    choice = f"called by {' or '.join(callers)}" if 1 < len(callers) < 4 else ""
    return _Found(frames, (choice or "the Go function that called is not known",))


def _by_room(trail: Trail, left: Remains, code: LoadedCode) -> _Found | None:
    """Further out where later calls overwrote the frames: by who can have called, if the room that is left fits."""
    assert trail.last
    function = trail.last.function
    recursive = len(trail.frames) > 1 and trail.frames[-1].name == function.name
    size = trail.frames[-1].size if recursive else _size(trail, code)
    fits = list(fits_of(trail, left, code, size)) if size else []
    fits = [fit for fit in fits if recursive or fit.levels == 1]
    if not size or len({(fit.levels, fit.sp) for fit in fits}) != 1:
        return None
    fit = fits[0]
    common = [
        callers[0]
        for callers in zip(*(f.callers for f in fits), strict=False)
        if len(set(callers)) == 1
    ]
    frames = [*trail.frames, Frame(function.name, trail.sp, size, fit.levels, trail.last)]
    frames += [Frame(c.name, 0, c.size or 0, 1, Loaded(c.file, c.function)) for c in common]
    lost = fit.levels + len(common)
    doubts = [f"the outer {lost} frames were overwritten: told by the code and the room they took"]
    if len(fits) > 1:
        names = sorted({f.callers[len(common)].name for f in fits if len(f.callers) > len(common)})
        return _Found(tuple(frames), (*doubts, f"called by {' or '.join(names)}"))
    outermost = fit.callers[-1].name if fit.callers else function.name
    if not is_stub(outermost):
        return _Found(tuple(frames), tuple(doubts))
    found = _back_in_c(_by_code(tuple(frames), outermost, code), fit.sp, left, code)
    return _Found(found.frames, (*doubts, *found.doubts) if lost > 1 else found.doubts)


def _size(trail: Trail, code: LoadedCode) -> int | None:
    """The size of the frame that a walk ended in."""
    spot = code.spot(trail.pc)
    return frame_size(spot.file, spot.pc) if spot else None


def _choices(frames: Sequence[Frame]) -> list[str]:
    """A function on the way that another calls with the same frame: where the deepest call stood, a later may stand.

    Such a later call leaves no seam where it ends and the deeper one's remains begin.
    """
    names = {frame.name for frame in frames[1:]}
    steps = {(inner.name, outer.name): (inner, outer) for inner, outer in pairwise(frames[1:])}
    for inner, outer in steps.values():
        if not inner.function or not outer.size or is_glue_name(inner.name or ""):
            continue
        if inner.function.file.is_stripped:  # the C library
            continue
        level = (
            inner.size or outer.size
        )  # of a recursion, any number of levels more or less fits as well
        for caller in callers_of(inner.function, ()):
            fits = caller.size is not None and (caller.size - outer.size) % level == 0
            if caller.name not in names and fits:
                return [
                    f"{outer.name} may be {caller.name}: a later, shallower call of {inner.name} would look the same"
                ]
    return []


def _without_glue(frames: Sequence[Frame]) -> list[Frame]:
    """Those that somebody wrote; all of them where nobody did: then it is the runtime's own peak."""
    shown = [frame for frame in frames if frame.name and not is_glue_name(frame.name)]
    while shown and _UNNAMED.fullmatch(shown[-1].name or ""):
        shown.pop()
    return shown or [frame for frame in frames if frame.name]
