"""The files of a watched program that are in memory: its own, and each library once it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_cgosafe.watch import procfs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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


@dataclass(frozen=True)
class Image:
    """An ELF file that was loaded."""

    path: Path
    bias: int
    """What to add to an address as linked."""
    lookup: SymbolLookup

    @cached_property
    def symbols(self) -> Symbols | None:
        """Its symbols; None where it is not an ELF file that can be read."""
        return self.lookup(self.path)


class Images:
    """Finds them, each one once."""

    def __init__(self, pid: int, lookup: SymbolLookup) -> None:
        self._pid = pid
        self._lookup = lookup
        self._seen: set[str] = set()

    def program(self) -> Image | None:
        """The program's own file. Raises OSError when the program is gone."""
        path = Path(f"/proc/{self._pid}/exe").readlink()
        self._seen.add(str(path))
        symbols, entry = self._lookup(path), procfs.entry_point(self._pid)
        return Image(path, entry - symbols.entry, self._lookup) if symbols and entry else None

    def libraries(self) -> Iterator[Image]:
        """The files mapped since the last time."""
        for mapping in procfs.mappings(self._pid):
            # A library is linked at 0 and its first segment starts at offset 0 of the file.
            if (
                mapping.offset == 0
                and mapping.path.startswith("/")
                and mapping.path not in self._seen
            ):
                self._seen.add(mapping.path)
                yield Image(Path(mapping.path), mapping.start, self._lookup)
