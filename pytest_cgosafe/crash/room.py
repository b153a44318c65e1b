"""The way out of frames that later calls overwrote: by who can have called, and by the room that is left.

Where a thread's calls begin is known: what began the thread is still there when it ends. Between there and the last
frame that was found, only certain chains of callers fit to the byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.binary.callers import is_stub, paths_outward, whole_frame
from pytest_cgosafe.binary.trail import End
from pytest_cgosafe.binary.unwind import Walker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.binary.callers import Caller
    from pytest_cgosafe.binary.codefile import CodeFile
    from pytest_cgosafe.binary.loaded import LoadedCode
    from pytest_cgosafe.binary.trail import Trail
    from pytest_cgosafe.watch.remains import Remains

_SEARCHED: Final = 64 << 10
"""Bytes from a stack's top down in which its thread's first functions have their frames."""
_GO_ENTRY: Final = "runtime.asmcgocall"
_GO_BEGIN: Final = "runtime.mstart0"
_CALLBACK: Final = "runtime.cgocallback"
_SCHED_SP: Final = 32
"""Bytes from the return address of `cgocallback` down to the g0.sched.sp that it sets (runtime/asm_amd64.s)."""
_ROOM: Final = re.compile(rb"\x48\x83\xec(.)\x48\x83\xe4\xf0", re.DOTALL)
"""sub $room,%rsp; and $-16,%rsp"""


@dataclass(frozen=True, slots=True)
class Fit:
    """A way out that fills the room between a walk's end and where calls on that stack begin."""

    levels: int
    """Frames of the function that the walk ended in."""
    callers: tuple[Caller, ...]
    sp: int
    """Where they end."""


def fits_of(trail: Trail, left: Remains, code: LoadedCode, size: int) -> Iterator[Fit]:
    """Every way out that fits, where one level of the function that the walk ended in takes `size` bytes."""
    assert trail.last
    names = {frame.name for frame in trail.frames if frame.name}
    entries: dict[bool, tuple[int, ...]] = {}
    for callers in paths_outward(trail.last, code.files, names):
        sizes = [caller.size for caller in callers]
        from_go = is_stub(callers[-1].name if callers else trail.last.name)
        if None in sizes or not (callers or from_go):
            continue
        if from_go not in entries:
            find = _go_entries if from_go else _thread_entries
            entries[from_go] = tuple(dict.fromkeys(find(trail.sp, left, code)))
        for at in entries[from_go]:
            levels, rest = divmod(at + 8 - trail.sp - sum(filter(None, sizes)), size)
            if rest == 0 and levels > 0:
                yield Fit(levels, callers, at + 8)


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

    A later call may have left it there. Else it follows from g0.sched.sp, which is the stack pointer of `mstart0`,
    among the first functions of a thread (runtime/proc.go, `mstart1`; runtime/asm_amd64.s, `asmcgocall`), or of
    `cgocallback` where C had called Go.
    """
    for at in range(sp, left.top - 8, 8):
        word = left.stack.word(at)
        function = code.function(word - 1) if word else None
        if not word or not function:
            continue
        called = code.called_before(word)
        if function.name.startswith(_GO_ENTRY):
            yield at
        elif called and called.name == _GO_BEGIN:
            # The function that is called may be a mere wrapper for the Go function of that name.
            begin = called.file.named(_GO_BEGIN) or called.function
            size = whole_frame(called.file, begin)
            base = at + 8 - (size or 0)
            if size and (room := _entry_room(called.file)):
                yield ((base - room) & ~15) - 8
        elif called and called.name == _CALLBACK and (room := _entry_room(called.file)):
            yield ((at - _SCHED_SP - room) & ~15) - 8


def _entry_room(file: CodeFile) -> int | None:
    """The bytes below g0.sched.sp that `asmcgocall` keeps for itself: 16 from Go 1.22 on, 64 before."""
    function = file.named(f"{_GO_ENTRY}.abi0") or file.named(_GO_ENTRY)
    code = file.read(function.start, function.end - function.start) if function else b""
    found = _ROOM.search(code)
    return found[1][0] if found else None
