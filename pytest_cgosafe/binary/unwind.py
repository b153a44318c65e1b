"""Walks up the frames that finished calls left on a stack.

Nothing says that what stands on a dead stack belongs together, so every step is checked: the return address that is
found must follow a call, and that call must lead to the function that is to return.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.binary.cfi import Place, Row
    from pytest_cgosafe.binary.loaded import Loaded, LoadedCode
    from pytest_cgosafe.watch.remains import Copy

_FRAME_POINTER, _STACK_POINTER, _RETURN_ADDRESS = 6, 7, 16  # rbp, rsp, rip: System V ABI, AMD64, figure 3.36
_WORD: Final = 8
_SEARCHED = 1 << 20
"""Bytes: the largest frame that is looked through for its end where nothing tells its size."""
_LONGEST: Final = 1_000_000
_SWITCHES: Final = frozenset(
    ("runtime.asmcgocall", "runtime.systemstack", "runtime.mcall", "runtime.goexit")
)
"""Where Go's runtime left another stack, or began one (runtime/asm_amd64.s)."""


class Link(Enum):
    """What ties a return address to the function that is to return there."""

    PROVED = auto()
    """The call before it leads to that function."""
    POSSIBLE = auto()
    """The call before it goes through a pointer."""
    WRONG = auto()
    """It follows no call, or a call of something else."""


class End(Enum):
    """Why a walk went no further."""

    OUTERMOST = auto()
    """No one called the last function: a thread or a goroutine began there."""
    SWITCH = auto()
    """Go's runtime came from another stack."""
    OVERWRITTEN = auto()
    """Later calls used the place where the next return address was."""
    LOST = auto()
    """Nothing tells where the next return address is."""
    BEYOND = auto()
    """The next return address is beyond what was copied."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Frames of one function in a row, all of the same size."""

    name: str
    low: int
    """The lowest address of the innermost one."""
    size: int
    count: int = 1
    function: Loaded | None = None


@dataclass(frozen=True, slots=True)
class Trail:
    """One walk."""

    frames: tuple[Frame, ...]
    end: End
    sp: int
    """The stack pointer of the last function, where it made the call that was followed: its own frame is not in
    `frames` unless the walk ended OUTERMOST."""
    last: Loaded | None
    """The function that the walk could not get beyond."""
    links: int
    """The number of steps that were proved."""
    innermost_known: bool
    """The first frame's function is known: it was not called through a pointer."""


@dataclass(slots=True)
class _At:
    """A place on the way: where a function stands in a call that it made."""

    pc: int
    sp: int
    fp: int | None
    """The frame pointer register; None where it is not known."""


