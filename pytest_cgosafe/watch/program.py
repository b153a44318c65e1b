"""A watched program: its threads, their stacks, its breakpoints and traps."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_cgosafe.watch import procfs, ptrace
from pytest_cgosafe.watch.breakpoints import Breakpoints
from pytest_cgosafe.watch.images import Images
from pytest_cgosafe.watch.threads import StackKeeper, Thread
from pytest_cgosafe.watch.traps import Traps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_cgosafe.results import ThreadStack
    from pytest_cgosafe.watch.images import Image, SymbolLookup
    from pytest_cgosafe.watch.remains import RemainsKeeper
    from pytest_cgosafe.watch.sampler import Sampler
    from pytest_cgosafe.watch.traps import Probe

_REPLACED = "the program replaced itself (exec); stacks that it had before are known only where a thread ended before"


class Program:
    """What is known of the watched process. Its methods are called when the thread in question is stopped."""

    def __init__(
        self,
        pid: int,
        lookup: SymbolLookup,
        breakpoints: Sequence[str] = (),
        probes: Sequence[Probe] = (),
        remains: RemainsKeeper | None = None,
        sampler: Sampler | None = None,
    ) -> None:
        self.pid = pid
        self.threads: dict[int, Thread] = {pid: Thread(pid, main=True)}
        self.notes: list[str] = []
        self.our_conts = 0
        """SIGCONTs of ours that the program must not get to see."""
        self._begun: list[Thread] = []
        self._lookup = lookup
        self._names = breakpoints
        self._probes = probes
        self._remains = remains
        self._sampler = sampler
        self._images: Images | None = None
        self._is_go = False
        self._starts_sysmon = False
        self._keeper: StackKeeper | None = None
        self.breakpoints: Breakpoints | None = None
        self.traps: Traps | None = None

    @property
    def loaded(self) -> bool:
        """Whether the launcher has become the program."""
        return self._keeper is not None

    @property
    def goes_on(self) -> bool:
        """Whether a thread is left that has not come to its end. One that just began may not have been seen yet."""
        known = (thread.tid for thread in self.threads.values() if not thread.ending)
        if any(procfs.is_thread_of(self.pid, tid) for tid in known):
            return True  # without a look at all of them: there may be thousands
        ending = {thread.tid for thread in self.threads.values() if thread.ending}
        return not ending.issuperset(procfs.thread_ids(self.pid))

    def load(self) -> None:
        """Begin with a new image: the program has just been loaded by exec, with one thread left."""
        if self._keeper:
            self.note(_REPLACED)
            self.close()
        self._begun = [thread for thread in self._begun if thread.deepest]
        main = Thread(self.pid, main=True)
        self._begun.append(main)
        self.threads = {self.pid: main}
        self._keeper = StackKeeper(self.pid, self._remains)
        self._images = Images(self.pid, self._lookup)
        image = self._images.program()
        self.breakpoints = Breakpoints(self._names, self._begin(image))
        self.traps = Traps(self.pid, self._keeper.memory, self._probes)
        self._keeper.locate(main)
        if self._sampler:
            self._sampler.begin(self.pid, self.threads)
        if image:
            self._search(image)
        self.rearm(main)

    def _begin(self, image: Image | None) -> int | None:
        """Where the program's own work begins: in Go once the runtime stands, else at the entry point."""
        symbols = image.symbols if image else None
        main = symbols.symbol("runtime.main") if symbols else None
        self._is_go = main is not None
        return main.address + image.bias if image and main else procfs.entry_point(self.pid)

    def begin(self, tid: int) -> Thread:
        """Take note of a new thread, at its first stop. One that is killed there never ran, and is no more told of."""
        thread = self.threads[tid] = Thread(tid, main=False)
        if self._keeper and self.breakpoints:
            self._keeper.locate(thread)
            self.rearm(thread)
        self._begun.append(thread)
        return thread

    def creates_thread(self, tid: int) -> None:
        """Look for what thread `tid` may have loaded before it creates a thread: the C library, a Go library."""
        if self._starts_sysmon and tid == self.pid and self._keeper:
            # runtime.main's first deed, before any code of the user: what it took of the stack is not theirs
            self._keeper.enter(self.threads[tid])
            self._starts_sysmon = False
        points, traps = self.breakpoints, self.traps
        if not points or not traps or not self._images or self._complete:
            return
        before = points.slots
        for image in self._images.libraries():
            self._search(image)
        if points.slots != before:
            for thread in self.threads.values():
                # This one is about to be armed; the others run, and are at their next stop.
                if thread.tid != tid:
                    with suppress(ProcessLookupError):
                        ptrace.interrupt(thread.tid)
            self.rearm(self.threads[tid])

    @property
    def _complete(self) -> bool:
        """Whether nothing is left to search for in what the program loads."""
        seekers = (self.breakpoints, self.traps, self._sampler)
        return all(seeker.complete for seeker in seekers if seeker)

    def _search(self, image: Image) -> None:
        if self._sampler:
            self._sampler.search(image)
        if self.breakpoints and self.traps:
            self.breakpoints.search(image)
            self.traps.search(image)

    def rearm(self, thread: Thread) -> None:
        """Set breakpoints that were found since the thread stopped last."""
        if self.breakpoints and thread.slots != self.breakpoints.slots:
            thread.slots = self.breakpoints.slots
            thread.end_seen = self.breakpoints.arm(thread.tid) and self.breakpoints.sees_thread_end

    def own_breakpoint(self, thread: Thread, pc: int) -> bool:
        """See to a breakpoint that no observer asked for; False for any other."""
        points = self.breakpoints
        if points and points.begins(pc):
            if self._keeper:
                self._keeper.enter(thread)
            self.rearm(thread)
            self._starts_sysmon = self._is_go
        elif points and points.is_thread_end(pc):
            self.measure(thread)
        else:
            return False
        return True

    def measure(self, thread: Thread) -> None:
        """See how deep the thread's stack was used."""
        if self._keeper:
            try:
                self._keeper.measure(thread)
            except OSError as error:
                self.note(f"stacks could not be read: {error.strerror or error}")

    def measure_at_end(self, reporter: Thread | None = None) -> None:
        """The same when the program is ending, as `reporter` was the first to say: no stack has been given back."""
        self.measure_all()
        self._sample()
        for thread in self.threads.values():
            thread.end_seen |= thread is reporter or not thread.ending

    def before_debugger(self) -> None:
        """Measure while what a debugger reads has not left its traces on the stacks."""
        self.measure_all()
        self._sample()
        if self._keeper:
            self._keeper.read_before = True

    def after_debugger(self) -> None:
        """It goes on."""
        if self._sampler:
            self._sampler.goes_on()

    def _sample(self) -> None:
        if self._sampler:
            try:
                self._sampler.look()
            except Exception as error:  # what the program did counts more
                self.note(f"goroutines could not be looked at: {error!r}")

    def measure_all(self) -> None:
        """See how deep every thread's stack was used."""
        for thread in self.threads.values():
            self.measure(thread)

    def gone(self, tid: int) -> None:
        """Take note of a thread's end."""
        self.threads.pop(tid, None)

    def results(self) -> tuple[ThreadStack, ...]:
        """The stacks of every thread there was, the main thread's first, then as the threads began."""
        return tuple(
            thread.result() for thread in sorted(self._begun, key=lambda thread: not thread.main)
        )

    def note(self, text: str) -> None:
        """Remember something for the result, once."""
        if text not in self.notes:
            self.notes.append(text)

    def close(self) -> None:
        """Let go of the image."""
        if self._keeper:
            self._keeper.close()
        if self.traps:
            self.traps.close()
        for source in (self.breakpoints, self.traps):
            for text in source.notes if source else ():
                self.note(text)
