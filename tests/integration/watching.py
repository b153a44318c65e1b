"""What the tests of the watcher share."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from pytest_cgosafe.binary.elf import read_elf
from pytest_cgosafe.watch import procfs
from pytest_cgosafe.watch.stops import Stop, StopReason
from pytest_cgosafe.watch.watcher import Command, Watched, watch


def run(program: Path | str, *args: str, **options: object) -> Watched:
    """Watch a program."""
    return watch(Command((str(program), *args)), lookup=read_elf, **options)  # type: ignore[arg-type]


def plain(program: Path | str, *args: str) -> subprocess.CompletedProcess[bytes]:
    """Run a program unwatched."""
    return subprocess.run([program, *args], capture_output=True, check=False, timeout=60)


@dataclass
class Looker:
    """An observer that takes a look at every stop, and at how the program was handed over."""

    breakpoints: tuple[str, ...] = ()
    reasons: frozenset[StopReason] = frozenset(
        {StopReason.SIGNAL, StopReason.BREAKPOINT, StopReason.TIMEOUT}
    )
    asked: list[Stop] = field(default_factory=list)
    examined: list[Stop] = field(default_factory=list)
    handed_over_badly: list[str] = field(default_factory=list)

    def wants(self, stop: Stop) -> bool:
        self.asked.append(stop)
        return stop.reason in self.reasons

    def examine(self, stop: Stop) -> None:
        self.examined.append(stop)
        for tid in procfs.thread_ids(stop.pid):
            status = Path(f"/proc/{stop.pid}/task/{tid}/status").read_text()
            if "State:\tZ" not in status and not (
                "State:\tT" in status and "TracerPid:\t0\n" in status
            ):
                self.handed_over_badly.append(status)

    def told(self, reason: StopReason) -> list[Stop]:
        return [stop for stop in self.asked if stop.reason is reason]


def gone(pid: int) -> bool:
    """Whether a process has ended, or ends within ten seconds; a zombie has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        import select

        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        return bool(poller.poll(10_000))
    finally:
        os.close(descriptor)
