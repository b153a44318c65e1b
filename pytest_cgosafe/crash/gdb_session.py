"""One gdb, reached through pipes, asked with deadlines, and never left behind.

Pipes and not a terminal, because a terminal would take a fork in this process, which has threads.
"""

from __future__ import annotations

import os
import re
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

import pexpect
from pexpect.popen_spawn import PopenSpawn

from pytest_cgosafe.errors import DebuggerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Spawn: TypeAlias = PopenSpawn[str]

_PROMPT = "(cgosafe-gdb) "
_START_TIMEOUT = 60.0
_END_TIMEOUT = 10.0
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
    "maintenance set internal-error quit yes",
    "maintenance set internal-error corefile no",  # a gdb that fails would leave its own where we run
    f"set prompt {_PROMPT}",
)
_KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR")
_REFUSED = re.compile(
    r"^.*(ptrace: |[Cc]ould not attach|No such process|not a core dump|not in executable format"
    r"|file format not recognized).*$",
    re.MULTILINE,
)


class GdbSession:
    """A gdb that has a program at hand."""

    def __init__(self, spawn: Spawn, greeting: str) -> None:
        self._spawn = spawn
        self.greeting = greeting
        """What gdb said while it opened the program."""

    def ask(self, command: str, *, timeout: float) -> str:
        """What gdb prints for `command`. Raises TimeoutError; the session is then good for another.

        Raises EOFError when gdb has ended.
        """
        try:
            self._spawn.sendline(command)
            return self._answer(timeout)
        except (pexpect.EOF, OSError) as error:
            raise EOFError("gdb ended") from error
        except pexpect.TIMEOUT:
            self._interrupt()
            raise TimeoutError(f"gdb did not answer within {timeout:g} s") from None

    def _answer(self, timeout: float) -> str:
        self._spawn.expect_exact(_PROMPT, timeout=timeout)
        return str(self._spawn.before)

    def _interrupt(self) -> None:
        self._spawn.kill(signal.SIGINT)
        try:
            self._answer(_END_TIMEOUT)
        except (pexpect.TIMEOUT, pexpect.EOF):
            self._spawn.kill(signal.SIGKILL)

    def leave(self) -> None:
        """Lets gdb detach by itself: a process that was stopped stays stopped."""
        with suppress(pexpect.TIMEOUT, OSError):
            self._spawn.sendline("detach")
            self._spawn.sendline("quit")
            self._spawn.expect(pexpect.EOF, timeout=_END_TIMEOUT)


@contextmanager
def gdb_session(program: str, target: Sequence[str], subject: str) -> Iterator[GdbSession]:
    """gdb, the `program`, with `target` (its arguments) at hand; gone at the end, whatever happens.

    Raises DebuggerError: gdb is missing, or could not open the `subject`.
    """
    options = [part for setting in _SETTINGS for part in ("-iex", setting)]
    environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    try:
        spawn: Spawn = PopenSpawn(
            [program, "--nx", "-q", *options, *target],
            encoding="utf-8",
            codec_errors="replace",
            env={**environment, "LC_ALL": "C.UTF-8", "TERM": "dumb"},
        )
    except OSError as error:
        raise DebuggerError(
            f"gdb could not be started: {error}", next_step="apt-get install gdb"
        ) from error
    try:
        session = GdbSession(spawn, _greeting(spawn, subject))
        yield session
        session.leave()
    finally:
        _end(spawn)


def _greeting(spawn: Spawn, subject: str) -> str:
    try:
        spawn.expect_exact(_PROMPT, timeout=_START_TIMEOUT)
    except pexpect.TIMEOUT:
        raise DebuggerError(
            f"gdb did not open {subject} within {_START_TIMEOUT:g} s",
            next_step="cgosafe doctor",
        ) from None
    except pexpect.EOF:
        said = str(spawn.before).strip().splitlines()
        raise DebuggerError(
            f"gdb ended when it was to open {subject}" + (f": {said[-1]}" if said else ""),
            next_step="cgosafe doctor",
        ) from None
    refused = _REFUSED.search(str(spawn.before))
    if refused:
        raise DebuggerError(
            f"gdb could not open {subject}: {refused[0].strip()}",
            next_step="cgosafe doctor",
        )
    return str(spawn.before)


def _end(spawn: Spawn) -> None:
    """gdb is gone after this, and so is the thread that reads from it."""
    spawn.proc.kill()
    spawn.proc.wait()
    with suppress(pexpect.TIMEOUT):
        spawn.expect(pexpect.EOF, timeout=_END_TIMEOUT)
    for pipe in (spawn.proc.stdin, spawn.proc.stdout):
        if pipe is not None:
            with suppress(OSError):  # what could not be written to a gdb that has ended
                pipe.close()
