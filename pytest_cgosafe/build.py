"""Builds Go programs, test binaries and libraries with the go command, each once."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_cgosafe.errors import BuildError
from pytest_cgosafe.gocommand import Answer, go_environment, locked, run_go
from pytest_cgosafe.results import Binary, BuildMode, Profile
from pytest_cgosafe.toolchain import check_cgo, find_go

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_cgosafe.toolchain import GoEnv, Tool

_DEFAULT_CFLAGS = (frozenset({"-O2", "-g"}), frozenset[str]())
"""What ``go env CGO_CFLAGS`` says when the user set nothing (go/src/cmd/go/internal/envcmd, Go 1.21 to 1.27)."""
_TESTED = "{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}"
_MAIN_AND_TESTS = (
    '{{$d := .Dir}}{{if eq .Name "main"}}{{range .GoFiles}}{{$d}}/{{.}}\n{{end}}{{range .CgoFiles}}{{$d}}/{{.}}\n'
    "{{end}}{{end}}{{range .TestGoFiles}}{{$d}}/{{.}}\n{{end}}{{range .XTestGoFiles}}{{$d}}/{{.}}\n{{end}}"
)
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

    @property
    def name(self) -> str:
        """The last part of the package's path."""
        return self.directory.name if self.argument == "." else Path(self.argument).stem


@dataclass(frozen=True, slots=True)
class BuildFlags:
    """How a package is to be built, beside where it is."""

    profile: Profile = Profile.DEBUG
    tags: tuple[str, ...] = ()
    ldflags: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the caller's environment."""
    build_mode: BuildMode = BuildMode.EXE
    listed: str | None = None
    """The import path of a package whose assembly the compiler prints; "" for the one that is built."""

    def arguments(self) -> list[str]:
        """The flags of ``go build``, ``go test -c`` and ``go vet``."""
        flags = ["-gcflags=all=-N -l"] if self.profile is Profile.DEBUG else []
        if self.listed is not None:
            own = "-N -l -S" if self.profile is Profile.DEBUG else "-S"
            flags.append(f"-gcflags={self.listed}{'=' if self.listed else ''}{own}")
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
                else flags
                if "-g" in flags.split()
                else f"{flags} -g"
            )
        if self.profile is Profile.DEBUG:
            settings["GOEXPERIMENT"] = ",".join(filter(None, (env.experiment, "cgocheck2")))
        return settings


