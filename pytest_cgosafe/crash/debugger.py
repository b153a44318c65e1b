"""Asks gdb about a stopped process or a core: one session, one picture.

The script that knows Go (`inside_gdb`) runs in gdb's own Python and writes its answer to a file after
every step, so that a later step that fails or hangs costs nothing that was already known. Where it
fails altogether, gdb's own backtrace is better than nothing.
"""

from __future__ import annotations

import json
import os
import re
import signal as signals
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_cgosafe.crash import answer
from pytest_cgosafe.crash.gdb_session import gdb_session
from pytest_cgosafe.errors import DebuggerError

if TYPE_CHECKING:
    from pytest_cgosafe.crash.gdb_session import GdbSession
    from pytest_cgosafe.crash.picture import Picture
    from pytest_cgosafe.watch.stops import SignalInfo

_SCRIPTS = Path(__file__).parent
_SCRIPT_TIMEOUT = 60.0
_PLAIN_TIMEOUT = 10.0
_STATE = re.compile(r"^State:\t(\w)", re.MULTILINE)
_TROUBLE = re.compile(r"^(?:\w+\.)*(?:Error|\w*Error|\w*Exception)\b.*", re.MULTILINE)
_DOUBTS = re.compile(r"^warning: (.*(?:may not match|truncated|not found in core).*)", re.MULTILINE)


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

    A process that is stopped stays stopped, a running one goes on. `signal` is the one that the thread
    was about to get. With `all_threads` every thread's backtrace is taken too; with `full` the frames
    carry their locals.

    Raises DebuggerError: gdb is missing, has no Python, may not attach, or did not answer.
    """
    request = {
        "live": True,
        "tid": tid,
        "signal": None if signal is None else asdict(signal),
        "all_threads": all_threads,
        "full": full,
    }
    stopped = _is_stopped(pid)
    try:
        return _examine(str(gdb), ["-p", str(pid)], request, f"process {pid}")
    finally:
        if stopped and not _is_stopped(pid):  # gdb was killed while it held the process
            _stop(pid)


def examine_core(
    core: Path,
    binary: Path,
    *,
    all_threads: bool = False,
    full: bool = False,
    gdb: Path | str = "gdb",
) -> Picture:
    """What gdb can tell about the core file `core` of the program `binary`; see `examine_process`.

    Raises DebuggerError: one of the two is no such file, or gdb did not answer.
    """
    for path in (core, binary):
        if not path.is_file():
            raise DebuggerError(
                f"no such file: {path}", next_step="cgosafe backtrace --core CORE BINARY"
            )
    request = {
        "live": False,
        "tid": None,
        "signal": None,
        "all_threads": all_threads,
        "full": full,
    }
    return _examine(str(gdb), ["-c", str(core), str(binary)], request, f"the core file {core}")


def _examine(gdb: str, target: list[str], request: dict[str, Any], subject: str) -> Picture:
    with tempfile.TemporaryDirectory(prefix="cgosafe-gdb-") as name:
        directory = Path(name)
        asked, answered = directory / "request.json", directory / "answer.json"
        asked.write_text(json.dumps({**request, "answer": str(answered)}), encoding="utf-8")
        with gdb_session(gdb, target, subject) as session:
            trouble = _run_script(session, asked)
            found = _read(answered)
            if "backtrace" not in found:
                return answer.plain_picture(_plain_backtrace(session, trouble), request, trouble)
            doubts = tuple(_DOUBTS.findall(session.greeting))
            return answer.picture(found, request, trouble, doubts)


def _run_script(session: GdbSession, request: Path) -> str | None:
    """Runs the script; says what went wrong, if anything did."""
    statement = (
        f"import sys; sys.path.append({str(_SCRIPTS)!a}); "
        f"import inside_gdb.main; inside_gdb.main.run({str(request)!a})"
    )
    try:
        said = session.ask(f"python {statement}", timeout=_SCRIPT_TIMEOUT)
    except (TimeoutError, EOFError) as error:
        return str(error)
    if "Python scripting is not supported" in said:
        raise DebuggerError(
            "this gdb was built without Python, which mixed backtraces need",
            next_step="apt-get install gdb (not gdb-minimal)",
        )
    trouble = _TROUBLE.search(said)
    return trouble[0].strip() if trouble else None


def _plain_backtrace(session: GdbSession, trouble: str | None) -> str:
    try:
        return session.ask("backtrace 30", timeout=_PLAIN_TIMEOUT)
    except (TimeoutError, EOFError) as error:
        raise DebuggerError(
            f"gdb could not look at the program: {trouble or error}", next_step="cgosafe doctor"
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _is_stopped(pid: int) -> bool:
    try:
        state = _STATE.search(Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    except OSError:
        return False
    return state is not None and state[1] in "Tt"


def _stop(pid: int) -> None:
    try:
        os.kill(pid, signals.SIGSTOP)
    except ProcessLookupError:
        return
