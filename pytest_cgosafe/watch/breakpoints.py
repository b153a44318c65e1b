"""Hardware breakpoints of a watched program: which functions they are on. Nothing is written to its memory for them.

One slot is the watcher's own: the last call of every thread while its stack is still whole. The rest are the
observer's, once the program's own work has begun. The program's file is asked first, then each library once it is
loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_cgosafe.watch import ptrace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_cgosafe.watch.images import Image

THREAD_END = ("__nptl_deallocate_tsd", "__call_tls_dtors", "__pthread_tsd_run_dtors")
"""What a thread calls when its own function has returned: in glibc's nptl/pthread_create.c (only static builds name the
first), in musl's src/thread/pthread_create.c.

Soon after that it gives the memory of its stack back. The call that does so (``madvise``, ``__unmapself``) would be too
late: all signals are blocked by then, and the kernel forces a blocked SIGTRAP through by resetting its handler.
"""

_SLOTS = 4


class Breakpoints:
    """The breakpoints of one program image."""

    def __init__(self, names: Sequence[str], begin: int | None = None) -> None:
        """`begin` is where the program's own work begins; it takes the observer's last slot until it is reached."""
        self._begin = begin
        self._wanted = list(names[: _SLOTS - 1])
        self._end: int | None = None
        self._observed: dict[int, str] = {}
        self.notes: list[str] = []
        if len(names) >= _SLOTS:
            self.notes.append(
                f"only {_SLOTS - 1} breakpoints can be set; left out: {', '.join(names[_SLOTS - 1 :])}"
            )

    @property
    def slots(self) -> tuple[int | None, ...]:
        """The addresses, by debug register."""
        observed = (*self._observed, *(None,) * (_SLOTS - 1))
        slots = (self._end, *observed[: _SLOTS - 1])
        return slots if self._begin is None else (*slots[:-1], self._begin)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to search for."""
        return self._end is not None and not self._wanted

    @property
    def sees_thread_end(self) -> bool:
        """Whether the end of a thread can be seen while its stack is whole."""
        return self._end is not None

    def begins(self, pc: int) -> bool:
        """Whether a thread stopped at `pc` begins with the program's own work; told once."""
        reached = pc == self._begin
        if reached:
            self._begin = None
        return reached

    def is_thread_end(self, pc: int) -> bool:
        """Whether a thread stopped at `pc` is about to end, with its stack still whole."""
        return pc == self._end

    def observed(self, pc: int) -> str | None:
        """The observer's function that starts at `pc`."""
        return self._observed.get(pc)

    def search(self, image: Image) -> None:
        """Look into a file that was loaded."""
        symbols = None if self.complete else image.symbols
        if symbols is None:
            return
        if self._end is None:
            found = (symbol for name in THREAD_END if (symbol := symbols.symbol(name)))
            self._end = next((symbol.address + image.bias for symbol in found), None)
        for name in tuple(self._wanted):
            if symbol := symbols.symbol(name):
                self._observed[symbol.address + image.bias] = name
                self._wanted.remove(name)

    def arm(self, tid: int) -> bool:
        """Set what was found on a stopped thread; False where the machine refuses."""
        if not any(self.slots):
            return True
        try:
            ptrace.set_breakpoints(tid, self.slots)
        except ProcessLookupError:
            raise
        except OSError as error:
            self.notes.append(f"hardware breakpoints were refused: {error.strerror or error}")
            return False
        return True
