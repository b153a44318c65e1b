"""Decides which stops of a watched program are worth a debugger, and which of them the program died of.

No stop is known to be fatal when it happens: Go recovers from a nil dereference of its own, a C handler may jump away.
So a picture is taken while there is something to see, and counts only if the program then dies of it.
"""

from __future__ import annotations

import struct
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.crash.gostate import GoFinder
from pytest_cgosafe.errors import DebuggerError
from pytest_cgosafe.results import Hang
from pytest_cgosafe.watch.procfs import Memory
from pytest_cgosafe.watch.stops import StopReason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_cgosafe.binary.elf import Elf
    from pytest_cgosafe.crash.gostate import GoState, GoThread
    from pytest_cgosafe.crash.picture import Picture
    from pytest_cgosafe.results import Exit
    from pytest_cgosafe.watch.stops import SignalInfo, Stop

_PANIC: Final = "runtime.gopanic"
_FATAL_PANIC: Final = "runtime.fatalpanic"
_FATAL_ERROR: Final = "runtime.fatalthrow"

_MOST_PICTURES = 8  # of stops that the program may survive: each takes some tenths of a second
_MOST_PER_PLACE = 2
_SI_KERNEL = 0x80  # sigaction(2)
_COMPARED = 4096
"""Bytes of a stack that tell two panics at the same place apart."""
_HANDLER_DEPTH = 256 * 1024
"""Bytes of stack that a signal handler may have used when it ends the program."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A stop that the program may be dying of."""

    stop: Stop
    signal: SignalInfo | None
    """What started it: the signal, also of a Go panic that a signal became."""
    place: tuple[object, ...] = ()
    """Equal for stops that a picture would show the same of, as far as that can be told without one."""
    stacks: tuple[bytes, ...] = ()
    """Of a panic: what stood on the stacks that a picture shows."""
    picture: Picture | None = None
    notes: tuple[str, ...] = ()
    """Why there is no picture, or in which way it isn't of this very stop."""


class Camera:
    """The Observer of a run that is to explain crashes and hangs."""

    breakpoints: Sequence[str] = (_PANIC, _FATAL_PANIC, _FATAL_ERROR)

    def __init__(self, program: Elf | None, take: Callable[[Stop], Picture]) -> None:
        """`program` is the executable's symbols, `take` has a look with a debugger (every thread for a TIMEOUT)."""
        self._finder = GoFinder(program)
        self._take = take
        self._suspect: Shot | None = None
        self._raised: set[str] = set()
        """The names of the signals raised since the suspect, its own included."""
        self._panics: dict[int, Shot] = {}
        """The last panic of each goroutine: its C frames are gone by the time that it turns out to be fatal.

        Not of each thread: once a callback's deferred calls have run, the goroutine may go on on another.
        """
        self._faults: dict[int, Stop] = {}
        """The last signal of each goroutine that Go is about to make a panic of."""
        self._taken: list[Shot] = []
        self._fatal = False
        self._down_at_exit: bool | None = None
        self.hang: Hang | None = None
        """Where every thread stood when the time was up."""
        self.notes: list[str] = []
        """What kept a hang from being seen."""

    def wants(self, stop: Stop) -> bool:
        """Whether `stop` is worth a debugger (Observer)."""
        if stop.reason is StopReason.TIMEOUT:
            return True
        with closing(Memory(stop.pid)) as memory:
            go = self._finder.find(stop.pid, memory)
            if stop.reason is StopReason.EXIT:
                self._down_at_exit = self._in_handler(stop, memory) or (
                    go.panicking if go else False
                )
                return False
            if self._fatal:
                return False
            if stop.reason is StopReason.BREAKPOINT:
                return self._wants_panic(stop, go)
            return self._wants_signal(stop, memory, go)

    def examine(self, stop: Stop) -> None:
        """Have a look (Observer)."""
        picture, notes = self._look(stop)
        if stop.reason is StopReason.TIMEOUT:
            self.hang = Hang(picture.threads, picture.others) if picture else None
            self.notes += notes
            return
        for goroutine, shot in self._panics.items():
            if shot.stop == stop:
                self._panics[goroutine] = self._taken_of(shot, picture, notes)
        if self._suspect and self._suspect.stop == stop:
            self._suspect = self._taken_of(self._suspect, picture, notes)

    def _taken_of(self, shot: Shot, picture: Picture | None, notes: tuple[str, ...]) -> Shot:
        self._taken.append(replace(shot, picture=picture, notes=notes))
        return self._taken[-1]

    def _look(self, stop: Stop) -> tuple[Picture | None, tuple[str, ...]]:
        try:
            return self._take(stop), ()
        except DebuggerError as error:
            return None, (f"gdb could not look at the program: {error.message}",)

    @property
    def went_down(self) -> bool | None:
        """Whether the program ended by its own hand in a crash, not by a plain exit; None where no one could see."""
        return self._fatal or self._down_at_exit

    def crash_stop(self, ending: Exit, *, said: bool = False) -> Shot | None:
        """What the program died of, or None: it survived all that, or nothing that was seen here killed it.

        `said` is whether the program's output tells of a crash; it counts where nothing better is known.
        """
        if self._suspect is None or ending.timed_out or ending.code == 0:
            return None
        if ending.signal:
            died = self._fatal or ending.signal in self._raised
        else:
            died = said if self.went_down is None else self.went_down
        return self._suspect if died else None

    def _wants_panic(self, stop: Stop, go: GoState | None) -> bool:
        thread = go.thread(stop.tid) if go else None
        goroutine = _goroutine(stop, thread)
        if stop.breakpoint == _PANIC:
            stacks = _stacks(stop, thread, go.memory) if go else ()
            last = self._panics.get(goroutine)
            if last and last.picture and stacks and last.stacks == stacks:
                # Mostly the same one: a thread that is interrupted before it runs on is stopped once more.
                return False
            caller = go.memory.read(stop.sp, 8) if go else b""  # amd64: the return address
            fault = self._faults.pop(goroutine, None)
            place = (_PANIC, caller, fault.pc if fault else None)
            shot = self._panics[goroutine] = Shot(
                stop, fault.signal if fault else None, place, stacks
            )
            return (thread is None or thread.in_callback) and self._may_take(shot)
        self._fatal = True
        panic = self._panics.get(goroutine) if stop.breakpoint == _FATAL_PANIC else None
        if panic and panic.picture:
            self._suspect = panic
            return False
        started = panic or self._faults.pop(goroutine, None)
        self._suspect = Shot(stop, started.signal if started else None)
        return True

    def _wants_signal(self, stop: Stop, memory: Memory, go: GoState | None) -> bool:
        signal = stop.signal
        if signal is None:
            return False
        if self._suspect and (
            bool(go and go.panicking)
            or _handles(self._suspect.stop, stop, memory)
            or _is_forced(self._suspect.stop, stop)
        ):
            self._raised.add(signal.name)  # by whoever handles the suspect's signal, to die of it
            return False
        if signal.name == "SIGQUIT":  # somebody wants it to end
            self._suspect = None
            return False
        if _becomes_panic(stop, signal, go):
            self._faults[_goroutine(stop, go.thread(stop.tid) if go else None)] = stop
            return False
        self._raised = {signal.name}
        self._suspect = Shot(stop, signal, (signal.name, stop.pc))
        if self._may_take(self._suspect):
            return True
        self._suspect = self._seen_before(self._suspect)
        return False

    def _in_handler(self, stop: Stop, memory: Memory) -> bool:
        return self._suspect is not None and _handles(self._suspect.stop, stop, memory)

    def _may_take(self, shot: Shot) -> bool:
        here = sum(taken.place == shot.place for taken in self._taken)
        return len(self._taken) < _MOST_PICTURES and here < _MOST_PER_PLACE

    def _seen_before(self, shot: Shot) -> Shot:
        """`shot` with an earlier picture of the same instruction, if there is one."""
        pictures = [taken.picture for taken in self._taken if taken.place == shot.place]
        note = f"the program survived so many faults that only the first {len(self._taken)} were looked at"
        if pictures:
            note += "; shown is an earlier one, at the same instruction"
        return replace(shot, picture=pictures[-1] if pictures else None, notes=(note,))


