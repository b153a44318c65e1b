"""Hardware breakpoints of a watched program: which functions they are on, and where those were loaded.

One slot is the watcher's own: the function with which the C library gives a finished thread's stack back. The rest are
the observer's. The program's file is asked first, then each library once it is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_cgosafe.watch import procfs, ptrace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STACK_RELEASE = ("__unmapself", "madvise")
"""What a finishing thread gives its stack back with: the first in musl, the second in glibc (nptl/allocatestack.c)."""

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
        self._release: int | None = None
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
        return (self._release, *observed[: _SLOTS - 1])

    @property
    def complete(self) -> bool:
        """Whether nothing is left to search for."""
        return self._release is not None and not self._wanted

    @property
    def sees_release(self) -> bool:
        """Whether the end of a thread's stack can be seen at all."""
        return self._release is not None

    def is_release(self, pc: int) -> bool:
        """Whether a thread stopped at `pc` is about to give memory back."""
        return pc == self._release

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
        if self._release is None:
            found = (symbol for name in STACK_RELEASE if (symbol := symbols.symbol(name)))
            self._release = next((symbol.address + bias for symbol in found), None)
        for name in tuple(self._wanted):
            if symbol := symbols.symbol(name):
                self._observed[symbol.address + bias] = name
                self._wanted.remove(name)

    def arm(self, tid: int, *, release: bool = True) -> bool:
        """Set what was found on a stopped thread, the watcher's own on demand; False where the machine refuses."""
        slots = self.slots if release else (None, *self.slots[1:])
        if not any(self.slots):
            return True
        try:
            ptrace.set_breakpoints(tid, slots)
        except ProcessLookupError:
            raise
        except OSError as error:
            self.notes.append(f"hardware breakpoints were refused: {error.strerror or error}")
            return False
        return True
