"""What the tests of mixed backtraces share: a program where it dies, gdb's picture of it, the core it leaves."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_cgosafe.binary.elf import read_elf
from pytest_cgosafe.crash.debugger import examine_process
from pytest_cgosafe.watch.stops import Stop, StopReason
from pytest_cgosafe.watch.watcher import Command, Watched, watch

if TYPE_CHECKING:
    from pytest_cgosafe.crash.picture import Picture
    from pytest_cgosafe.results import Backtrace, Frame

DEBUG = ("-gcflags=all=-N -l",)
DEBUG_C = {
    "CGO_CFLAGS": "-g -fno-omit-frame-pointer",
    "CGO_CXXFLAGS": "-g -fno-omit-frame-pointer",
}
_GLUE = re.compile(
    r"runtime\.(cgocall|asmcgocall|cgocallbackg1?|cgocallback|goexit|main|systemstack_switch)|crosscall2"
    r"|_cgo_\w+_Cfunc_\w+|_cgoexp_\w+|.*\._Cfunc_\w+|__libc_start\w+|_start|start_thread|clone3?"
)
# What the C library does on the way to a signal; without its debug information gdb names less of it.
_C_LIBRARY = re.compile(
    r"__restore_rt|<signal handler called>|raise|abort|gsignal|pthread_kill|__pthread_kill_\w+"
)
_WAY = re.compile(r"main\.(init|glob\.)\.func\d+")


@dataclass
class Photographer:
    """An observer that has gdb look at one stop of a program."""

    breakpoints: tuple[str, ...] = ()
    reason: StopReason = StopReason.SIGNAL
    skip: int = 0
    """How many such stops are let go by first."""
    all_threads: bool = False
    full: bool = False
    gdb: Path | str = "gdb"
    stop: Stop | None = None
    picture: Picture | None = None
    states: list[str] = field(default_factory=list)
    """What the kernel said of the process after gdb had gone."""

    def wants(self, stop: Stop) -> bool:
        if stop.reason is not self.reason or self.picture is not None:
            return False
        self.skip -= 1
        return self.skip < 0

    def examine(self, stop: Stop) -> None:
        self.stop = stop
        self.picture = examine_process(
            stop.pid,
            stop.tid,
            signal=stop.signal,
            all_threads=self.all_threads,
            full=self.full,
            gdb=self.gdb,
        )
        self.states = Path(f"/proc/{stop.pid}/status").read_text().splitlines()


def photograph(
    program: Path, *args: str, env: dict[str, str] | None = None, **wanted: object
) -> tuple[Picture, Watched]:
    """Run `program` to the stop that is wanted, and on to its end."""
    photographer = Photographer(**wanted)  # type: ignore[arg-type]
    command = Command((str(program), *args), env=env)
    timeout = 3.0 if photographer.reason is StopReason.TIMEOUT else 120.0
    watched = watch(command, timeout=timeout, lookup=read_elf, observer=photographer)
    assert photographer.picture, f"{args} did not stop: {watched}"
    return photographer.picture, watched


def core_of(program: Path, *args: str, directory: Path, **env: str) -> Path:
    """The core that a program leaves; it is written where the program runs."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    assert pattern == "core", (
        f"cores go to {pattern!r}: set kernel.core_pattern=core to run this test"
    )
    directory.mkdir(exist_ok=True)
    command = f'ulimit -c unlimited; exec "{program}" {" ".join(args)}'
    run = subprocess.run(
        ["bash", "-c", command],
        cwd=directory,
        env={**os.environ, "GOTRACEBACK": "crash", **env},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert run.returncode < 0
    (core,) = directory.glob("core*")
    return core


def user_frames(backtrace: Backtrace) -> list[str]:
    """The frames of the program's own functions as "stack:function"; neighbours that are equal once, counted."""
    found: list[list[str]] = []
    for frame in backtrace.frames:
        text = _text(frame)
        if text is None:
            continue
        if found and found[-1][0] == text:
            found[-1].append(text)
        else:
            found.append([text])
    return [f"{run[0]} x{len(run)}" if len(run) > 1 else run[0] for run in found]


def _text(frame: Frame) -> str | None:
    name = frame.function
    if name is None or _GLUE.fullmatch(name) or _C_LIBRARY.fullmatch(name):
        return None
    name = _WAY.sub("main.way", name)
    return f"{frame.stack.value}:{name.removeprefix('cgosafe.test/programs/crashes/')}"


def unnamed_between(backtrace: Backtrace) -> list[int]:
    """The numbers of the frames without a name that stand between named ones."""
    named = [number for number, frame in enumerate(backtrace.frames) if frame.function]
    return [n for n in range(named[0], named[-1]) if n not in named]
