"""The object behind the ``cgosafe`` fixture and the command: builds, runs, and keeps what it saw."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from pytest_cgosafe.build import BuildFlags
from pytest_cgosafe.crossings.inventory import take_inventory
from pytest_cgosafe.crossings.suppression import suppression_in_environment
from pytest_cgosafe.crossings.vet import vet
from pytest_cgosafe.depthview import DepthView
from pytest_cgosafe.errors import (
    CgosafeError,
    CrashError,
    GoTestError,
    RunTimeoutError,
)
from pytest_cgosafe.options import parsed
from pytest_cgosafe.outcome import check_expected, render_result
from pytest_cgosafe.results import Binary, BuildMode, Profile
from pytest_cgosafe.run import run_watched
from pytest_cgosafe.sizes import parse_size
from pytest_cgosafe.staticview import StaticView

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from pytest_cgosafe.build import Builder
    from pytest_cgosafe.crossings.inventory import Inventory
    from pytest_cgosafe.results import Crash, Crossing, RunResult
    from pytest_cgosafe.watch.sampler import Spectator

_Choice = TypeVar("_Choice", bound=StrEnum)

DEFAULT_TIMEOUT = 60.0
"""Seconds."""


class Session(StaticView, DepthView):
    """Builds packages and runs programs under watch, on behalf of one test or one command."""

    def __init__(
        self,
        builder: Builder,
        *,
        bases: Sequence[Path],
        profile: Profile = Profile.DEBUG,
        backtrace: Literal["folded", "full"] = "folded",
        watch_growth: bool = False,
        trace_crossings: bool = False,
        spectator: Spectator | None = None,
    ) -> None:
        self._builder = builder
        self._bases = tuple(bases)
        self._profile = profile
        self._backtrace = backtrace
        self._watch_growth = watch_growth
        self._trace_crossings = trace_crossings
        self._spectator = spectator
        self.runs: list[RunResult] = []
        """Every run so far, but for those that were expected to crash."""
        self.packages: dict[tuple[str, Path], BuildFlags] = {}
        """Every package built from source so far, with where it was looked up."""

    def build(
        self,
        package: str,
        *,
        profile: Profile | str | None = None,
        tags: Sequence[str] = (),
        ldflags: str = "",
        env: Mapping[str, str] | None = None,
        build_mode: BuildMode | str = BuildMode.EXE,
        test: bool = False,
    ) -> Binary:
        """Build `package`, an import path or a directory; with `test`, its test binary.

        A relative directory is looked for in the Go module around the test, then from the test's own directory upwards.
        `env` is added to the environment. The same build is made once in a pytest session.
        Raises BuildError with the compiler's own words, ToolchainError where Go or a C compiler is missing.
        """
        flags = BuildFlags(
            profile=_chosen(Profile, profile or self._profile),
            tags=tuple(tags),
            ldflags=ldflags,
            env=dict(env or {}),
            build_mode=_chosen(BuildMode, build_mode),
        )
        base = self._base_of(package)
        binary = self._builder.build(package, flags, test=test, base=base)
        self.packages[package, base] = flags
        return binary

    def run(
        self,
        package_or_binary: str | Path | Binary,
        *args: str | PathLike[str],
        stdin: str | bytes = b"",
        env: Mapping[str, str | None] | None = None,
        cwd: str | Path | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        check: bool = True,
        profile: Profile | str | None = None,
        thread_stack_size: str | int | None = None,
        watch_growth: bool | None = None,
        trace_crossings: bool | None = None,
    ) -> RunResult:
        """Run a program under watch until it ends, at most `timeout` seconds.

        A package is built first, in `profile`. `env` is added to the environment; a value of None takes a variable out.
        `thread_stack_size` (``"256KiB"``) is the program's RLIMIT_STACK, as ``ulimit -s`` sets it: the limit of its
        main thread, and of the threads that it makes without saying a size, as Go does.
        `watch_growth` has every growth of a goroutine stack seen, by a trap in the program's code; without it,
        goroutines are looked at now and then. By default it is as the marker's `max_goroutine_stack` needs it.
        `trace_crossings` has what C is given looked at, in the first calls of each C function, by traps too: see the
        result's `crossings` and `trace`. By default it is as the marker says.
        With `check`, a crash raises CrashError, whose text is the report, and a timeout RunTimeoutError; an exit status
        is the caller's to judge.
        """
        __tracebackhide__ = True
        binary = self._binary(package_or_binary, profile)
        result = self._run(
            binary,
            args,
            stdin,
            env,
            cwd,
            timeout,
            thread_stack_size,
            watch_growth,
            trace_crossings,
        )
        self.runs.append(result)
        if check:
            self._check(result)
        return result

    def go_test(
        self,
        package: str,
        *,
        run: str | None = None,
        args: Sequence[str] = (),
        env: Mapping[str, str | None] | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        check: bool = True,
        profile: Profile | str | None = None,
        tags: Sequence[str] = (),
        thread_stack_size: str | int | None = None,
        watch_growth: bool | None = None,
        trace_crossings: bool | None = None,
    ) -> RunResult:
        """Run a package's own Go tests under watch, those that the pattern `run` selects or all, in its directory.

        `args` go to the test binary (``-test.v``). With `check`, also raises GoTestError when a Go test fails.
        """
        __tracebackhide__ = True
        binary = self.build(package, profile=profile, tags=tags, test=True)
        selected = [f"-test.run={run}"] if run is not None else []
        arguments = ("-test.paniconexit0", *selected, *args)
        result = self._run(
            binary,
            arguments,
            b"",
            env,
            binary.directory,
            timeout,
            thread_stack_size,
            watch_growth,
            trace_crossings,
        )
        self.runs.append(result)
        if check:
            self._check(result)
            if result.exit.code:
                raise GoTestError(
                    f"Go tests of {package} failed\n{result.stdout}{result.stderr}",
                    result=result,
                    next_step=shlex.join(
                        ["cgosafe", "test", str(binary.directory), "--", *selected, "-test.v"]
                    ),
                )
        return result

    def vet(self, *packages: str, tags: Sequence[str] = ()) -> list[Crossing]:
        """The unsafe crossings that can be seen in the source of `packages` without running them.

        Raises BuildError with the compiler's own words, AnalyzerError where the analyzer can't be built or fails.
        """
        flags = BuildFlags(profile=self._profile, tags=tuple(tags))
        found = [
            vet(self._builder, package, flags, base=self._base_of(package)) for package in packages
        ]
        return list(dict.fromkeys(crossing for crossings in found for crossing in crossings))

    def inventory(self, *packages: str, tags: Sequence[str] = ()) -> Inventory:
        """What `packages` exchange with C: calls, callbacks, copies, and what becomes of C memory. Raises as `vet`."""
        flags = BuildFlags(profile=self._profile, tags=tuple(tags))
        placed = [(package, self._base_of(package)) for package in packages]
        return take_inventory(self._builder, placed, flags)

    def expect_crash(
        self,
        package_or_binary: str | Path | Binary,
        *args: str | PathLike[str],
        signal: str | None = None,
        cause: str | None = None,
        function: str | None = None,
        stdin: str | bytes = b"",
        env: Mapping[str, str | None] | None = None,
        cwd: str | Path | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        profile: Profile | str | None = None,
        thread_stack_size: str | int | None = None,
    ) -> Crash:
        """Run a program that has to crash, and give its crash. The run is not held against the marker.

        `signal` is its name, `cause` a regular expression found in the cause, `function` a function on the backtrace.
        Raises ExpectationError when the program did not crash, or not so.
        """
        __tracebackhide__ = True
        binary = self._binary(package_or_binary, profile)
        result = self._run(binary, args, stdin, env, cwd, timeout, thread_stack_size)
        return check_expected(
            result, self._report(result), signal=signal, cause=cause, function=function
        )

    def crossings(self) -> list[Crossing]:
        """The unsafe crossings that can be seen in the source of every package built so far."""
        found = [
            vet(self._builder, package, flags, base=base)
            for (package, base), flags in self.packages.items()
        ]
        return list(dict.fromkeys(crossing for crossings in found for crossing in crossings))

    def packages_with_tests(self, pattern: str) -> list[str]:
        """The directories of the packages with tests that `pattern` (``./...``) matches."""
        flags = BuildFlags(profile=self._profile)
        return self._builder.packages_with_tests(pattern, flags, base=self._base_of(pattern))

    def _run(
        self,
        binary: Binary,
        args: Sequence[str | PathLike[str]],
        stdin: str | bytes,
        env: Mapping[str, str | None] | None,
        cwd: str | Path | None,
        timeout: float,
        thread_stack_size: str | int | None,
        watch_growth: bool | None = None,
        trace_crossings: bool | None = None,
        *,
        warn: bool = True,
    ) -> RunResult:
        changed = {**os.environ, **(env or {})}
        environment = {name: value for name, value in changed.items() if value is not None}
        result = run_watched(
            binary,
            tuple(os.fspath(arg) for arg in args),
            stdin=stdin.encode() if isinstance(stdin, str) else stdin,
            env=environment,
            cwd=Path(cwd or Path.cwd()),
            timeout=timeout,
            full=self._backtrace == "full",
            thread_stack_size=parsed("thread_stack_size", parse_size, thread_stack_size),
            watch_growth=self._watch_growth if watch_growth is None else watch_growth,
            trace_crossings=self._trace_crossings if trace_crossings is None else trace_crossings,
            spectator=self._spectator if warn else None,
        )
        unchecked = suppression_in_environment(environment)
        return replace(result, crossings=(*result.crossings, unchecked)) if unchecked else result

    def _binary(self, what: str | Path | Binary, profile: Profile | str | None) -> Binary:
        if isinstance(what, Binary):
            return what
        path = Path(what)
        if path.is_file() and path.suffix != ".go":
            return Binary(
                path=path.resolve(),
                package=str(what),
                profile=None,
                directory=path.resolve().parent,
            )
        return self.build(str(what), profile=profile)

    def _base_of(self, package: str) -> Path:
        """The first base that has such a directory; for an import path, the first of all."""
        relative = package.removesuffix("/...")
        return next((base for base in self._bases if (base / relative).exists()), self._bases[0])

    def _check(self, result: RunResult) -> None:
        __tracebackhide__ = True
        if result.crash:
            raise CrashError(self._report(result), result=result)
        if result.exit.timed_out:
            raise RunTimeoutError(self._report(result), result=result)

    def _report(self, result: RunResult) -> str:
        return "\n".join(render_result(result, full=self._backtrace == "full"))


class SessionBuilder(Session):
    """Builds Go packages for fixtures of a wider scope than a test; can be called for short."""

    __call__ = Session.build


def _chosen(choices: type[_Choice], value: str) -> _Choice:
    try:
        return choices(value)
    except ValueError:
        raise CgosafeError(f"{value!r} is none of: {', '.join(choices)}") from None
