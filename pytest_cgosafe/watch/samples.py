"""Samples of a run, few enough to keep however long it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_cgosafe.results import Sample

_MOST: Final = 512
_FIRST_PERIOD: Final = 0.005


class Samples:
    """Keeps samples evenly over the run, and those with the most goroutines and the most memory."""

    def __init__(self) -> None:
        self._kept: list[Sample] = []
        self.period = _FIRST_PERIOD
        """Seconds from one sample to the next, at least."""

    @property
    def kept(self) -> tuple[Sample, ...]:
        """In order of time."""
        return tuple(self._kept)

    def add(self, sample: Sample) -> None:
        """Keep another one; every second of those before is let go when there are too many."""
        self._kept.append(sample)
        if len(self._kept) >= _MOST:
            self.period *= 2
            most = {
                max(self._kept, key=lambda one: one.goroutines or 0),
                max(self._kept, key=lambda one: one.rss or 0),
            }
            self._kept = [
                one for number, one in enumerate(self._kept) if number % 2 == 0 or one in most
            ]
