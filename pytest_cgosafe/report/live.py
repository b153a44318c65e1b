"""A run while it goes on: one line on a terminal that is written again and again, and a warning when it gets tight."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.sizes import format_share, format_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from pytest_cgosafe.results import Sample
    from pytest_cgosafe.watch.sampler import LowHeadroom

_LONG: Final = 1.0
"""Seconds after which a run is long enough to be told of."""
_CLEAR: Final = "\r\x1b[K"


class LiveReport:
    """Tells of a run while it goes on (watch.sampler.Spectator)."""

    def __init__(self, stream: TextIO, warn: Callable[[str], object]) -> None:
        """The line goes to `stream`, where that is a terminal; `warn` is given each warning."""
        self._stream = stream if stream.isatty() else None
        self._warn = warn
        self._shown = False

    def sampled(self, sample: Sample) -> None:
        """Write the line."""
        if self._stream and sample.time >= _LONG:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(_CLEAR + render_sample(sample)[:width])
            self._stream.flush()
            self._shown = True

    def low(self, low: LowHeadroom) -> None:
        """Warn of a thread that has little of its stack left."""
        self.ended()
        self._warn(
            f"thread {low.tid} ({low.name}) has {format_share(1 - low.peak / low.limit)} headroom left after "
            f"{low.time:.1f} s: {format_size(low.peak)} of {format_size(low.limit)}; the program runs on"
        )

    def ended(self) -> None:
        """Take the line away."""
        if self._stream and self._shown:
            self._stream.write(_CLEAR)
            self._stream.flush()
            self._shown = False


def render_sample(sample: Sample) -> str:
    """A sample in one line."""
    peak = "?" if sample.peak is None else format_size(sample.peak)
    headroom = "" if sample.headroom is None else f" ({format_share(sample.headroom)} free)"
    parts = [
        f"{sample.time:.0f} s",
        f"C stack {peak}{headroom}",
        _counted(sample.threads, "thread"),
    ]
    if sample.goroutines is not None:
        parts.append(_counted(sample.goroutines, "goroutine"))
    if sample.rss is not None:
        parts.append(f"{format_size(sample.rss)} RSS")
    return ", ".join(parts)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
