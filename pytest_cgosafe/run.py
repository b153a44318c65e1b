"""One watched run of a program, from its start to a RunResult."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_cgosafe.binary.elf import read_elf
from pytest_cgosafe.binary.gocalls import go_calls
from pytest_cgosafe.crash.attribution import attribute
from pytest_cgosafe.crash.camera import Camera
from pytest_cgosafe.crash.debugger import examine_process
from pytest_cgosafe.crash.gotraceback import parse_go_traceback
from pytest_cgosafe.crash.report import assemble_crash
from pytest_cgosafe.crossings.cgocheck import crossing_from_report
from pytest_cgosafe.errors import DebuggerError, ToolchainError
from pytest_cgosafe.results import RunResult
from pytest_cgosafe.toolchain import gdb_path
from pytest_cgosafe.watch.remains import RemainsKeeper
from pytest_cgosafe.watch.stops import StopReason
from pytest_cgosafe.watch.watcher import Command, watch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_cgosafe.crash.picture import Picture
    from pytest_cgosafe.results import Binary
    from pytest_cgosafe.watch.stops import Stop


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
) -> RunResult:
    """Run `binary` to its end, or for `timeout` seconds, and say all that was seen of it.

    With `full`, the frames of a crash carry their locals. `thread_stack_size` is the RLIMIT_STACK, in bytes, that it
    starts with. Raises StartError when the program can't be started.
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

    camera = Camera(read_elf(binary.path), take)
    command = Command(
        (str(binary.path), *args), env=env, cwd=cwd, stdin=stdin, stack_limit=thread_stack_size
    )
    remains = RemainsKeeper(go_calls)
    watched = watch(command, timeout=timeout, lookup=read_elf, observer=camera, remains=remains)
    crash = assemble_crash(watched.exit, watched.stderr, camera)
    report = parse_go_traceback(watched.stderr) if crash else None
    crossing = crossing_from_report(report) if report else None
    stacks, notes = attribute(watched.stacks, remains.kept)
    return RunResult(
        binary=binary,
        args=args,
        exit=watched.exit,
        duration=watched.duration,
        stdout=watched.stdout,
        stderr=watched.stderr,
        stacks=stacks,
        crash=crash,
        hang=camera.hang,
        crossings=(crossing,) if crossing else (),
        notes=(*watched.notes, *camera.notes, *notes),
    )
