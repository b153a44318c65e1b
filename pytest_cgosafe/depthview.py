"""How a session measures a program at several depths of recursion."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_cgosafe.depth import check_depths, fit, point_of, prove_depths
from pytest_cgosafe.options import parse_stack_limit, parsed
from pytest_cgosafe.sizes import parse_share

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from os import PathLike
    from pathlib import Path

    from pytest_cgosafe.depth import DepthModel
    from pytest_cgosafe.results import Binary, Profile, RunResult


class DepthView:
    """The part of a session that makes depth models."""

    runs: list[RunResult]

    def depth_model(
        self,
        package_or_binary: str | Path | Binary,
        *,
        depths: Sequence[int],
        args: Callable[[int], Sequence[str | PathLike[str]]] = lambda depth: [str(depth)],
        stdin: Callable[[int], str | bytes] = lambda _: b"",
        limit: str | int | None = None,
        min_headroom: str | float = "25%",
        prove: bool = False,
        timeout: float = 60.0,
        profile: Profile | str | None = None,
    ) -> DepthModel:
        """Run a program at several depths of recursion, and fit ``bytes = base + bytes_per_level * depth``.

        `args` and `stdin` give what the program needs for a depth. `limit` is a size, ``"musl"`` or ``"macos"``; None
        for the limit of the threads here. With `prove` the program is run with thread stacks of `limit`, once just
        under it and once just over: these two are not held against the marker. Raises CgosafeError for fewer than two
        different depths, and for a run that fails.
        """
        __tracebackhide__ = True
        binary = self._binary(package_or_binary, profile)

        def run(depth: int, thread_stack_size: int | None = None) -> RunResult:
            # a proof goes to the edge on purpose
            return self._run(
                binary,
                args(depth),
                stdin(depth),
                None,
                None,
                timeout,
                thread_stack_size,
                warn=thread_stack_size is None,
            )

        points = []
        for depth in check_depths(depths):
            result = run(depth)
            self.runs.append(result)
            self._check(result)
            points.append(point_of(depth, result))
        model = fit(
            points,
            limit=parsed("limit", parse_stack_limit, limit),
            min_headroom=parsed("min_headroom", parse_share, min_headroom) or 0.0,
        )
        return replace(model, proof=prove_depths(model, run)) if prove else model

    def _binary(self, what: str | Path | Binary, profile: Profile | str | None) -> Binary:
        raise NotImplementedError

    def _check(self, result: RunResult) -> None:
        raise NotImplementedError

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
        raise NotImplementedError
