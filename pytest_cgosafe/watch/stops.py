"""What a watched program may stop for, and who is asked about it then."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class StopReason(Enum):
    """Why a thread is stopped."""

    SIGNAL = auto()
    """A signal that kills by default with a core (SIGSEGV, SIGABRT, ...; signal(7)) is about to be delivered."""
    BREAKPOINT = auto()
    """The thread is about to run a function that the observer named."""
    TIMEOUT = auto()
    """The time is up; the program is killed after this stop."""
    EXIT = auto()
    """The program is about to end; its memory is still there, it cannot be examined by a debugger any more."""


@dataclass(frozen=True, slots=True)
class SignalInfo:
    """A signal as sigaction(2)'s siginfo_t tells it."""

    name: str
    code: int
    address: int | None
    """si_addr, for the signals that the kernel raises for a fault; None for one that was sent."""


@dataclass(frozen=True, slots=True)
class Stop:
    """One thread of a watched program, stopped."""

    pid: int
    tid: int
    reason: StopReason
    pc: int
    sp: int
    signal: SignalInfo | None = None
    breakpoint: str | None = None


class Observer(Protocol):
    """Looks at a watched program's stops. Called in the watcher's thread."""

    @property
    def breakpoints(self) -> Sequence[str]:
        """Functions of the program (or a Go library that it loads) whose entry is a stop."""

    def wants(self, stop: Stop) -> bool:
        """Whether `stop` is worth a debugger. Must be quick; memory can be read through ``/proc/PID/mem``.

        Also called, and its answer unused, for the EXIT stop.
        """

    def examine(self, stop: Stop) -> None:
        """Look at the whole program with a debugger: every thread is stopped and no one traces it.

        It must be left stopped and untraced.
        """
