"""Starts programs: stopped at a gate until the watcher has seized them, and with nothing else changed.

A child of Python can't hold still between fork and exec by safe means (``preexec_fn`` runs Python code in the fork of a
threaded process), so a launcher of thirty lines of C does it: `launcher.c`, compiled once and kept.
"""

from __future__ import annotations

import atexit
import errno
import hashlib
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from pytest_cgosafe.errors import StartError, ToolchainError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SOURCE = Path(__file__).with_name("launcher.c")
_compiling = Lock()


@dataclass(frozen=True)
class Command:
    """A program to run, and how."""

    argv: tuple[str, ...]
    """``argv[0]`` is the absolute path of the program."""
    env: Mapping[str, str] | None = None
    """None: the environment of this process."""
    cwd: Path | None = None
    stdin: bytes = b""
    stack_limit: int | None = None
    """Bytes of RLIMIT_STACK that the program starts with, soft: the main thread's limit, and what the C library gives
    the threads that it makes (pthread_create(3), glibc). None: that of this process."""


class Launched:
    """A program waiting at its gate. A child of the thread that made it, which must be the one to wait for it."""

    def __init__(self, command: Command) -> None:
        """Start it. Raises StartError, or ToolchainError where the launcher can't be compiled."""
        self._command = command
        limits = _stack_limits(command)
        pipes = {name: os.pipe() for name in ("gate", "status", "stdout", "stderr")}
        stdin = os.pipe() if command.stdin else (subprocess.DEVNULL, -1)
        gate, status = pipes["gate"][0], pipes["status"][1]
        try:
            self._process = subprocess.Popen(
                (_launcher(), str(gate), str(status), command.argv[0], *command.argv),
                stdin=stdin[0],
                stdout=pipes["stdout"][1],
                stderr=pipes["stderr"][1],
                env=command.env,
                cwd=command.cwd,
                pass_fds=(gate, status),
                start_new_session=True,  # a Ctrl-C at the terminal is pytest's
            )
        except BaseException as error:
            _close(
                pipes["gate"][1],
                pipes["status"][0],
                pipes["stdout"][0],
                pipes["stderr"][0],
                stdin[1],
            )
            if isinstance(error, (OSError, ValueError)):
                raise _start_error(command, error) from error
            raise
        finally:
            _close(gate, status, pipes["stdout"][1], pipes["stderr"][1], stdin[0])
        self.pid = self._process.pid
        self.stdin = stdin[1] if command.stdin else None
        self.stdout, self.stderr = pipes["stdout"][0], pipes["stderr"][0]
        self._gate, self._status = pipes["gate"][1], pipes["status"][0]
        os.read(self._status, 1)  # from here on the next exec is the program's
        if limits:
            resource.prlimit(self.pid, resource.RLIMIT_STACK, limits)

    def release(self) -> None:
        """Let it become the program."""
        with suppress(BrokenPipeError):
            os.write(self._gate, b".")

    def kill(self) -> None:
        """Have no such program, whatever it does."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def ended(self) -> StartError | None:
        """Let go of a program that was waited for. Returns why it could not become one; None when it did."""
        self._process.returncode = 0
        raw = os.read(self._status, 4)
        _close(self._gate, self._status)
        number = int.from_bytes(raw, "little")
        return _start_error(self._command, OSError(number, os.strerror(number))) if raw else None


class Alarm:
    """Wakes a thread that sits in waitpid: a child of that thread, which ends when it is rung.

    A signal to the program could do that as well, but not to one that is stopped, or whose first thread has ended; and
    the program might see it.
    """

    def __init__(self) -> None:
        self.abandoned = False
        """It rang because nobody wants the result, not because the time is up."""
        gate_in, self._gate = os.pipe()
        self._lock = Lock()
        try:
            self._process = subprocess.Popen(
                (_launcher(), str(gate_in), "-1"),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(gate_in,),
                start_new_session=True,
            )
        finally:
            os.close(gate_in)
        self.pid = self._process.pid

    def abandon(self) -> None:
        """Wake the thread to have it kill the program and come to an end."""
        self.abandoned = True
        self.ring()

    def ring(self) -> None:
        """Wake the thread; from any thread, any number of times."""
        with self._lock:
            if self._gate >= 0:
                os.close(self._gate)
                self._gate = -1

    def ended(self) -> None:
        """Say that it was waited for, by other means than subprocess's."""
        self._process.returncode = 0


def _stack_limits(command: Command) -> tuple[int, int] | None:
    """RLIMIT_STACK for the program, soft and hard; None where it has that of this process."""
    if command.stack_limit is None:
        return None
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    if hard != resource.RLIM_INFINITY and command.stack_limit > hard:
        raise StartError(
            f"thread stacks of {command.stack_limit:,} bytes are more than the {hard:,} that this process may allow",
            next_step="raise the hard limit (ulimit -Hs) in the shell, or the container, that pytest runs in",
        )
    return command.stack_limit, hard


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        if descriptor >= 0:
            os.close(descriptor)


def _start_error(command: Command, error: Exception) -> StartError:
    program = command.argv[0]
    number = getattr(error, "errno", None)
    step = None
    if (
        command.cwd
        and number == errno.ENOENT
        and str(getattr(error, "filename", "")) == str(command.cwd)
    ):
        reason, step = (
            f"its working directory {command.cwd} does not exist",
            f"mkdir -p {command.cwd}",
        )
    elif number == errno.ENOENT and Path(program).exists():
        reason, step = "the interpreter that it asks for is missing", f"file {program}"
    elif number == errno.ENOENT:
        reason = "there is no such file"
    elif number in (errno.EACCES, errno.EPERM):
        reason, step = "it is not executable", f"chmod +x {program}"
    elif number == errno.ENOEXEC:
        reason, step = "it is not a program of this machine", f"file {program}"
    else:
        reason = getattr(error, "strerror", None) or str(error)
    return StartError(f"{program} could not be started: {reason}", next_step=step)


@cache
def _launcher() -> str:
    """The compiled launcher. Raises ToolchainError when there is none and no C compiler."""
    with _compiling:
        name = (
            f"launcher-{hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]}-{os.uname().machine}"
        )
        for directory in _cache_directories():
            kept = directory / name
            if os.access(kept, os.X_OK) or _compile_into(directory, kept):
                return str(kept)
        raise ToolchainError(
            "no directory allows programs to be kept and run",
            next_step="export TMPDIR=/a/directory",
        )


def _cache_directories() -> Iterator[Path]:
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    yield caches / "pytest-cgosafe"
    temporary = Path(tempfile.mkdtemp(prefix="pytest-cgosafe-"))
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    yield temporary


def _compile_into(directory: Path, target: Path) -> bool:
    """Compile the launcher to `target`; False when nothing can be kept there."""
    compiler = next(
        filter(None, map(shutil.which, (os.environ.get("CC", "cc"), "cc", "gcc", "clang"))), None
    )
    if compiler is None:
        raise ToolchainError("no C compiler was found", next_step="apt-get install gcc")
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=directory) as scratch:
            built = Path(scratch) / target.name
            subprocess.run(
                (compiler, "-O1", "-o", str(built), str(_SOURCE)),
                check=True,
                capture_output=True,
                text=True,
            )
            subprocess.run((str(built), "-1", "-1"), check=True)  # a noexec mount shows here
            built.replace(target)
    except subprocess.CalledProcessError as error:
        raise ToolchainError(
            f"the launcher did not compile:\n{error.stderr}",
            next_step=f"{compiler} {_SOURCE}",
        ) from error
    except OSError:
        return False
    return True
