"""Walks up the frames that finished calls left on a stack.

Nothing says that what stands on a dead stack belongs together, so every step is checked: the return address that is
found must follow a call, and that call must lead to the function that is to return.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.binary.trail import End, Frame, Link, Trail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.binary.callframes import Place, Row
    from pytest_cgosafe.binary.loaded import Loaded, LoadedCode
    from pytest_cgosafe.watch.remains import Copy

_FRAME_POINTER, _STACK_POINTER, _RETURN_ADDRESS = (
    6,
    7,
    16,
)  # rbp, rsp, rip: System V ABI, AMD64, figure 3.36
_WORD: Final = 8
_SEARCHED = 1 << 20
"""Bytes: the largest frame that is looked through for its end where nothing tells its size."""
_SIGNAL: Final = "<signal handler called>"  # as gdb has it
_SWITCHES: Final = frozenset(
    (
        "runtime.asmcgocall",
        "runtime.cgocallback",
        "runtime.goexit",
        "runtime.mcall",
        "runtime.systemstack",
    )
)
"""Where Go's runtime left another stack, or began one (runtime/asm_amd64.s)."""
_LANDING_PAD: Final = "runtime.asmcgocall_landingpad"
"""From Go 1.25 on, `asmcgocall` calls C through it."""


@dataclass(slots=True)
class _At:
    """A place on the way: where a function stands in a call that it made, or was interrupted."""

    pc: int
    sp: int
    fp: int | None
    """The frame pointer register; None where it is not known."""
    interrupted: bool = False
    guessed: bool = False
    """The frame pointer is a guess."""

    @property
    def within(self) -> int:
        """An address in the instruction that it stands at: a call may be a function's last."""
        return self.pc if self.interrupted else self.pc - 1


