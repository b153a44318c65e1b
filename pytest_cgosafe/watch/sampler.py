"""Looks at a running program now and then, without stopping it: goroutines, thread stacks, memory.

Works in a thread of its own, and spends of the run's time only a share that is fixed: what a look costs says when the
next one is due. Where goroutines are many, each look is at some of them.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final, Protocol

from pytest_cgosafe.results import Sample
from pytest_cgosafe.watch import procfs
from pytest_cgosafe.watch.bounds import Bounds
from pytest_cgosafe.watch.depths import Depths
from pytest_cgosafe.watch.gocount import GoroutineCounter
from pytest_cgosafe.watch.goroutines import GoroutineReader
from pytest_cgosafe.watch.population import Population
from pytest_cgosafe.watch.samples import Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import ModuleType

    from pytest_cgosafe.watch import threads
    from pytest_cgosafe.watch.clock import Clock
    from pytest_cgosafe.watch.goroutines import Layout
    from pytest_cgosafe.watch.images import Image
    from pytest_cgosafe.watch.population import Seen

_GOROUTINES, _SAMPLES = 0.01, 0.006
"""Shares of the run's time that may be spent, in CPU time of this thread."""
_LEAST_PAUSE: Final = 0.001
_TOLD_PERIOD: Final = 0.25


@dataclass(frozen=True, slots=True)
class LowHeadroom:
    """A thread that has come close to the end of its stack, and runs on."""

    tid: int
    name: str
    peak: int
    limit: int
    time: float
    """Seconds since the program's first instruction."""


class Spectator(Protocol):
    """Hears of a run while it goes on, in the thread that waits for the run's end."""

    def sampled(self, sample: Sample) -> None:
        """A new sample, some times a second."""

    def low(self, low: LowHeadroom) -> None:
        """A thread's headroom fell under a tenth; once for each thread."""

    def ended(self) -> None:
        """The run is over."""