def _goroutine(stop: Stop, thread: GoThread | None) -> int:
    """What tells the goroutine that stopped from others: its address, or the thread where that is not known."""
    return thread.goroutine if thread and thread.goroutine else stop.tid


def _stacks(stop: Stop, thread: GoThread | None, memory: Memory) -> tuple[bytes, ...]:
    """What a picture of a panic is taken of: the live part of the goroutine's stack, and of the C code's below it."""
    if thread is None:
        return ()
    live = thread.goroutine_stack.stop - stop.sp
    return (
        memory.read(stop.sp, max(0, min(live, _COMPARED))),
        memory.read(thread.thread_sp, _COMPARED),
    )


def _becomes_panic(stop: Stop, signal: SignalInfo, go: GoState | None) -> bool:
    """Whether Go will make a panic of it: a fault in Go code, on a goroutine's stack (`sighandler`, signal_unix.go)."""
    if (
        signal.name not in ("SIGSEGV", "SIGBUS", "SIGFPE")
        or signal.code <= 0
        or go is None
        or not go.is_go_code(stop.pc)
    ):
        return False
    thread = go.thread(stop.tid)
    return thread is None or stop.sp in thread.goroutine_stack


def _handles(fault: Stop, now: Stop, memory: Memory) -> bool:
    """Whether the thread still handles `fault`: the kernel's signal frame, with sp and pc in it, stands on its stack.

    sp and pc are neighbours in the frame on amd64 (rsp, rip) and on arm64 (the kernel's asm/sigcontext.h).
    """
    if fault.tid != now.tid or fault.reason is not StopReason.SIGNAL or fault.sp == now.sp:
        return False
    return struct.pack("<QQ", fault.sp, fault.pc) in memory.read(now.sp, _HANDLER_DEPTH)


def _is_forced(fault: Stop, now: Stop) -> bool:
    """Whether the kernel kills with `now` because `fault` could not be delivered: no room on the stack for its frame.

    The thread has not moved in between (`force_sigsegv`, the kernel's signal.c: si_code is SI_KERNEL).
    """
    return (
        now.signal is not None
        and (now.signal.name, now.signal.code) == ("SIGSEGV", _SI_KERNEL)
        and (fault.tid, fault.pc, fault.sp) == (now.tid, now.pc, now.sp)
    )
