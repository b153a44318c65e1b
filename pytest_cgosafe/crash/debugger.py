"""Drives gdb: one session per picture, with a deadline, and a plain question when the script fails.

The script that knows Go (`inside_gdb`) runs in gdb's own Python and writes its answer to a file after every step, so
that a later step that fails or hangs costs nothing that was already known. gdb is reached through pipes, not through a
terminal: a terminal would take a fork in this process, which has threads.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pexpect
from pexpect.popen_spawn import PopenSpawn

from pytest_cgosafe.crash import answer
from pytest_cgosafe.errors import DebuggerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.crash.picture import Picture
    from pytest_cgosafe.watch.stops import SignalInfo

_SCRIPTS = Path(__file__).parent
_PROMPT = "(cgosafe-gdb) "
_START_TIMEOUT = 30.0
_SCRIPT_TIMEOUT = 30.0
_PLAIN_TIMEOUT = 10.0
_SETTINGS = (
    "set confirm off",
    "set pagination off",
    "set width 0",
    "set height 0",
    "set style enabled off",
    "set history save off",
    "set auto-load off",
    "set debuginfod enabled off",
    "set backtrace past-main on",
    "set print frame-info short-location",
    f"set prompt {_PROMPT}",
)


def examine_process(
    pid: int,
    tid: int,
    *,
    signal: SignalInfo | None,
    all_threads: bool = False,
    full: bool = False,
    gdb: Path | str = "gdb",
) -> Picture:
    """What gdb can tell about the thread `tid` of the process `pid`, which no one else may trace.

    A process that is stopped stays stopped, a running one goes on. `signal` is the one that the thread was about to
    get. With `all_threads` every thread's backtrace is taken too; with `full` the frames carry their locals.

    Raises DebuggerError: gdb is missing, has no Python, may not attach, or did not answer.
    """
    request = {
        "live": True,
        "tid": tid,
        "signal": None if signal is None else asdict(signal),
        "all_threads": all_threads,
        "full": full,
    }
    return _examine([str(gdb), "-p", str(pid)], request, f"process {pid}")


def examine_core(
    core: Path,
    binary: Path,
    *,
    all_threads: bool = False,
    full: bool = False,
    gdb: Path | str = "gdb",
) -> Picture:
    """What gdb can tell about the core file `core` of the program `binary`; see `examine_process`.

    Raises DebuggerError: one of the files is missing or no such file, or gdb did not answer.
    """
    for path in (core, binary):
        if not path.is_file():
            raise DebuggerError(
                f"no such file: {path}", next_step="name the core file, then the program"
            )
    request = {
        "live": False,
        "tid": None,
        "signal": None,
        "all_threads": all_threads,
        "full": full,
    }
    return _examine([str(gdb), str(binary), "-c", str(core)], request, f"the core file {core}")


def _examine(command: list[str], request: dict[str, Any], subject: str) -> Picture:
    with tempfile.TemporaryDirectory(prefix="cgosafe-gdb-") as directory:
        path = Path(directory)
        request["answer"] = str(path / "answer.json")
        (path / "request.json").write_text(json.dumps(request), encoding="utf-8")
        with _session(command, subject) as gdb:
            trouble = _run_script(gdb, path / "request.json")
            found = _read(path / "answer.json")
            if "backtrace" in found:
                return answer.picture(found, request, trouble)
            return answer.plain_picture(_ask_plainly(gdb, trouble), request, trouble)


def _run_script(gdb: PopenSpawn, request: Path) -> str | None:
    """Runs the script; says what went wrong, if anything did."""
    statement = (
        f"import sys; sys.path.append({str(_SCRIPTS)!a}); "
        f"import inside_gdb.main; inside_gdb.main.run({str(request)!a})"
    )
    gdb.sendline(f"python {statement}")
    try:
        gdb.expect_exact(_PROMPT, timeout=_SCRIPT_TIMEOUT)
    except pexpect.TIMEOUT:
        gdb.kill(2)  # SIGINT: gdb drops the script and prompts again
        return f"gdb's script did not answer within {_SCRIPT_TIMEOUT:g} s"
    except pexpect.EOF:
        return "gdb ended while it ran the script"
    error = re.search(r"^(?:Error|\S*Error).*", gdb.before, re.MULTILINE)
    return error[0].strip() if error else None


def _ask_plainly(gdb: PopenSpawn, trouble: str | None) -> str:
    """gdb's own backtrace, where the script failed."""
    try:
        if trouble and gdb.proc.poll() is None:
            gdb.sendline("bt 30")
            gdb.expect_exact(_PROMPT, timeout=_PLAIN_TIMEOUT)
            return str(gdb.before)
    except (pexpect.TIMEOUT, pexpect.EOF, OSError):
        pass
    raise DebuggerError(
        f"gdb did not answer: {trouble or 'it printed nothing'}",
        next_step="run `cgosafe doctor`; the program's own output is complete",
    )


@contextmanager
def _session(command: list[str], subject: str) -> Iterator[PopenSpawn]:
    """gdb with the program at hand; detached, ended and waited for afterwards, whatever happens."""
    program, *target = command
    options = [part for setting in _SETTINGS for part in ("-iex", setting)]
    environment = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ
    }
    try:
        gdb = PopenSpawn(
            [program, "--nx", "-q", *options, *target],
            encoding="utf-8",
            codec_errors="replace",
            env={**environment, "LC_ALL": "C.UTF-8", "TERM": "dumb"},
        )
    except OSError as error:
        raise DebuggerError(
            f"gdb could not be started ({error})", next_step="apt-get install gdb"
        ) from error
    try:
        _await_program(gdb, subject)
        yield gdb
        _leave(gdb)
    finally:
        gdb.proc.kill()
        gdb.proc.wait()
        gdb.proc.stdin.close()
        gdb.proc.stdout.close()


def _await_program(gdb: PopenSpawn, subject: str) -> None:
    try:
        gdb.expect_exact(_PROMPT, timeout=_START_TIMEOUT)
    except (pexpect.TIMEOUT, pexpect.EOF) as error:
        raise DebuggerError(
            f"gdb did not start on {subject}", next_step="run `cgosafe doctor`"
        ) from error
    said = str(gdb.before)
    if re.search(
        r"ptrace: |Could not attach|No such process|is not a core dump|not in executable format",
        said,
    ):
        raise DebuggerError(
            f"gdb could not open {subject}: {said.strip().splitlines()[-1]}",
            next_step="run `cgosafe doctor`: it tells whether ptrace is allowed",
        )


def _leave(gdb: PopenSpawn) -> None:
    """Lets gdb detach by itself: a process that was stopped then stays stopped."""
    try:
        gdb.sendline("detach")
        gdb.sendline("quit")
        gdb.expect(pexpect.EOF, timeout=_PLAIN_TIMEOUT)
    except (pexpect.TIMEOUT, OSError):
        pass


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
