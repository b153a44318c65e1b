"""What a debugger could tell about a stopped process or a core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_cgosafe.results import Backtrace, GoroutineGroup, Recursion, Register
    from pytest_cgosafe.watch.stops import SignalInfo


@dataclass(frozen=True, slots=True)
class Picture:
    """One look at a program with a debugger, before it is known whether what stopped it will kill it."""

    backtrace: Backtrace
    """Of the thread that was asked for; of a core, the thread that crashed."""
    signal: SignalInfo | None = None
    """The signal as given by the caller, or as a core keeps it; None where no signal stopped the program."""
    cause: str | None = None
    """What happened, in one line, where memory and registers tell; None where only Go's own report can know."""
    recursion: Recursion | None = None
    registers: tuple[Register, ...] = ()
    words: tuple[int, ...] = ()
    """The words at the stack pointer, lowest address first; 20 where the stack has that many."""
    others: tuple[GoroutineGroup, ...] = ()
    """The goroutines that the backtraces do not show, grouped by equal stacks."""
    threads: tuple[Backtrace, ...] = ()
    """Every thread, where all were asked for (a hang, a running process)."""
    notes: tuple[str, ...] = ()
    """What could not be found out, and why."""
