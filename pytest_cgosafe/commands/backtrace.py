"""``cgosafe backtrace``: the mixed backtrace of a core file, or of every thread of a running process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_cgosafe.commands.common import (
    CLEAN,
    FINDINGS,
    add_report_options,
    give_json,
    print_lines,
)
from pytest_cgosafe.errors import CgosafeError
from pytest_cgosafe.outcome import render_result
from pytest_cgosafe.postmortem import look_at_process, read_core

if TYPE_CHECKING:
    import argparse

    from pytest_cgosafe.commands.common import Commands


def register(commands: Commands) -> None:
    """Add the command to the parser."""
    backtrace = commands.add_parser(
        "backtrace", help="the mixed backtrace of a core file, or of every thread of a process"
    )
    where = backtrace.add_mutually_exclusive_group(required=True)
    where.add_argument("--core", type=Path, metavar="FILE", help="a core file of BINARY")
    where.add_argument("--pid", type=int, metavar="PID", help="a running process; it goes on")
    backtrace.add_argument("target", nargs="?", type=Path, metavar="BINARY", help="with --core")
    backtrace.add_argument(
        "--delve",
        action="store_true",
        help="with --core: ask Delve too, and note where it disagrees",
    )
    add_report_options(backtrace)
    backtrace.set_defaults(command=_backtrace)


def _backtrace(options: argparse.Namespace) -> int:
    if bool(options.core) != bool(options.target):
        raise CgosafeError(
            "a core file is read together with its BINARY, a process without",
            next_step="cgosafe backtrace --core CORE BINARY",
        )
    if options.delve and not options.core:
        raise CgosafeError(
            "Delve is asked about core files only: into a running process it writes breakpoints",
            next_step=f"gcore {options.pid}; cgosafe backtrace --delve"
            f" --core core.{options.pid} BINARY",
        )
    if options.core:
        run = read_core(options.core, options.target, full=options.full, delve=options.delve)
    else:
        run = look_at_process(options.pid, full=options.full)
    if options.json != "-":
        print_lines(
            render_result(run, colour=sys.stdout.isatty(), full=options.full, more="--full")
        )
    give_json(options, Path.cwd(), [run], [])
    return FINDINGS if run.crash else CLEAN
