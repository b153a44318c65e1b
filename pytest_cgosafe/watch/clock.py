"""How long a program has been running."""

from __future__ import annotations

import time
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """Counts seconds from `start` to `stop`, the pauses taken off. May be read from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counted = 0.0
        self._since: float | None = None

    def start(self) -> None:
        """Begin or go on to count; nothing where it counts already."""
        with self._lock:
            if self._since is None:
                self._since = time.perf_counter()

    def stop(self) -> None:
        """Count no more until `start`."""
        with self._lock:
            if self._since is not None:
                self._counted += time.perf_counter() - self._since
                self._since = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take off the time that passes meanwhile."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @property
    def elapsed(self) -> float:
        """Seconds counted so far."""
        with self._lock:
            running = time.perf_counter() - self._since if self._since is not None else 0.0
            return self._counted + running
