"""Runs the go command, and holds directories against others that do the same."""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_cgosafe.toolchain import Tool


@dataclass(frozen=True, slots=True)
class Answer:
    """What the go command said."""

    command: str
    """Repeats it, in a shell."""
    ok: bool
    stdout: str
    stderr: str


def run_go(
    go: Tool, arguments: Sequence[str], directory: Path, settings: Mapping[str, str]
) -> Answer:
    """Run ``go ARGUMENTS`` in `directory`, with `settings` added to the environment."""
    done = subprocess.run(
        [str(go.path), *arguments],
        cwd=directory,
        env=os.environ | dict(settings) | {"PWD": str(directory)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        encoding="utf-8",
        errors="backslashreplace",
    )
    shown = [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
    command = " ".join([*shown, shlex.join([str(go.path), *arguments])])
    return Answer(
        command=f"cd {shlex.quote(str(directory))} && {command}",
        ok=done.returncode == 0,
        stdout=done.stdout,
        stderr=done.stderr,
    )


def go_environment() -> list[tuple[str, str]]:
    """The variables by which the go command may decide otherwise (``go help environment``)."""
    names = ("GO", "CGO_", "CC", "CXX", "PKG_CONFIG")
    return sorted((name, value) for name, value in os.environ.items() if name.startswith(names))


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold `directory` against other threads and processes; the kernel lets go of it when a process dies."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
