"""Builds the programs under ``tests/programs``, each once per session, also when pytest-xdist runs several workers."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"
_OWN_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
"""Known before pytester gives every test another home."""

Build = Callable[..., Path]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of built programs, shared by all workers of a session."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    directory = shared / "programs"
    directory.mkdir(exist_ok=True)
    return directory


def build_once(
    directory: Path, command: tuple[str, ...], env: Mapping[str, str], cwd: Path
) -> Path:
    """What `command` (which ends in ``-o``) builds; a second caller waits for the first one and takes its result."""
    key = hashlib.sha256(repr((command, sorted(env.items()), cwd)).encode()).hexdigest()[:12]
    target = directory / key / cwd.name
    with (directory / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            subprocess.run((*command, str(target)), check=True, cwd=cwd, env={**os.environ, **env})
    return target


@pytest.fixture(scope="session")
def program(built: Path) -> Build:
    """Builds the Go program ``tests/programs/NAME`` with the plain go command."""

    def build(name: str, *flags: str, **env: str) -> Path:
        return build_once(built, ("go", "build", *flags, "-o"), env, PROGRAMS / name)

    return build


@pytest.fixture(scope="session")
def c_program(built: Path) -> Build:
    """Builds the C program ``tests/programs/NAME``."""

    def build(name: str, *flags: str) -> Path:
        sources = tuple(str(path) for path in sorted((PROGRAMS / name).glob("*.c")))
        return build_once(
            built, ("gcc", "-g", "-pthread", *flags, *sources, "-o"), {}, PROGRAMS / name
        )

    return build


def pytest_configure() -> None:
    """Hear Ctrl-C, also where a shell began the run in the background: what tests start inherits that it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what tests measured, and recorded as the property "measured"; from xdist's workers too."""
    reports = terminalreporter.getreports("passed")
    measured = [
        text for report in reports for name, text in report.user_properties if name == "measured"
    ]
    if measured:
        terminalreporter.section("measured")
    for text in measured:
        terminalreporter.line(str(text))


@pytest.fixture(scope="session")
def library_host(program: Build, built: Path) -> Build:
    """Builds the C program around the Go library ``tests/programs/library``, in a build mode."""

    def build(mode: str) -> Path:
        library = program("library", f"-buildmode={mode}", CGO_CFLAGS="-g")
        link = (
            (str(library), f"-Wl,-rpath,{library.parent}")
            if mode == "c-shared"
            else (str(library),)
        )
        header = library.with_name("library.h")
        if not header.exists():
            library.with_suffix(".h").rename(header)
        source = str(PROGRAMS / "library" / "host.c")
        command = ("gcc", "-g", "-pthread", f"-I{library.parent}", source, *link, "-o")
        return build_once(built, command, {}, PROGRAMS / "library")

    return build


@pytest.fixture(scope="session")
def go_cache() -> str:
    """Where the go command keeps what it built."""
    command = ["go", "env", "GOCACHE"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def go_pytester(
    pytester: pytest.Pytester, go_cache: str, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """pytester, which makes a home of its own, with the go command's cache and our own still in reach."""
    monkeypatch.setenv("GOCACHE", go_cache)
    monkeypatch.setenv("XDG_CACHE_HOME", str(_OWN_CACHE))
    return pytester
