"""One watched run of a program, from its start to a RunResult."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_cgosafe.binary.elf import read_elf
from pytest_cgosafe.binary.gocalls import go_calls
from pytest_cgosafe.binary.goroutines import goroutine_layout
from pytest_cgosafe.crash.attribution import attribute
from pytest_cgosafe.crash.camera import Camera
from pytest_cgosafe.crash.debugger import examine_process
from pytest_cgosafe.crash.goroutinestacks import name_goroutine_stacks
from pytest_cgosafe.crash.gotraceback import parse_go_traceback
from pytest_cgosafe.crash.report import assemble_crash
from pytest_cgosafe.crossings.cgocheck import crossing_from_report
from pytest_cgosafe.crossings.trace.probe import CrossingTrace
from pytest_cgosafe.errors import DebuggerError, ToolchainError
from pytest_cgosafe.results import RunResult
from pytest_cgosafe.toolchain import gdb_path
from pytest_cgosafe.watch.growth import GrowthProbe
from pytest_cgosafe.watch.remains import RemainsKeeper
from pytest_cgosafe.watch.sampler import Sampler
from pytest_cgosafe.watch.stops import StopReason
from pytest_cgosafe.watch.watcher import Command, watch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_cgosafe.crash.picture import Picture
    from pytest_cgosafe.results import Binary, GoroutineStacks
    from pytest_cgosafe.watch.sampler import Spectator
    from pytest_cgosafe.watch.stops import Stop


_STRIPPED = (
    "goroutines were not looked at: the program was stripped of what tells where they are (-s, -w)"
)


def run_watched(
    binary: Binary,
    args: tuple[str, ...] = (),
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 60.0,
    full: bool = False,
    thread_stack_size: int | None = None,
    watch_growth: bool = False,
    trace_crossings: bool = False,
    spectator: Spectator | None = None,
) -> RunResult:
    """Run `binary` to its end, or for `timeout` seconds, and say all that was seen of it.

    With `full`, the frames of a crash carry their locals. `thread_stack_size` is the RLIMIT_STACK, in bytes, that it
    starts with. With `watch_growth` every growth of a goroutine stack is seen, by a trap in the program's code; without
    it goroutines are only looked at while it runs. With `trace_crossings` what C is given is looked at, by traps too.
    `spectator` hears of the run as it goes on. Raises StartError when the program can't be started.
    """

    def take(stop: Stop) -> Picture:
        try:
            gdb = gdb_path()
        except ToolchainError as error:
            raise DebuggerError(error.message, next_step=error.next_step) from error
        return examine_process(
            stop.pid,
            stop.tid,
            signal=stop.signal,
            all_threads=stop.reason is StopReason.TIMEOUT,
            full=full,
            gdb=gdb,
        )

    elf, layout = read_elf(binary.path), goroutine_layout(binary.path)
    camera = Camera(elf, take)
    command = Command(
        (str(binary.path), *args), env=env, cwd=cwd, stdin=stdin, stack_limit=thread_stack_size
    )
    remains = RemainsKeeper(go_calls)
    sampler = Sampler(goroutine_layout, spectator)
    growth = GrowthProbe(sampler)
    trace = CrossingTrace(binary.path) if trace_crossings else None
    watched = watch(
        command,
        timeout=timeout,
        lookup=read_elf,
        observer=camera,
        probes=[*([growth] if watch_growth else []), *([trace] if trace else [])],
        remains=remains,
        sampler=sampler,
    )
    crash = assemble_crash(watched.exit, watched.stderr, camera)
    report = parse_go_traceback(watched.stderr) if crash else None
    crossing = crossing_from_report(report) if report else None
    blind = (_STRIPPED,) if elf and elf.is_go and not layout else ()
    stacks, notes = attribute(watched.stacks, remains.kept)
    return RunResult(
        binary=binary,
        args=args,
        exit=watched.exit,
        duration=watched.duration,
        stdout=watched.stdout,
        stderr=watched.stderr,
        stacks=stacks,
        goroutines=_goroutines(sampler, growth),
        crash=crash,
        hang=camera.hang,
        crossings=(*((crossing,) if crossing else ()), *(trace.crossings if trace else ())),
        trace=trace.summary if trace else None,
        samples=sampler.samples.kept,
        notes=(*watched.notes, *camera.notes, *notes, *growth.notes, *blind),
    )


def _goroutines(sampler: Sampler, growth: GrowthProbe) -> GoroutineStacks | None:
    seen = sampler.goroutines
    if seen is None:
        return None
    return name_goroutine_stacks(seen, looks=sampler.looks, exact=growth.saw_all)
