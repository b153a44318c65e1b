"""``cgosafe stack``: how deep the C functions that Go calls can go, without running them."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_cgosafe.bounds import compare
from pytest_cgosafe.build import Builder
from pytest_cgosafe.commands.common import (
    CLEAN,
    FINDINGS,
    add_report_options,
    give_json,
    print_lines,
    seconds,
    size,
)
from pytest_cgosafe.errors import CgosafeError
from pytest_cgosafe.report.stackbounds import render_bounds, render_defects
from pytest_cgosafe.report.terminal import render_run
from pytest_cgosafe.results import Profile
from pytest_cgosafe.session import DEFAULT_TIMEOUT, Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_cgosafe.binary.stackreport import StackReport
    from pytest_cgosafe.commands.common import Commands

_WITHOUT_THE_LINKER: Mapping[str, str] = {"LD_BIND_NOW": "1"}
"""ld.so(8): libraries are bound before the program starts, and not on the stack of a first call."""


def register(commands: Commands) -> None:
    """Add the command to the parser."""
    summary = "how deep the C functions that Go calls can go, by their code, without running them"
    parser = commands.add_parser("stack", help=summary, description=summary)
    parser.add_argument("target", metavar="PKG|BINARY", help="as for `cgosafe run`")
    parser.add_argument(
        "--entry",
        action="append",
        default=[],
        metavar="F",
        help="count from this C function (may be repeated; default: all that Go calls)",
    )
    parser.add_argument(
        "--assume",
        action="append",
        default=[],
        type=_assumption,
        metavar="F=SIZE",
        help="take the need of a function as given, and don't look into it: malloc=8KiB",
    )
    parser.add_argument(
        "--max", type=size, metavar="SIZE", help="a larger bound, or none, is a finding"
    )
    parser.add_argument(
        "--run",
        action="store_true",
        help="run the program too, and show what was measured; arguments for it stand behind --",
    )
    parser.add_argument("--profile", choices=list(Profile), default=Profile.DEBUG, type=Profile)
    parser.add_argument("--timeout", type=seconds, default=DEFAULT_TIMEOUT, metavar="S")
    add_report_options(parser)
    parser.set_defaults(command=_stack)


def _assumption(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"{text} does not name a function")
    return name, size(number)


def _stack(options: argparse.Namespace) -> int:
    if options.args and not options.run:
        raise CgosafeError("arguments behind -- are for --run", next_step="add --run")
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="cgosafe-") as store:
        session = Session(Builder(Path(store), here), bases=[here], profile=options.profile)
        report = session.stack_bound(options.target, *options.entry, assume=dict(options.assume))
        if options.run:
            session.run(
                options.target,
                *options.args,
                timeout=options.timeout,
                env=_WITHOUT_THE_LINKER,
                check=False,
            )
        return _give(session, report, options, here)


def _give(session: Session, report: StackReport, options: argparse.Namespace, here: Path) -> int:
    measured = list(compare(report, session.runs))
    if options.json != "-":
        for run in session.runs:
            print_lines(render_run(run, colour=False, full=options.full, more="--full"))
        print_lines(render_bounds(report, measured, full=options.full))
        print_lines(render_defects(measured))
    give_json(options, here, session.runs, [], bounds=report.bounds)
    too_deep = options.max is not None and any(
        bound.bound is None or bound.bound > options.max for bound in report.bounds
    )
    unclean = any(run.exit.code != 0 for run in session.runs)
    above = any(comparison.is_above for comparison in measured)
    return FINDINGS if too_deep or unclean or above else CLEAN
