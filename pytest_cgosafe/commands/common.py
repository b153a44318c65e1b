"""What the commands share: exit statuses, options, a session around the work, and giving its report."""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pytest_cgosafe.build import Builder
from pytest_cgosafe.checks import check
from pytest_cgosafe.errors import CgosafeError
from pytest_cgosafe.options import Limits
from pytest_cgosafe.report.json import to_json
from pytest_cgosafe.report.live import LiveReport
from pytest_cgosafe.report.terminal import printable, render_breaches, render_run
from pytest_cgosafe.session import Session
from pytest_cgosafe.sizes import parse_size
from pytest_cgosafe.toolchain import find_toolchain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_cgosafe.binary.stackreport import StackBound
    from pytest_cgosafe.crossings.inventory import Inventory
    from pytest_cgosafe.results import Crossing, RunResult

CLEAN, FINDINGS, COULD_NOT = 0, 1, 2
INTERRUPTED = 130
"""Exit statuses: nothing found; findings; the command could not do its work, and says so; Ctrl-C, as shells tell."""

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What ``add_subparsers`` gives: every command registers itself there."""


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """``--json`` and ``--full``."""
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="write the report as JSON, schema cgosafe/1; - for standard output",
    )
    parser.add_argument(
        "--full", action="store_true", help="show every frame, register and local of a crash"
    )


def seconds(text: str) -> float:
    """An option's value as seconds. Raises ArgumentTypeError, a usage error, for what is none."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return value


def size(text: str) -> int:
    """An option's value as bytes. Raises ArgumentTypeError, a usage error, for what is none."""
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def in_session(options: argparse.Namespace, work: Callable[[Session], object]) -> int:
    """Do `work` in a session made after `options`, and report what it saw; returns the exit status."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="cgosafe-") as store:
        session = Session(
            Builder(Path(store), here),
            bases=[here],
            profile=options.profile,
            backtrace="full" if options.full else "folded",
            spectator=LiveReport(
                sys.stderr, lambda text: print(f"cgosafe: {text}", file=sys.stderr, flush=True)
            ),
        )
        work(session)
        return give_report(session, options, here)


def give_report(session: Session, options: argparse.Namespace, here: Path) -> int:
    """Tell what the session saw, as text or JSON; returns the exit status."""
    crossings, failure = _crossings(session)
    runs_alone = [replace(run, crossings=()) for run in session.runs]  # each tells its own below
    breaches = check(Limits().but({"forbid": "all"}), runs_alone, crossings)
    if options.json != "-":
        for run in session.runs:
            sys.stdout.write(printable(run.stdout))
            sys.stdout.flush()
            sys.stderr.write(printable(run.stderr))
            print_lines(
                render_run(run, colour=sys.stdout.isatty(), full=options.full, more="--full")
            )
        print_lines(render_breaches(breaches))
    give_json(options, here, session.runs, crossings)
    if failure:
        raise failure
    unclean = any(run.exit.code != 0 or run.crossings for run in session.runs)
    return FINDINGS if unclean or breaches else CLEAN


def _crossings(session: Session) -> tuple[list[Crossing], CgosafeError | None]:
    """Those in source, or why they could not be had: that must not keep back what a program did."""
    try:
        return session.crossings(), None
    except CgosafeError as error:
        return [], error


def give_json(
    options: argparse.Namespace,
    here: Path,
    runs: list[RunResult],
    crossings: list[Crossing],
    *,
    bounds: tuple[StackBound, ...] | None = None,
    inventory: Inventory | None = None,
) -> None:
    """Write the report to where ``--json`` says, if it was given. Raises CgosafeError when that can't be written."""
    if options.json:
        write(
            options.json,
            to_json(find_toolchain(here), runs, crossings, bounds=bounds, inventory=inventory),
        )


def write(path: str, text: str) -> None:
    """Write a report to a file, or to standard output for ``-``. Raises CgosafeError when that can't be done."""
    if path == "-":
        print(text)
        return
    try:
        Path(path).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise CgosafeError(
            f"{path} could not be written: {error.strerror}", next_step="write it to -"
        ) from None


def print_lines(lines: Iterable[str]) -> None:
    """Print each as a line of its own."""
    for line in lines:
        print(line)
