"""Runs a program under watch: its exit, its output, how long it took, how deep its stacks went."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING

from pytest_cgosafe.errors import CgosafeError
from pytest_cgosafe.watch.clock import Clock
from pytest_cgosafe.watch.launch import Alarm, Command, Launched
from pytest_cgosafe.watch.output import Streams, Tail
from pytest_cgosafe.watch.probe import why_forbidden
from pytest_cgosafe.watch.tracer import Tracer
from pytest_cgosafe.watch.untraced import Untraced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_cgosafe.results import Exit, ThreadStack
    from pytest_cgosafe.watch.images import SymbolLookup
    from pytest_cgosafe.watch.remains import RemainsKeeper
    from pytest_cgosafe.watch.sampler import Sampler
    from pytest_cgosafe.watch.stops import Observer
    from pytest_cgosafe.watch.traps import Probe

__all__ = ["Command", "Watched", "watch"]

_OUTPUT_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Watched:
    """What one watched run showed."""

    exit: Exit
    duration: float
    """Seconds from the program's first instruction to its end, without the time it was stopped for a debugger."""
    stdout: str
    """UTF-8, other bytes as surrogate escapes; the last `output_limit` bytes."""
    stderr: str
    stacks: tuple[ThreadStack, ...]
    """The main thread's first; none where ptrace is forbidden."""
    notes: tuple[str, ...]
    """What could not be measured or kept, and why."""


def watch(
    command: Command,
    *,
    lookup: SymbolLookup,
    timeout: float = 60.0,
    observer: Observer | None = None,
    probes: Sequence[Probe] = (),
    remains: RemainsKeeper | None = None,
    sampler: Sampler | None = None,
    output_limit: int = _OUTPUT_LIMIT,
) -> Watched:
    """Run a program to its end, or for `timeout` seconds; then it and everything it started is gone.

    `lookup` finds symbols in ELF files; `observer` is asked about signals and breakpoints; `probes` have traps written
    into the program's code, and see who comes by; `sampler` looks at the program while it runs. May be called from any
    thread, by several at a time. Raises StartError when the program can't be started, ToolchainError when the launcher
    can't be compiled, CgosafeError anywhere but on Linux.
    """
    if sys.platform != "linux":
        raise CgosafeError(f"programs can be watched on Linux only, not on {sys.platform}")
    run = _Run(command, lookup, observer, probes, remains, sampler, output_limit)
    thread = Thread(target=run, name="cgosafe-watch", daemon=True)
    thread.start()
    try:
        while not run.finished.is_set():
            if run.clock.elapsed >= timeout:
                run.ring()
                run.finished.wait()
            else:
                run.news.wait(timeout - run.clock.elapsed)
                run.news.clear()
            if sampler:
                sampler.deliver()
    except BaseException:
        run.abandon()
        run.finished.wait()
        raise
    finally:
        if sampler:
            sampler.done()
    return run.outcome()


class _Run:
    """One run, called in the thread that is the program's parent and tracer."""

    def __init__(
        self,
        command: Command,
        lookup: SymbolLookup,
        observer: Observer | None,
        probes: Sequence[Probe],
        remains: RemainsKeeper | None,
        sampler: Sampler | None,
        output_limit: int,
    ) -> None:
        self.clock = Clock()
        self.finished = Event()
        self.news = Event()
        """Set when there is something to tell, the end included."""
        self._command = command
        self._lookup = lookup
        self._observer = observer
        self._probes = probes
        self._remains = remains
        self._sampler = sampler
        if sampler:
            sampler.attend(self.clock, self.news.set)
        self._stdout, self._stderr = Tail(output_limit), Tail(output_limit)
        self._alarm: Alarm | None = None
        self._tracer: Tracer | Untraced | None = None
        self._abandoned = False
        self._watched: Watched | None = None
        self._error: BaseException | None = None

    def __call__(self) -> None:
        try:
            self._watched = self._run()
        except BaseException as error:  # raised again in the caller's thread
            self._error = error
        finally:
            self.finished.set()
            self.news.set()

    def ring(self) -> None:
        """Say that the time is up."""
        if self._alarm:
            self._alarm.ring()

    def abandon(self) -> None:
        """Have the program killed; nobody wants the result."""
        self._abandoned = True
        if self._alarm:
            self._alarm.abandon()

    def outcome(self) -> Watched:
        """The result; raises what kept the program from being run."""
        if self._error:
            raise self._error
        assert self._watched
        return self._watched

    def _run(self) -> Watched:
        launched = Launched(self._command)
        outputs = ((launched.stdout, self._stdout), (launched.stderr, self._stderr))
        streams = Streams(launched.stdin, self._command.stdin, outputs)
        try:
            tracer = self._tracer = self._attach(launched)
            ended = tracer.run()
        except BaseException:
            launched.kill()
            raise
        finally:
            if self._sampler:
                self._sampler.close()
            streams.finish()
            failure = launched.ended()
        if failure:
            raise failure
        return Watched(
            ended,
            self.clock.elapsed,
            self._stdout.text,
            self._stderr.text,
            tracer.stacks,
            (*tracer.notes, *(self._sampler.notes if self._sampler else ()), *self._dropped()),
        )

    def _attach(self, launched: Launched) -> Tracer | Untraced:
        """Seize the program and let it go."""
        alarm = self._alarm = Alarm()
        tracer: Tracer | Untraced
        try:
            tracer = Tracer(
                launched,
                alarm,
                self.clock,
                self._lookup,
                self._observer,
                self._probes,
                self._remains,
                self._sampler,
            )
        except PermissionError:
            tracer = Untraced(launched, alarm, self.clock, why_forbidden().reason)
        launched.release()
        if self._abandoned:
            alarm.abandon()
        return tracer

    def _dropped(self) -> tuple[str, ...]:
        tails = (("stdout", self._stdout), ("stderr", self._stderr))
        return tuple(
            f"{name}: the first {tail.dropped:,} bytes were dropped"
            for name, tail in tails
            if tail.dropped
        )
