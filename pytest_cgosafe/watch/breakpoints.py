"""Hardware breakpoints of a watched program: which functions they are on, and where those were loaded.

One slot is the watcher's own: the last call of every thread while its stack is still whole. The rest are the
observer's. The program's file is asked first, then each library once it is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_cgosafe.watch import procfs, ptrace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

THREAD_END = ("__nptl_deallocate_tsd", "__call_tls_dtors", "__pthread_tsd_run_dtors")
"""What a thread calls when its own function has returned: in glibc's nptl/pthread_create.c (only static builds name the
first), in musl's src/thread/pthread_create.c.

Soon after that it gives the memory of its stack back. The call that does so (``madvise``, ``__unmapself``) would be too
late: all signals are blocked by then, and the kernel forces a blocked SIGTRAP through by resetting its handler.
"""

_SLOTS = 4


class Address(Protocol):
    """Where a symbol is."""

    @property
    def address(self) -> int:
        """As linked: without the load bias."""


class Symbols(Protocol):
    """What the watcher needs to know of an ELF file."""

    @property
    def entry(self) -> int:
        """The entry point as linked."""

    def symbol(self, name: str, /) -> Address | None:
        """The defined symbol of that name."""


if TYPE_CHECKING:
    SymbolLookup = Callable[[Path], Symbols | None]


class Breakpoints:
    """The breakpoints of one program image."""

    def __init__(self, pid: int, lookup: SymbolLookup, names: Sequence[str]) -> None:
        self._pid = pid
        self._lookup = lookup
        self._wanted = list(names[: _SLOTS - 1])
        self._end: int | None = None
        self._observed: dict[int, str] = {}
        self._searched: set[str] = set()
        self.notes: list[str] = []
        if len(names) >= _SLOTS:
            self.notes.append(
                f"only {_SLOTS - 1} breakpoints can be set; left out: {', '.join(names[_SLOTS - 1 :])}"
            )

    @property
    def slots(self) -> tuple[int | None, ...]:
        """The addresses, by debug register."""
        observed = (*self._observed, *(None,) * (_SLOTS - 1))
        return (self._end, *observed[: _SLOTS - 1])

    @property
    def complete(self) -> bool:
        """Whether nothing is left to search for."""
        return self._end is not None and not self._wanted

    @property
    def sees_thread_end(self) -> bool:
        """Whether the end of a thread can be seen while its stack is whole."""
        return self._end is not None

    def is_thread_end(self, pc: int) -> bool:
        """Whether a thread stopped at `pc` is about to end, with its stack still whole."""
        return pc == self._end

    def observed(self, pc: int) -> str | None:
        """The observer's function that starts at `pc`."""
        return self._observed.get(pc)

    def search_program(self) -> None:
        """Look into the program's own file."""
        path = Path(f"/proc/{self._pid}/exe").readlink()
        self._searched.add(str(path))
        symbols, entry = self._lookup(path), procfs.entry_point(self._pid)
        if symbols and entry is not None:
            self._take(symbols, entry - symbols.entry)

    def search_libraries(self) -> bool:
        """Look into the files mapped since the last time; whether that found anything."""
        before = self.slots
        for mapping in procfs.mappings(self._pid):
            # A library is linked at 0 and its first segment starts at offset 0 of the file.
            if (
                mapping.offset == 0
                and mapping.path.startswith("/")
                and mapping.path not in self._searched
            ):
                self._searched.add(mapping.path)
                if not self.complete and (symbols := self._lookup(Path(mapping.path))):
                    self._take(symbols, mapping.start)
        return self.slots != before

    def _take(self, symbols: Symbols, bias: int) -> None:
        if self._end is None:
            found = (symbol for name in THREAD_END if (symbol := symbols.symbol(name)))
            self._end = next((symbol.address + bias for symbol in found), None)
        for name in tuple(self._wanted):
            if symbol := symbols.symbol(name):
                self._observed[symbol.address + bias] = name
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