class Walker:
    """Walks on one stack."""

    def __init__(self, stack: Copy, code: LoadedCode) -> None:
        self._stack = stack
        self._words = memoryview(stack.data)[: len(stack.data) // _WORD * _WORD].cast("Q")
        self._code = code

    def starts(self, within: int) -> Iterator[int]:
        """The places in the lowest `within` bytes of the stack where a return address stands."""
        for at in range(min(within // _WORD, len(self._words))):
            pc = self._words[at]
            if self._code.call_before(pc) or self._code.returns_from_signal(pc):
                yield self._stack.start + at * _WORD

    def walk(self, slot: int) -> Trail:
        """Walk from the innermost return address, which stands at `slot`."""
        pc = self._word(slot)
        assert pc is not None  # the caller found it there
        callee = self._code.called_before(pc)
        size = slot + _WORD - self._stack.start
        frames = [Frame(callee.name if callee else None, self._stack.start, size, 1, callee)]
        # A function that keeps a frame pointer pushes its caller's first, next to the return address.
        now = _At(pc, slot + _WORD, self._above(slot - _WORD), guessed=True)
        proved = 0
        sizes: dict[int, int] = {}
        while True:
            function, row = self._code.function(now.within), self._code.row(now.within)
            found, end = self._step(function, row, now)
            if found is None or function is None:
                break
            size = found.sp - now.sp
            if sizes.setdefault(now.pc, size) != size and not function.has_variable_frame:
                end = End.OVERWRITTEN
                break
            name = _SIGNAL if row and row.is_signal else function.name
            levels = 1 + self._further(now, found, row)
            frames.append(Frame(name, now.sp, size, levels, function))
            proved += levels * (self.link(found.pc, function) is Link.PROVED)
            now = self._advance(found, (levels - 1) * size, row)
        return Trail(tuple(frames), end, now.sp, function, now.pc, proved, pc)

    def _step(self, function: Loaded | None, row: Row | None, now: _At) -> tuple[_At | None, End]:
        """The caller of `function`, which stands at `now`; or why there is none to be had."""
        end = self._known_end(function, row)
        if function is None or end is not None:
            return None, end or End.LOST
        slot = self._return_slot(row, now)
        if row and row.is_signal:
            return self._interrupted(row, now, slot), End.LOST
        if slot is not None and self._link_at(slot, function) is not Link.WRONG:
            return self._returned(slot, row, now), End.LOST
        by_stack_pointer = row and row.cfa and row.cfa.register == _STACK_POINTER
        if slot is not None and (by_stack_pointer or not now.guessed):
            return None, End.OVERWRITTEN if slot < self._end else End.BEYOND
        return self._nearest(function, row, now), End.LOST

    def _known_end(self, function: Loaded | None, row: Row | None) -> End | None:
        """Why there can be no caller on this stack."""
        if function is None:
            return End.LOST
        if function.name in _SWITCHES:
            return End.SWITCH
        outermost = row is not None and row.saved.get(_RETURN_ADDRESS, 0) is None
        return End.OUTERMOST if outermost else None

    def _nearest(self, function: Loaded, row: Row | None, now: _At) -> _At | None:
        """The caller where the frame pointer is not known, which would tell where it is: the nearest that fits."""
        places = range(now.sp, min(now.sp + _SEARCHED, self._end), _WORD)
        nearest = next((at for at in places if self._link_at(at, function) is Link.PROVED), None)
        return None if nearest is None else self._returned(nearest, row, now)

    def _link_at(self, slot: int, callee: Loaded) -> Link:
        pc = self._word(slot)
        return Link.WRONG if pc is None else self.link(pc, callee)

    def _returned(self, slot: int, row: Row | None, now: _At) -> _At:
        cfa = slot + _WORD
        return _At(self._word(slot) or 0, cfa, self._frame_pointer(row, now, cfa))

    def _interrupted(self, row: Row, now: _At, slot: int | None) -> _At | None:
        """What ran when the signal came, by what the kernel saved of it."""
        cfa = self._place(row.cfa, now, None) if row.cfa else None
        pc = None if slot is None else self._word(slot)
        if cfa is None or pc is None or not now.sp < cfa < self._end:
            return None
        return _At(pc, cfa, self._frame_pointer(row, now, cfa), interrupted=True)

    def link(self, pc: int, callee: Loaded) -> Link:
        """What ties the return address `pc` to `callee`."""
        call = self._code.call_before(pc)
        if call is None:
            begun = self._code.returns_from_signal(pc) or self._ends_goroutine(pc)
            return Link.POSSIBLE if begun else Link.WRONG
        called = self._code.called_before(pc)
        if called is None or called.name == _LANDING_PAD:
            return Link.POSSIBLE
        if _same(called, callee):
            return Link.PROVED
        if call.symbol and (called.function.is_resolver or _is_loader(callee)):
            return Link.POSSIBLE if called.function.is_resolver else Link.PROVED
        start = callee.function.start
        if called.file is callee.file and called.file.jumps_to(called.function, start):
            return Link.PROVED
        caller = self._code.function(pc - 1)
        return Link.POSSIBLE if caller and self._code.may_call(caller, callee) else Link.WRONG

    def _ends_goroutine(self, pc: int) -> bool:
        """Whether `pc` is where a goroutine's first function returns to, which nobody called (runtime/proc.go)."""
        function = self._code.function(pc - 1)
        return function is not None and function.name == "runtime.goexit"

    def _return_slot(self, row: Row | None, now: _At) -> int | None:
        if row is None or row.cfa is None:
            return None
        cfa = self._place(row.cfa, now, None)
        saved = row.saved.get(_RETURN_ADDRESS)
        if cfa is None or cfa <= now.sp or saved is None:
            return None
        return self._address(saved, now, cfa)

    def _frame_pointer(self, row: Row | None, now: _At, cfa: int) -> int | None:
        """The caller's frame pointer."""
        if row is None:
            return None
        if _FRAME_POINTER not in row.saved:
            return now.fp
        place = row.saved[_FRAME_POINTER]
        at = None if place is None else self._address(place, now, cfa)
        return None if at is None else self._above(at)

    def _place(self, place: Place, now: _At, cfa: int | None) -> int | None:
        at = self._address(place, now, cfa)
        return self._word(at) if place.indirect and at is not None else at

    def _address(self, place: Place, now: _At, cfa: int | None) -> int | None:
        registers = {None: cfa, _STACK_POINTER: now.sp, _FRAME_POINTER: now.fp}
        base = registers.get(place.register)
        return None if base is None else base + place.offset

    def _further(self, now: _At, found: _At, row: Row | None) -> int:
        """How many frames follow that are like the one from `now` to `found`: a recursion is counted, not walked."""
        size = found.sp - now.sp
        if found.pc != now.pc or size % _WORD or row is None or row.cfa is None:
            return 0
        returns = self._index(found.sp - _WORD)[:: size // _WORD]
        same = next((n for n, pc in enumerate(returns) if pc != found.pc), len(returns))
        if row.cfa.register == _STACK_POINTER:
            return same - 1
        saved = row.saved.get(_FRAME_POINTER)
        if saved is None or found.fp is None or now.fp is None or found.fp - now.fp != size:
            return 0
        links = self._index(found.sp + saved.offset)[:: size // _WORD]
        linked = next((n for n, fp in enumerate(links) if fp != found.fp + n * size), len(links))
        return max(0, min(same, linked) - 1)

    def _advance(self, found: _At, by: int, row: Row | None) -> _At:
        """Where a recursion leads to that goes on for so many bytes."""
        if not by:
            return found
        saved = row.saved.get(_FRAME_POINTER) if row else None
        sp = found.sp + by
        fp = found.fp if saved is None else self._above(sp + saved.offset)
        return _At(found.pc, sp, fp)

    def _index(self, address: int) -> memoryview[int]:
        """The words from `address` upward."""
        return self._words[max(0, (address - self._stack.start) // _WORD) :]

    @property
    def _end(self) -> int:
        return self._stack.start + len(self._words) * _WORD

    def _word(self, address: int) -> int | None:
        at, odd = divmod(address - self._stack.start, _WORD)
        return self._words[at] if not odd and 0 <= at < len(self._words) else None

    def _above(self, slot: int) -> int | None:
        """The word at `slot`, if it points further up this stack, as a saved frame pointer does."""
        value = self._word(slot)
        return value if value is not None and slot < value < self._end else None


def _same(called: Loaded, callee: Loaded) -> bool:
    """Whether both are one function; a compiler may have split it, and gives each part its name."""
    if called.file is not callee.file:
        return False
    return called.function.start == callee.function.start or called.name == callee.name


def _is_loader(callee: Loaded) -> bool:
    """Whether `callee` is the dynamic linker's, which comes first when a function is called for the first time."""
    return callee.file.path.name.startswith(("ld-", "ld.so"))
