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
    path_outward,
)
from pytest_cgosafe.binary.loaded import Loaded, LoadedCode
from pytest_cgosafe.binary.unwind import End, Frame, Walker
from pytest_cgosafe.crash.folding import fold
from pytest_cgosafe.crash.naming import is_glue_name
from pytest_cgosafe.results import CallChain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_cgosafe.binary.unwind import Trail
    from pytest_cgosafe.results import ThreadStack
    from pytest_cgosafe.watch.remains import Remains

_SEARCHED: Final = 64 << 10
"""Bytes above the deepest one in which the innermost return address must stand."""
_TRIES: Final = 64
_ENOUGH: Final = 3
"""Proved steps that make a walk one that tells."""
_GO_ENTRY: Final = "runtime.asmcgocall"
_SCHED_SP: Final = {"runtime.systemstack": 8, "runtime.mcall": 16}
"""How far below g0.sched.sp the return address of what they call stands."""
_ASMCGOCALL_ROOM: Final = (16, 64)
"""Bytes below g0.sched.sp that `asmcgocall` keeps for itself, from Go 1.22 on and before."""
_UNNAMED: Final = re.compile(r".*\+0x[0-9a-f]+")
_OVERWRITTEN: Final = "later calls overwrote the frames further out"


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
                return _Found((*trail.frames, *beyond))
    return _by_code(trail.frames, stub, trail)


def _calls(goroutine: Trail, stub: str | None) -> bool:
    """Whether Go frames called C through `stub`."""
    name = re.sub(r"_cgo_[0-9a-f]{12}(_C2?func_\w+)", r".\1", stub or "")
    return any((frame.name or "").endswith(name) for frame in goroutine.frames)


def _by_code(frames: tuple[Frame, ...], stub: str | None, trail: Trail) -> _Found:
    """With the Go function that calls C through `stub`, if it is the only one."""
    callers = go_callers(trail.last.file, stub) if trail.last and stub else ()
    if len(callers) == 1:
        return _Found((*frames, Frame(callers[0], 0, 0)))
    choice = f"called by {' or '.join(callers)}" if 1 < len(callers) < 4 else ""
    return _Found(frames, (choice or "the Go function that called is not known",))


def _by_room(trail: Trail, left: Remains, code: LoadedCode) -> _Found | None:
    """Further out where later calls overwrote the frames: by who can have called, if the room that is left fits."""
    assert trail.last
    file, function = trail.last.file, trail.last.function
    names = {frame.name for frame in trail.frames if frame.name}
    callers = path_outward(file, function, names)
    spot = code.spot(trail.pc)
    recursive = len(trail.frames) > 1 and trail.frames[-1].name == function.name
    size = trail.frames[-1].size if recursive else spot and frame_size(file, spot.pc)
    sizes = [caller.size for caller in callers or ()]
    if callers is None or not size or None in sizes:
        return None
    outermost = callers[-1].name if callers else function.name
    from_go = is_stub(outermost)
    for at in (_go_entries if from_go else _thread_entries)(trail.sp, left, code):
        levels, rest = divmod(at + 8 - trail.sp - sum(filter(None, sizes)), size)
        if rest or levels < 1 or (levels > 1 and not recursive):
            continue
        frames = [*trail.frames, Frame(function.name, trail.sp, size, levels, trail.last)]
        frames += [Frame(c.name, 0, c.size or 0, 1, Loaded(file, c.function)) for c in callers]
        found = _by_code(tuple(frames), outermost, trail) if from_go else _Found(tuple(frames))
        lost = levels + len(callers)
        doubt = f"the outer {lost} frames were overwritten: told by the code and the room they took"
        return _Found(found.frames, ((doubt,) if lost > 1 else ()) + found.doubts)
    return None


def _thread_entries(sp: int, left: Remains, code: LoadedCode) -> Iterator[int]:
    """Where above `sp` the functions return to that a thread begins in: those are still there when it ends."""
    walker = Walker(left.stack, code)
    for at in range(max(sp, left.top - _SEARCHED), left.top - 8, 8):
        if code.call_before(left.stack.word(at) or 0):
            trail = walker.walk(at)
            if trail.end is End.OUTERMOST:
                yield at


def _go_entries(sp: int, left: Remains, code: LoadedCode) -> Iterator[int]:
    """Where above `sp` the return address of a call from Go into C must stand: at the same place for every such call.

    A later call may have left it there. Or else what the runtime itself left when it came to this stack: it begins
    where g0.sched.sp says, as such calls do (runtime/asm_amd64.s, `systemstack`, `mcall`, `asmcgocall`).
    """
    seen = set()
    for at in range(sp, left.top - 8, 8):
        word = left.stack.word(at)
        function = code.function(word - 1) if word else None
        if function and function.name in _SCHED_SP:
            base = at + _SCHED_SP[function.name]
            places = [((base - room) & ~15) - 8 for room in _ASMCGOCALL_ROOM]
        else:
            is_entry = function and function.name.startswith(_GO_ENTRY)
            places = [at] if is_entry else []
        yield from (place for place in places if place not in seen)
        seen.update(places)


def _choices(frames: Sequence[Frame]) -> list[str]:
    """A function on the way that another calls with the same frame: where the deepest call stood, a later may stand.

    Such a later call leaves no seam where it ends and the deeper one's remains begin.
    """
    names = [frame.name for frame in frames[1:] if frame.name]
    for inner, outer in pairwise(frames[1:]):
        if not inner.function or not outer.size or is_glue_name(inner.name or ""):
            continue
        if inner.function.file.is_stripped:  # the C library
            continue
        level = (
            inner.size or outer.size
        )  # of a recursion, any number of levels more or less fits as well
        for caller in callers_of(inner.function.file, inner.function.function):
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
