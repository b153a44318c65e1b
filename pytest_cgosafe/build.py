"""Builds Go programs, test binaries and libraries with the go command, each once."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shlex
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_cgosafe.errors import BuildError
from pytest_cgosafe.results import Binary, BuildMode, Profile
from pytest_cgosafe.toolchain import GoEnv, check_cgo, find_go

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_cgosafe.toolchain import Tool

_DEFAULT_CFLAGS = (frozenset({"-O2", "-g"}), frozenset[str]())
"""What ``go env CGO_CFLAGS`` says when the user set nothing (go/src/cmd/go/internal/envcmd, Go 1.21 to 1.27)."""
_LIBRARY_SUFFIX = {BuildMode.C_SHARED: ".so", BuildMode.C_ARCHIVE: ".a"}


@dataclass(frozen=True, slots=True)
class Target:
    """A package as the go command is to be asked for it: `argument`, in `directory`."""

    argument: str
    directory: Path

    @classmethod
    def of(cls, package: str, base: Path) -> Target:
        """The target that `package`, an import path or a directory, means to someone who stands in `base`.

        A directory is asked for from within itself, so that its own module is used.
        """
        path = base / package.removesuffix("/...")
        if path.is_file() and path.suffix == ".go":
            return cls(path.name, path.parent.resolve())
        if path.is_dir():
            return cls("./..." if package.endswith("...") else ".", path.resolve())
        if package.startswith((".", "/")):
            raise BuildError(
                f"there is no directory {package} below {base}",
                next_step=f"ls {shlex.quote(str(base))}",
            )
        return cls(package, base)


@dataclass(frozen=True, slots=True)
class BuildFlags:
    """How a package is to be built, beside where it is."""

    profile: Profile = Profile.DEBUG
    tags: tuple[str, ...] = ()
    ldflags: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the caller's environment."""
    build_mode: BuildMode = BuildMode.EXE

    def arguments(self) -> list[str]:
        """The flags of ``go build``, ``go test -c`` and ``go vet``."""
        flags = ["-gcflags=all=-N -l"] if self.profile is Profile.DEBUG else []
        if self.tags:
            flags.append(f"-tags={','.join(self.tags)}")
        if self.ldflags:
            flags.append(f"-ldflags={self.ldflags}")
        return flags

    def settings(self, env: GoEnv) -> dict[str, str]:
        """The variables that this build adds to the user's own environment, where ``go env`` said `env`.

        C is built without optimization in the debug profile, like Go, unless the user's own CGO_CFLAGS say otherwise.
        """
        settings = dict(self.env)
        for name, flags in (("CGO_CFLAGS", env.cgo_cflags), ("CGO_CXXFLAGS", env.cgo_cxxflags)):
            own = "" if set(flags.split()) in _DEFAULT_CFLAGS else flags
            settings[name] = (
                f"{own} -g -fno-omit-frame-pointer".strip()
                if self.profile is Profile.DEBUG
                else f"{flags} -g"
            )
        if self.profile is Profile.DEBUG:
            settings["GOEXPERIMENT"] = ",".join(filter(None, (env.experiment, "cgocheck2")))
        return settings