class Builder:
    """Asks the go command, each question once: the answers are kept in `store`, which several processes may share."""

    def __init__(self, store: Path, base: Path) -> None:
        self.store = store
        self.base = base
        self._go: Tool | None = None
        self._environments: dict[object, GoEnv] = {}

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
        mode = [f"-buildmode={flags.build_mode}"] if flags.build_mode is not BuildMode.EXE else []
        suffix = _LIBRARY_SUFFIX.get(flags.build_mode)
        name = f"{target.name}{suffix}" if suffix else ""  # a program is named by the go command
        answer, output = self._ask(
            ["test", "-c"] if test else ["build", *mode], target, flags, name
        )
        found = [path for path in output.iterdir() if path.suffix != ".h"] if answer.ok else []
        if len(found) != 1:
            said = answer.stderr.rstrip() or answer.stdout.rstrip()
            raise BuildError(
                _nothing_built(target, test, len(found)) if answer.ok else said,
                next_step=answer.command,
            )
        return Binary(
            path=found[0],
            package=package,
            profile=flags.profile,
            directory=self._directory_of(target, flags),
            is_test=test,
            build_mode=flags.build_mode,
        )

    def listing(self, binary: Binary, flags: BuildFlags, package: str, base: Path) -> str:
        """The compiler's listing of `package`, in it built as `binary` was. Raises BuildError."""
        listed = replace(flags, listed="" if package in {"main", binary.package} else package)
        command = ["test", "-c"] if binary.is_test else ["build"]
        target = Target.of(binary.package, base)
        answer, _ = self._ask(command, target, listed, "listed")
        if not answer.ok:
            raise BuildError(answer.stderr.rstrip(), next_step=answer.command)
        return answer.stderr

    def environment(self, package: str, flags: BuildFlags, *, base: Path | None = None) -> GoEnv:
        """The go command's settings where `package` would be built. Raises ToolchainError where cgo can't be used."""
        return self._environment_of(Target.of(package, base or self.base), flags)

    def vet(
        self,
        package: str,
        flags: BuildFlags,
        tool: Path,
        analyzer: str,
        *,
        base: Path | None = None,
    ) -> Answer:
        """What `analyzer` in `tool`, run by ``go vet``, says of the packages that `package` names, as JSON.

        Raises ToolchainError.
        """
        target = Target.of(package, base or self.base)
        # with -trimpath the go command would give again what it kept of a copy of the package in another directory
        command = ["vet", "-trimpath=false", "-json", f"-vettool={tool}", f"-{analyzer}"]
        return self._ask(command, target, flags)[0]

    def compile(self, package: str, flags: BuildFlags, *, base: Path | None = None) -> Answer:
        """What the compiler says of the packages that `package` names; nothing is kept. Raises ToolchainError."""
        target = Target.of(package, base or self.base)
        return self._ask(["build", "-o", os.devnull], target, flags)[0]

    def files_with_directives(
        self, package: str, flags: BuildFlags, *, base: Path | None = None
    ) -> list[Path]:
        """The Go files whose ``//go:debug`` lines count: of main packages and of tests, with errors in them or not."""
        target = Target.of(package, base or self.base)
        answer, _ = self._ask(["list", "-e", "-f", _MAIN_AND_TESTS], target, flags)
        return [Path(line) for line in answer.stdout.split("\n") if line]

    def packages_with_tests(
        self, pattern: str, flags: BuildFlags, *, base: Path | None = None
    ) -> list[str]:
        """The directories of the packages that `pattern` (``./...``) matches and that have tests.

        Raises BuildError with the go command's own words.
        """
        return self._list(Target.of(pattern, base or self.base), flags, _TESTED)

    def _directory_of(self, target: Target, flags: BuildFlags) -> Path:
        if target.argument == "." or target.argument.endswith(".go"):
            return target.directory
        return Path(self._list(target, flags, "{{.Dir}}")[0])

    def _list(self, target: Target, flags: BuildFlags, template: str) -> list[str]:
        answer, _ = self._ask(["list", "-f", template], target, flags)
        if not answer.ok or not answer.stdout.strip():
            said = answer.stderr.strip() or f"nothing matches {target.argument}"
            raise BuildError(said, next_step=answer.command)
        return [line for line in answer.stdout.split("\n") if line]

    def _ask(
        self, subcommand: list[str], target: Target, flags: BuildFlags, name: str | None = None
    ) -> tuple[Answer, Path]:
        """Run ``go SUBCOMMAND``; with `name`, its output goes to that name in the directory that is returned."""
        settings = flags.settings(self._environment_of(target, flags))
        question = [*subcommand, *flags.arguments()]
        identity = [
            str(target.directory),
            target.argument,
            question,
            sorted(settings.items()),
            go_environment(),
        ]
        work = self.store / hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
        output = work / "out"
        with locked(work):
            kept = work / "answer.json"
            if not kept.exists():
                output.mkdir(exist_ok=True)
                destination = [] if name is None else ["-o", f"{output}/{name}"]
                arguments = [*question, *destination, target.argument]
                answer = run_go(self.go, arguments, target.directory, settings)
                kept.write_text(json.dumps(asdict(answer)))
            return Answer(**json.loads(kept.read_text())), output

    def _environment_of(self, target: Target, flags: BuildFlags) -> GoEnv:
        variables = os.environ | dict(flags.env)
        known = (target.directory, frozenset(variables.items()))
        if known not in self._environments:
            self._environments[known] = check_cgo(self.go, target.directory, variables)
        return self._environments[known]


def _nothing_built(target: Target, test: bool, count: int) -> str:
    what = f"{target.argument} in {target.directory}"
    if count:
        return f"{what} matches {count} packages; name one"
    return f"{what} has no test files" if test else f"{what} is not a main package: nothing to run"
