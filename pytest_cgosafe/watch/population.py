"""What was seen of a program's goroutines over its life: the most at once, and the largest stack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_cgosafe.watch.goroutines import WINDOW

if TYPE_CHECKING:
    from pytest_cgosafe.watch.gocount import GoroutineCounter
    from pytest_cgosafe.watch.goroutines import Goroutine, GoroutineReader
    from pytest_cgosafe.watch.images import Image


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was seen of a program's goroutines."""

    image: Image
    """The file that holds the Go runtime."""
    most: int
    """Alive at once, the runtime's own not counted."""
    listed: int
    """Ever made: ended ones are used again."""
    limit: int
    largest: Goroutine
    """The first that had the largest stack."""


class Population:
    """Keeps what is seen of the goroutines of one program image."""

    def __init__(self, reader: GoroutineReader, counter: GoroutineCounter, image: Image) -> None:
        self._reader = reader
        self._counter = counter
        self._image = image
        self._next = 0
        self._most = 0
        self._listed = 0
        self._limit: int | None = None
        self._largest: Goroutine | None = None
        self.looks = 0
        """How often the whole list was read."""

    @property
    def seen(self) -> Seen | None:
        """What was seen so far; None where that was nothing."""
        if self._largest is None or self._limit is None:
            return None
        return Seen(self._image, self._most, self._listed, self._limit, self._largest)

    def count(self) -> int | None:
        """The goroutines that are alive now, the runtime's own not counted; None where that can't be read."""
        alive = self._counter.count()
        self._most = max(self._most, alive or 0)
        return alive

    def look(self) -> bool:
        """Count them, and read the next window of the list; False when there is none (yet, or no more)."""
        counts = self._reader.counts()
        if counts is None:
            return False
        windows = -(-counts.listed // WINDOW)
        number = self._next if self._next < windows else 0
        largest = self._reader.largest(counts, number)
        if largest is None or self.count() is None:
            return False
        self._listed, self._limit = counts.listed, counts.limit
        for goroutine in largest:
            self._weigh(goroutine)
        self._look_at_largest()
        self._next = (number + 1) % windows
        self.looks += self._next == 0
        return True

    def look_at_all(self) -> None:
        """Read the whole list."""
        self._next = 0
        while self.look() and self._next:
            pass

    def grows(self, address: int, size: int) -> None:
        """Take note that the stack of the goroutine at `address` is about to become one of `size` bytes."""
        if self._largest is None or size > self._largest.size:
            goroutine = self._reader.growing(address, size)
            if goroutine:
                self._weigh(goroutine)

    def _weigh(self, found: Goroutine) -> None:
        if self._largest is None or found.size > self._largest.size:
            self._largest = found

    def _look_at_largest(self) -> None:
        """See whether the largest stack is in deeper use by now."""
        if self._largest is None:
            return
        then = self._largest
        now = self._reader.goroutine(then.address)
        if now and (now.id, now.size) == (then.id, then.size) and now.used is not None:
            self._largest = replace(then, used=max(now.used, then.used or 0))