class _Allowance:
    """CPU time of the calling thread, of which a share of the run's time may be spent."""

    def __init__(self, share: float) -> None:
        self._share = share
        self.spent = 0.0
        """CPU seconds."""

    def due(self, elapsed: float) -> float:
        """Seconds of the run from now until more may be spent."""
        return max(0.0, self.spent / self._share - elapsed)

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count what is spent meanwhile."""
        before = time.thread_time()
        try:
            yield
        finally:
            self.spent += time.thread_time() - before


class Sampler:
    """Samples one run."""

    def __init__(
        self, layout_of: Callable[[Path], Layout | None], spectator: Spectator | None = None
    ) -> None:
        """`layout_of` says of a loaded file where it keeps goroutines; None where it has no Go runtime that tells."""
        self.samples = Samples()
        self._layout_of = layout_of
        self._spectator = spectator
        self._news: deque[Sample | LowHeadroom] = deque()
        self._lock = Lock()
        self._stop = Event()
        self._thread: Thread | None = None
        self._clock: Clock | None = None
        self._wake: Callable[[], None] = _nothing
        self._pid = 0
        self._memory: procfs.Memory | None = None
        self._depths: Depths | None = None
        self._population: Population | None = None
        self._bounds: Bounds | None = None
        self._doubt: str | None = None
        self._failure: str | None = None
        self._live: Mapping[int, threads.Thread] = {}
        self._looks, self._sampling = _Allowance(_GOROUTINES), _Allowance(_SAMPLES)
        self._next_sample = 0.0
        self._next_told = 0.0
        self._psutil: ModuleType | None = None
        self._still = False
        """The program stands still, and was looked at."""

    @property
    def complete(self) -> bool:
        """Whether nothing is left to search for."""
        return self._population is not None

    @property
    def goroutines(self) -> Seen | None:
        """What was seen of goroutines; None where that was nothing."""
        return self._population.seen if self._population else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not as it should be."""
        return tuple(filter(None, (self._doubt, self._failure)))

    @property
    def looks(self) -> int:
        """How often every goroutine was looked at."""
        return self._population.looks if self._population else 0

    @property
    def spent(self) -> float:
        """CPU seconds spent on looking while the program ran."""
        return self._looks.spent + self._sampling.spent

    # Called in the thread that waits for the run

    def attend(self, clock: Clock, wake: Callable[[], None]) -> None:
        """Get ready for a run: `wake` is called when there is something to `deliver`."""
        import psutil  # noqa: PLC0415 (slow to import; here it takes nothing from the run)

        self._clock, self._wake, self._psutil = clock, wake, psutil

    def deliver(self) -> None:
        """Tell the spectator the news."""
        while self._spectator and self._news:
            news = self._news.popleft()
            if isinstance(news, Sample):
                self._spectator.sampled(news)
            else:
                self._spectator.low(news)

    def done(self) -> None:
        """The run is over."""
        if self._spectator:
            self._spectator.ended()

    # Called by the tracer, in its thread

    def begin(self, pid: int, live: Mapping[int, threads.Thread]) -> None:
        """Begin with a program that has just been loaded; `live` always holds its threads. Raises OSError."""
        with self._lock:
            self._close_memory()
            self._pid, self._memory = pid, procfs.Memory(pid)
            self._live = live
            self._depths = Depths(self._memory, live)
            self._population, self._bounds = None, None
            self._still = False
        if self._thread is None:
            self._thread = Thread(target=self._run, name="cgosafe-sample", daemon=True)
            self._thread.start()

    def search(self, image: Image) -> None:
        """Look for goroutines in a file that was loaded."""
        if self._population is None and (layout := self._layout_of(image.path)):
            with self._lock:
                if self._memory:
                    reader = GoroutineReader(self._pid, self._memory, layout, image.bias)
                    counter = GoroutineCounter(self._pid, self._memory, layout.count, image.bias)
                    self._population = Population(reader, counter, image)
                    self._bounds = Bounds(self._memory, layout.threads, image.bias)

    def look(self) -> None:
        """Look at everything there is, once: the program stands still, to be examined or to end."""
        with self._lock:
            if self._still or not self._clock:
                return
            self._still = True
            if self._population:
                self._population.look_at_all()
            if self._bounds:
                self._doubt = self._bounds.doubt(tuple(self._live.values()))
            self._sample(self._clock.elapsed)

    def goes_on(self) -> None:
        """The program was examined, and goes on."""
        self._still = False

    def grows(self, goroutine: int, size: int) -> None:
        """Take note of a goroutine stack that is about to grow."""
        with self._lock:
            if self._population:
                self._population.grows(goroutine, size)

    def close(self) -> None:
        """The program is gone."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        with self._lock:
            self._close_memory()

    def _close_memory(self) -> None:
        if self._memory:
            self._memory.close()
            self._memory = None

    # In its own thread

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._pause()):
                with self._lock:
                    self._step()
        except Exception as error:  # what the program did counts more
            self._failure = f"the run was not sampled to its end: {error!r}"

    def _pause(self) -> float:
        elapsed = self._clock.elapsed if self._clock else 0.0
        sampling = max(self._sampling.due(elapsed), self._next_sample - elapsed)
        return max(_LEAST_PAUSE, min(self._looks.due(elapsed), sampling))

    def _step(self) -> None:
        elapsed = self._clock.elapsed if self._clock else 0.0
        if self._still or not self._memory:
            return
        if self._population and self._looks.due(elapsed) == 0:
            with self._looks.spending():
                self._population.look()
        if elapsed >= self._next_sample and self._sampling.due(elapsed) == 0:
            with self._sampling.spending():
                self._sample(elapsed)
            self._next_sample = elapsed + self.samples.period

    def _sample(self, elapsed: float) -> None:
        if not self._depths:
            return
        low, resident = list(self._depths.look()), self._resident()
        if not resident:  # the program is gone
            return
        depths, alive = self._depths, self._population.count() if self._population else None
        sample = Sample(elapsed, depths.peak, depths.headroom, depths.count, alive, resident)
        self.samples.add(sample)
        if self._spectator and not self._still:
            for thread, peak, limit in low:
                name = procfs.thread_name(self._pid, thread.tid) or thread.name
                self._news.append(LowHeadroom(thread.tid, name, peak, limit, elapsed))
            if elapsed >= self._next_told:
                self._news.append(sample)
                self._next_told = elapsed + _TOLD_PERIOD
            if self._news:
                self._wake()

    def _resident(self) -> int | None:
        if self._psutil:
            with suppress(self._psutil.Error):
                return int(self._psutil.Process(self._pid).memory_info().rss)
        return None


def _nothing() -> None:
    """Nobody has to be woken."""
