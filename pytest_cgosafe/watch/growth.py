"""Watches every goroutine stack as it grows, where that is asked for: by a trap at the runtime's ``copystack``.

A stack grows by doubling, so most goroutines come by a few times or never. A program whose goroutines grow by the
thousand is let go after a while, because each of them stops for it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.watch.images import Image
    from pytest_cgosafe.watch.sampler import Sampler
    from pytest_cgosafe.watch.traps import Entry

_FUNCTION: Final = "runtime.copystack"
"""``copystack(gp *g, newsize uintptr)`` in stack.go, the only way from one stack to another, from Go 1.4 to 1.27."""
_FREE: Final = 4_000
"""Growths that are looked at in any case."""
_RATE: Final = 50
"""Growths a second that are looked at beyond these."""


class GrowthProbe:
    """Sees every growth, and tells the sampler (watch.traps.Probe)."""

    def __init__(self, sampler: Sampler) -> None:
        self.saw_all = False
        """Whether every growth was seen, and none missed."""
        self.notes: list[str] = []
        self._sampler = sampler
        self._began = time.perf_counter()
        self._hits = 0

    def places(self, image: Image) -> Iterator[int]:
        """The entry of the function, where the file has it."""
        symbol = image.symbols.symbol(_FUNCTION) if image.symbols else None
        if symbol:
            self.saw_all = True
            yield image.bias + symbol.address

    def hit(self, entry: Entry) -> bool:
        """A stack grows, or is shrunk by the collector."""
        self._hits += 1
        goroutine, size, _ = entry.registers.go_arguments
        self._sampler.grows(goroutine, size)
        if self._hits > _FREE + _RATE * (time.perf_counter() - self._began):
            self.saw_all = False
            self.notes.append(
                f"goroutine stacks grew so often that only the first {self._hits:,} growths were watched; "
                "after that they were looked at now and then"
            )
        return self.saw_all