class Builder:
    """Builds into `store`, a directory that several processes may share: each package, profile and flags once."""

    def __init__(self, store: Path, base: Path) -> None:
        self.store = store
        self.base = base
        self._go: Tool | None = None

    @property
    def go(self) -> Tool:
        """The go command. Raises ToolchainError where there is none to use."""
        if self._go is None:
            self._go = find_go(self.base)
        return self._go

    def build(
        self, package: str, flags: BuildFlags, *, test: bool = False, base: Path | None = None
    ) -> Binary:
        """Build the main package (or, with `test`, the test binary of any package) that `package` names.

        `base` is where relative directories start, and the module that import paths are looked up in.
        Raises ToolchainError, and BuildError with the compiler's own words.
        """
        target = Target.of(package, base or self.base)
        settings = flags.settings(self._go_env(target, flags))
        work = self.store / _key(target, flags, settings, test)
        with _locked(work):
            built = _read_outcome(work)
            if built is None:
                built = self._compile(target, flags, settings, work, test)
                (work / "outcome.json").write_text(
                    json.dumps([str(built.output or ""), built.error, built.command])
                )
        if built.output is None:
            raise BuildError(built.error, next_step=built.command)
        return Binary(
            path=built.output,
            package=package,
            profile=flags.profile,
            directory=self._directory_of(target, flags),
            is_test=test,
            build_mode=flags.build_mode,
        )

    def run_go(
        self,
        subcommand: Sequence[str],
        package: str,
        flags: BuildFlags,
        *,
        base: Path | None = None,
    ) -> tuple[subprocess.CompletedProcess[str], str]:
        """Run ``go SUBCOMMAND`` on `package` as `flags` would build it; also gives the command that reproduces it.

        Raises ToolchainError.
        """
        return self._ask_go(subcommand, Target.of(package, base or self.base), flags)

    def packages(self, pattern: str, flags: BuildFlags, *, base: Path | None = None) -> list[str]:
        """The directories of the packages that `pattern` (``./...``) matches.

        Raises BuildError with the go command's own words.
        """
        return self._list(Target.of(pattern, base or self.base), flags)

    def _directory_of(self, target: Target, flags: BuildFlags) -> Path:
        if target.argument == "." or target.argument.endswith(".go"):
            return target.directory
        return Path(self._list(target, flags)[0])

    def _list(self, target: Target, flags: BuildFlags) -> list[str]:
        done, command = self._ask_go(["list", "-f", "{{.Dir}}"], target, flags)
        if done.returncode or not done.stdout:
            raise BuildError(done.stderr.strip(), next_step=command)
        return done.stdout.splitlines()

    def _ask_go(
        self, subcommand: Sequence[str], target: Target, flags: BuildFlags
    ) -> tuple[subprocess.CompletedProcess[str], str]:
        settings = flags.settings(self._go_env(target, flags))
        arguments = [*subcommand, *flags.arguments(), target.argument]
        done = _go(self.go, arguments, target.directory, settings)
        return done, _reproduce(self.go, arguments, target.directory, settings)

    def _go_env(self, target: Target, flags: BuildFlags) -> GoEnv:
        return check_cgo(self.go, target.directory, os.environ | dict(flags.env))

    def _compile(
        self, target: Target, flags: BuildFlags, settings: dict[str, str], work: Path, test: bool
    ) -> _Outcome:
        output = work / "out"
        output.mkdir(exist_ok=True)
        suffix = _LIBRARY_SUFFIX.get(flags.build_mode)
        name = f"{_last_part(target)}{suffix}" if suffix else ""
        arguments = [
            *(["test", "-c"] if test else ["build"]),
            *([f"-buildmode={flags.build_mode}"] if flags.build_mode is not BuildMode.EXE else []),
            *flags.arguments(),
            "-o",
            f"{output}/{name}",
            target.argument,
        ]
        command = _reproduce(self.go, arguments, target.directory, settings)
        done = _go(self.go, arguments, target.directory, settings)
        if done.returncode:
            return _Outcome(None, done.stderr.rstrip() or done.stdout.rstrip(), command)
        found = sorted(path for path in output.iterdir() if path.suffix != ".h")
        if len(found) != 1:
            return _Outcome(None, _nothing_built(target, test, len(found)), command)
        return _Outcome(found[0], "", command)


@dataclass(frozen=True, slots=True)
class _Outcome:
    output: Path | None
    error: str
    command: str


def _nothing_built(target: Target, test: bool, count: int) -> str:
    what = f"{target.argument} in {target.directory}"
    if count:
        return f"{what} matches {count} packages; name one"
    return (
        f"{what} has no test files"
        if test
        else f"{what} is not a main package: there is no program to run"
    )


def _last_part(target: Target) -> str:
    return target.directory.name if target.argument == "." else Path(target.argument).stem


def _go(
    go: Tool, arguments: Sequence[str], directory: Path, settings: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(go.path), *arguments],
        cwd=directory,
        env=os.environ | dict(settings) | {"PWD": str(directory)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        encoding="utf-8",
        errors="surrogateescape",
    )


def _reproduce(
    go: Tool, arguments: Sequence[str], directory: Path, settings: Mapping[str, str]
) -> str:
    shown = [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
    return f"cd {shlex.quote(str(directory))} && {' '.join([*shown, shlex.join([str(go.path), *arguments])])}"


def _key(target: Target, flags: BuildFlags, settings: Mapping[str, str], test: bool) -> str:
    identity = [
        str(target.directory),
        target.argument,
        flags.build_mode,
        test,
        flags.arguments(),
        sorted(settings.items()),
    ]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]


def _read_outcome(work: Path) -> _Outcome | None:
    try:
        output, error, command = json.loads((work / "outcome.json").read_text())
    except FileNotFoundError:
        return None
    return _Outcome(Path(output) if output else None, error, command)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold `directory` against other threads and processes; the kernel lets go of it when a process dies."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