class Walker:
    """Walks on one stack."""

    def __init__(self, stack: Copy, code: LoadedCode) -> None:
        self._stack = stack
        self._words = memoryview(stack.data)[: len(stack.data) // _WORD * _WORD].cast("Q")
        self._code = code

    def starts(self, within: int) -> Iterator[int]:
        """The places in the lowest `within` bytes of the stack where a return address stands."""
        for at in range(min(within // _WORD, len(self._words))):
            if self._code.call_before(self._words[at]):
                yield self._stack.start + at * _WORD

    def walk(self, slot: int) -> Trail:
        """Walk from the innermost return address, which stands at `slot`."""
        pc = self._word(slot)
        assert pc is not None  # the caller found it there
        callee = self._code.called_before(pc)
        first = Frame(
            callee.name if callee else "",
            self._stack.start,
            slot + _WORD - self._stack.start,
            function=callee,
        )
        frames, proved = [first], 0
        # A function that keeps a frame pointer pushes its caller's first, next to the return address.
        now = _At(pc, slot + _WORD, self._above(slot - _WORD))
        end = End.LOST
        while len(frames) < _LONGEST:
            function = self._code.function(now.pc - 1)
            row = self._code.row(now.pc - 1)
            if function is None:
                break
            if function.name in _SWITCHES:
                end = End.SWITCH
                break
            if row and row.saved.get(_RETURN_ADDRESS, 0) is None:
                frames.append(Frame(function.name, now.sp, 0, function=function))
                end = End.OUTERMOST
                break
            found, certain = self._caller(function, row, now)
            if found is None:
                end = self._why(certain)
                break
            frames.append(Frame(function.name, now.sp, found.sp - now.sp, function=function))
            proved += certain is None or self.link(found.pc, function) is Link.PROVED
            levels = self._more(frames, now, found, row)
            if levels:
                size = frames[-1].size
                frames.append(
                    Frame(function.name, found.sp, size, levels, function=function)
                )
                proved += levels
                found = self._advance(found, levels, size, row)
            now = found
        return Trail(
            tuple(frames), end, now.sp, self._code.function(now.pc - 1), proved, callee is not None
        )

    def link(self, pc: int, callee: Loaded) -> Link:
        """What ties the return address `pc` to `callee`."""
        call = self._code.call_before(pc)
        if call is None:
            return Link.WRONG
        called = self._code.called_before(pc)
        if called is None:
            return Link.POSSIBLE
        if _same(called, callee):
            return Link.PROVED
        if call.symbol and (called.function.is_resolver or _is_loader(callee)):
            return Link.POSSIBLE if called.function.is_resolver else Link.PROVED
        if called.file is callee.file and called.file.jumps_to(
            called.function, callee.function.start
        ):
            return Link.PROVED
        return Link.WRONG

    def _caller(self, function: Loaded, row: Row | None, now: _At) -> tuple[_At | None, int | None]:
        """Where `function`, which stands at `now`, returns to; else the address where that should have stood.

        By call frame information; where that counts from a register that is not known, by the nearest return
        address whose call leads to the function.
        """
        slot = self._return_slot(row, now)
        if slot is not None:
            pc = self._word(slot)
            if pc is not None and self.link(pc, function) is not Link.WRONG:
                return _At(pc, slot + _WORD, self._frame_pointer(row, now, slot + _WORD)), slot
            if row and row.cfa and row.cfa.register == _STACK_POINTER:
                return None, slot
        for at in range(now.sp, min(now.sp + _SEARCHED, self._end), _WORD):
            pc = self._word(at)
            if pc is not None and self.link(pc, function) is Link.PROVED:
                return _At(pc, at + _WORD, self._frame_pointer(row, now, at + _WORD)), None
        return None, slot

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
        at = place and self._address(place, now, cfa)
        return None if at is None else self._above(at)

    def _place(self, place: Place, now: _At, cfa: int | None) -> int | None:
        at = self._address(place, now, cfa)
        return self._word(at) if place.indirect and at is not None else at

    def _address(self, place: Place, now: _At, cfa: int | None) -> int | None:
        registers = {None: cfa, _STACK_POINTER: now.sp, _FRAME_POINTER: now.fp}
        base = registers.get(place.register)
        return None if base is None else base + place.offset

    def _why(self, slot: int | None) -> End:
        if slot is None:
            return End.LOST
        return End.OVERWRITTEN if slot < self._end else End.BEYOND

    def _more(self, frames: list[Frame], now: _At, found: _At, row: Row | None) -> int:
        """How many more frames like the last one follow: a recursion is counted, not walked."""
        size = frames[-1].size
        if found.pc != now.pc or size % _WORD or len(frames) < 2:
            return 0
        fixed = row and row.cfa and row.cfa.register == _STACK_POINTER
        if not fixed and (found.fp is None or now.fp is None or found.fp - now.fp != size):
            return 0
        first = (found.sp - self._stack.start) // _WORD - 1
        stride = size // _WORD
        saved = row and row.saved.get(_FRAME_POINTER)
        links = first + 1 + saved.offset // _WORD if saved and not fixed else None
        expected = found.fp or 0
        count = 0
        for at in range(first + stride, len(self._words), stride):
            if self._words[at] != found.pc:
                break
            if links is not None:
                expected += size
                if self._words[links + (count + 1) * stride] != expected:
                    break
            count += 1
        return count

    def _advance(self, found: _At, levels: int, size: int, row: Row | None) -> _At:
        sp = found.sp + levels * size
        place = row.saved.get(_FRAME_POINTER) if row else None
        fp = self._above(sp + place.offset) if place and place.register is None else found.fp
        return _At(found.pc, sp, fp)

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
