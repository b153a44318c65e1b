"""A core file, or a process found running, as the result that a watched run would have given."""

from __future__ import annotations

from pathlib import Path

from pytest_cgosafe.crash.debugger import examine_core, examine_process
from pytest_cgosafe.crash.report import crash_in_picture
from pytest_cgosafe.errors import DebuggerError
from pytest_cgosafe.results import Binary, Crash, Exit, Hang, RunResult
from pytest_cgosafe.toolchain import find_gdb


def read_core(core: Path, program: Path, *, full: bool = False) -> RunResult:
    """What the core file `core` of `program` tells of its crash.

    Raises DebuggerError when gdb can't read it, ToolchainError where there is no gdb.
    """
    picture = examine_core(core, program, full=full, gdb=find_gdb().path)
    crash = crash_in_picture(picture)
    return _result(program, Exit(None, crash.signal), crash=crash)


def look_at_process(pid: int, *, full: bool = False) -> RunResult:
    """Where every thread of the running process `pid` stands; it goes on afterwards.

    Raises DebuggerError when gdb may not attach to it, ToolchainError where there is no gdb.
    """
    try:
        program = Path(f"/proc/{pid}/exe").readlink()
    except OSError as error:
        raise DebuggerError(f"process {pid}: {error.strerror}", next_step=f"ps -p {pid}") from None
    picture = examine_process(
        pid, pid, signal=None, all_threads=True, full=full, gdb=find_gdb().path
    )
    hang = Hang(picture.threads or (picture.backtrace,), picture.others)
    return _result(program, Exit(None, None), hang=hang, notes=picture.notes)


def _result(
    program: Path,
    ending: Exit,
    *,
    crash: Crash | None = None,
    hang: Hang | None = None,
    notes: tuple[str, ...] = (),
) -> RunResult:
    return RunResult(
        binary=Binary(program, str(program), None, program.parent),
        args=(),
        exit=ending,
        duration=None,
        stdout="",
        stderr="",
        stacks=(),
        crash=crash,
        hang=hang,
        notes=notes,
    )
