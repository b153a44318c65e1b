"""What call frame information says of the stack pointer: its depth, where the CFA is given by it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.binary.callframes import CallFrames, table

if TYPE_CHECKING:
    from pytest_cgosafe.binary.image import Image

_SECTIONS: Final = ((".eh_frame", True), (".debug_frame", False))


@dataclass(frozen=True, slots=True)
class _Depths:
    starts: tuple[int, ...]
    depths: tuple[int | None, ...]


class StackDepths:
    """The call frame information of one file, asked for the stack pointer; empty where the file has none."""

    def __init__(self, image: Image, stack_register: int) -> None:
        self._image = image
        self._stack_register = stack_register
        self._decoded: dict[int, _Depths] = {}

    @cached_property
    def _frames(self) -> CallFrames:
        return CallFrames(
            tuple(
                table(section.data, section.start, is_eh=is_eh)
                for name, is_eh in _SECTIONS
                if (section := self._image.section(name))
            )
        )

    def span(self, address: int) -> range | None:
        """The code that is described together with `address`: a function, or a part of one."""
        entry = self._frames.entry(address)
        return range(entry.start, entry.end) if entry else None

    def at(self, address: int) -> int | None:
        """How deep the stack pointer is at the instruction at `address`; None where this does not tell."""
        known = self._known(address)
        index = bisect_right(known.starts, address) - 1
        return known.depths[index] if index >= 0 else None

    def deepest(self, address: int) -> int:
        """The deepest that the stack pointer is known to be anywhere in the code described with `address`, or 0."""
        return max((depth for depth in self._known(address).depths if depth is not None), default=0)

    def _known(self, address: int) -> _Depths:
        entry = self._frames.entry(address)
        if not entry:
            return _Depths((), ())
        if entry.start not in self._decoded:
            rows = [(start, row.cfa) for start, row in self._frames.rows(entry)]
            self._decoded[entry.start] = _Depths(
                tuple(start for start, _ in rows),
                tuple(
                    cfa.offset
                    if cfa and cfa.register == self._stack_register and not cfa.indirect
                    else None
                    for _, cfa in rows
                ),
            )
        return self._decoded[entry.start]
