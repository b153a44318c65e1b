"""The analyzer's program: built at first use by the Go that analyzes with it, and kept.

It has to be that very Go: the analyzer reads the export data that this Go's compiler writes. Nothing is fetched: what
it imports of golang.org/x/tools lies in `XTOOLS`, more than once: old releases of Go can't build a new x/tools, and an
old x/tools does not know the language of new ones.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.errors import AnalyzerError
from pytest_cgosafe.gocommand import locked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_cgosafe.toolchain import GoEnv

SOURCE: Final = Path(__file__).parent / "analyzer"
XTOOLS: Final = Path(__file__).parent / "xtools"
"""A directory for each release of x/tools: the go.mod, go.sum and vendor directory of the analyzer built with it."""

_ALIASES: Final = (1, 23)
"""The first Go in which go/types tells aliases apart by default (go.dev/doc/godebug#go-123, gotypesalias)."""
NAME: Final = "cgosafe-analyzer"
_UNUSED_FOR: Final = 30 * 24 * 3600.0  # seconds after which a program that nobody ran is removed
_BUILD_WITHIN: Final = 900.0  # seconds, on a machine that is busy
_ALONE: Final = {
    "CGO_ENABLED": "0",
    "GO111MODULE": "on",
    "GOARCH": "",
    "GODEBUG": "",
    "GOENV": "off",
    "GOEXPERIMENT": "",
    "GOFLAGS": "",
    "GOOS": "",
    "GOPROXY": "off",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
}
"""What the user's environment says about the user's program must not reach ours."""


def cache_directory() -> Path | None:
    """Where analyzers are kept: below ``$XDG_CACHE_HOME`` or ``~/.cache`` (XDG Base Directory Specification).

    None where nothing can be written there: a read-only home, or none at all.
    """
    named = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(named) if named.startswith("/") else Path.home() / ".cache"
        directory = base / "pytest-cgosafe"
        directory.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return directory if os.access(directory, os.W_OK | os.X_OK) else None


def name_of_analyzer(env: GoEnv) -> str:
    """What tells the analyzer for the Go of `env` from every other. Raises AnalyzerError for a Go that is too old."""
    module = module_for(env.version)
    digest = hashlib.sha256(f"{env.version} {env.root} {module.name}".encode())
    for path in (*_sources(SOURCE), module / "go.mod"):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return f"{digest.hexdigest()[:16]}-go{env.version.split()[0]}"


def kept_analyzer(env: GoEnv) -> Path | None:
    """The analyzer for the Go of `env`, where it is built already. Raises AnalyzerError for a Go that is too old."""
    cache, name = cache_directory(), name_of_analyzer(env)
    program = cache / name / NAME if cache else None
    return program if program and program.exists() else None


def analyzer_for(env: GoEnv, *, otherwise: Path) -> Path:
    """The analyzer, built with the Go of `env` if it is not there yet; several processes build it once.

    It is kept in `otherwise` where there is no cache directory. Raises AnalyzerError with the compiler's own words.
    """
    cache = cache_directory() or otherwise
    program = cache / name_of_analyzer(env) / NAME
    if not program.exists():
        with locked(program.parent):
            if not program.exists():
                _build(program, env)
                _remove_unused(cache)
    with suppress(OSError):  # another user's
        os.utime(program.parent)
    return program


def _build(program: Path, env: GoEnv) -> None:
    module = module_for(env.version)
    with tempfile.TemporaryDirectory(prefix="build-", dir=program.parent) as directory:
        work = Path(directory)
        for path in _sources(SOURCE):
            copy = work / path.relative_to(SOURCE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        shutil.copytree(module, work, dirs_exist_ok=True)
        flags = ["-mod=vendor", "-trimpath", f"-ldflags={_linker_flags(module, env.version)}"]
        _run([str(_go_of(env)), "build", *flags, "-o", NAME, "."], work)
        (work / NAME).replace(program)


def _run(command: list[str], directory: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=os.environ | _ALONE | {"PWD": str(directory)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_BUILD_WITHIN,
            check=False,
            encoding="utf-8",
            errors="backslashreplace",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AnalyzerError(f"the analyzer of crossings could not be built: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).rstrip()
        shown = " ".join(f"{name}={shlex.quote(value)}" for name, value in _ALONE.items())
        raise AnalyzerError(
            f"the analyzer of crossings could not be built with {command[0]}:\n{said}",
            next_step=f"env {shown} {command[0]} env",
        )


def _linker_flags(module: Path, version: str) -> str:
    flags = "-s -w"
    if _needed(module) < _ALIASES <= _numbers(version):
        # a module as old as that would not get to see generic type aliases
        flags += " -X=runtime.godebugDefault=gotypesalias=1"
    return flags


def _go_of(env: GoEnv) -> Path:
    """The go command of that very release: the one on PATH may hand over to another, as go.mod tells it to."""
    return Path(env.root) / "bin" / "go"


def module_for(version: str) -> Path:
    """The newest x/tools that a Go of `version` can build: each go.mod says what it needs."""
    modules = sorted((_needed(path.parent), path.parent) for path in XTOOLS.glob("*/go.mod"))
    numbers = _numbers(version)
    usable = [module for needed, module in modules if not numbers or needed <= numbers]
    if not usable:
        raise AnalyzerError(f"the analyzer of crossings can't be built with Go {version}")
    return usable[-1]


def _needed(module: Path) -> tuple[int, ...]:
    found = re.search(r"^go (\S+)$", (module / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{module}/go.mod has no go line"
    return _numbers(found[1])


def _numbers(version: str) -> tuple[int, ...]:
    """Release and minor release; empty for a Go built from a development tree."""
    return (
        tuple(int(part) for part in re.findall(r"\d+", version)[:2])
        if version[0] in "123456789"
        else ()
    )


def _sources(directory: Path) -> Iterable[Path]:
    """What is compiled: no tests, no test data."""
    return sorted(
        path
        for path in directory.rglob("*.go")
        if not path.name.endswith("_test.go")
        and not {"testdata", "vendor"} & set(path.relative_to(directory).parts)
    )


def _remove_unused(cache: Path) -> None:
    """Leave nothing behind for ever: each new Go and each new analyzer makes another program of some megabytes."""
    for directory in cache.glob(f"*/{NAME}"):
        if time.time() - directory.parent.stat().st_mtime > _UNUSED_FOR:
            shutil.rmtree(directory.parent, ignore_errors=True)
