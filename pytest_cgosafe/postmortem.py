"""A core file, or a process found running, as the result that a watched run would have given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pytest_cgosafe.crash.debugger import examine_core, examine_process
from pytest_cgosafe.crash.delve import cross_check, find_delve
from pytest_cgosafe.crash.report import crash_in_picture
from pytest_cgosafe.errors import DebuggerError
from pytest_cgosafe.results import Binary, Crash, Exit, Hang, RunResult
from pytest_cgosafe.toolchain import gdb_path


def read_core(core: Path, program: Path, *, full: bool = False, delve: bool = False) -> RunResult:
    """What the core file `core` of `program` tells of its crash; with `delve`, what Delve says to that, as notes.

    Raises DebuggerError when gdb can't read it or Delve is missing, ToolchainError where there is no gdb.
    """
    second = _delve() if delve else None
    picture = examine_core(core, program, full=full, gdb=gdb_path())
    crash = crash_in_picture(picture)
    if second:
        notes = cross_check(core, program, crash.backtrace, delve=second)
        crash = replace(crash, notes=crash.notes + notes)
    return _result(program, Exit(None, crash.signal), crash=crash)


def look_at_process(pid: int, *, full: bool = False) -> RunResult:
    """Where every thread of the running process `pid` stands; it goes on afterwards.

    Raises DebuggerError when gdb may not attach to it, ToolchainError where there is no gdb.
    """
    try:
        program = Path(f"/proc/{pid}/exe").readlink()
    except FileNotFoundError:
        known = Path(f"/proc/{pid}").is_dir()
        raise DebuggerError(
            f"process {pid} runs no program: it is the kernel's, or has ended"
            if known
            else f"there is no process {pid}",
            next_step=f"ps -p {pid}" if known else "ps -e",
        ) from None
    except OSError as error:
        raise DebuggerError(f"process {pid}: {error.strerror}", next_step=f"ps -p {pid}") from None
    picture = examine_process(pid, pid, signal=None, all_threads=True, full=full, gdb=gdb_path())
    hang = Hang(picture.threads or (picture.backtrace,), picture.others)
    return _result(program, Exit(None, None), hang=hang, notes=picture.notes)


def _delve() -> Path:
    found = find_delve()
    if found is None:
        raise DebuggerError(
            "no Delve: dlv is neither on PATH nor where go install puts programs",
            next_step="go install github.com/go-delve/delve/cmd/dlv@latest",
        )
    return found


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
