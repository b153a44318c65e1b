"""The ``cgosafe`` command: the same engine without pytest."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_cgosafe import __version__
from pytest_cgosafe.build import Builder
from pytest_cgosafe.checks import check
from pytest_cgosafe.doctor import examine, render_findings
from pytest_cgosafe.errors import CgosafeError
from pytest_cgosafe.options import Limits
from pytest_cgosafe.postmortem import look_at_process, read_core
from pytest_cgosafe.report.json import to_json
from pytest_cgosafe.report.terminal import printable, render_breaches, render_run
from pytest_cgosafe.results import Profile
from pytest_cgosafe.session import DEFAULT_TIMEOUT, Session, render_result
from pytest_cgosafe.toolchain import find_toolchain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_cgosafe.results import Crossing, RunResult

CLEAN, FINDINGS, COULD_NOT = 0, 1, 2
INTERRUPTED = 130
"""Exit statuses: nothing found; findings; the command could not do its work, and says so; Ctrl-C, as shells tell."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    split = words.index("--") if "--" in words else len(words)
    options = _parser().parse_args(words[:split])
    options.args = words[split + 1 :]
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except CgosafeError as error:
        print(f"cgosafe: {error}", file=sys.stderr)
        return COULD_NOT
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # the reader left: what Python flushes at its own end must find something to go to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return COULD_NOT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cgosafe",
        description="Watch Go programs that call C: stack peaks, crashes explained across cgo, unsafe crossings.",
        epilog="exit status: 0 clean, 1 findings, 2 the command could not do its work (and says what to do)",
    )
    parser.add_argument("--version", action="version", version=f"cgosafe {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = _running(commands, "run", "run a program under watch; arguments for it stand behind --")
    run.add_argument(
        "target",
        metavar="PKG|BINARY",
        help="an import path, a directory, or a program already built",
    )
    run.set_defaults(command=_run)
    test = _running(
        commands,
        "test",
        "run packages' own Go tests under watch; arguments for them stand behind --",
    )
    test.add_argument("target", metavar="PKG", help="an import path, a directory, or ./...")
    test.set_defaults(command=_test)
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
    _reporting(backtrace)
    backtrace.set_defaults(command=_backtrace)
    doctor = commands.add_parser(
        "doctor", help="say what was found, what is missing, and the command that mends it"
    )
    doctor.set_defaults(command=_doctor)
    return parser


def _running(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary)
    parser.add_argument(
        "--profile",
        choices=list(Profile),
        default=Profile.DEBUG,
        type=Profile,
        help="default: debug",
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=DEFAULT_TIMEOUT,
        metavar="S",
        help=f"seconds (default: {DEFAULT_TIMEOUT:g})",
    )
    _reporting(parser)
    return parser


def _reporting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="write the report as JSON, schema cgosafe/1; - for standard output",
    )
    parser.add_argument(
        "--full", action="store_true", help="show every frame, register and local of a crash"
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return seconds


def _run(options: argparse.Namespace) -> int:
    return _in_session(
        options,
        lambda session: session.run(
            options.target, *options.args, timeout=options.timeout, check=False
        ),
    )


def _test(options: argparse.Namespace) -> int:
    def test_all(session: Session) -> None:
        directories = (
            session.packages_with_tests(options.target)
            if options.target.endswith("...")
            else [options.target]
        )
        for directory in directories:
            session.go_test(directory, args=options.args, timeout=options.timeout, check=False)

    return _in_session(options, test_all)


def _in_session(options: argparse.Namespace, work: Callable[[Session], object]) -> int:
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="cgosafe-") as store:
        session = Session(
            Builder(Path(store), here),
            bases=[here],
            profile=options.profile,
            backtrace="full" if options.full else "folded",
        )
        work(session)
        return _report(session, options, here)


def _report(session: Session, options: argparse.Namespace, here: Path) -> int:
    crossings = session.crossings()
    runs_alone = [replace(run, crossings=()) for run in session.runs]  # each tells its own below
    breaches = check(Limits().but({"forbid": "all"}), runs_alone, crossings)
    if options.json != "-":
        for run in session.runs:
            sys.stdout.write(printable(run.stdout))
            sys.stdout.flush()
            sys.stderr.write(printable(run.stderr))
            _print(render_run(run, colour=sys.stdout.isatty(), full=options.full, more="--full"))
        _print(render_breaches(breaches))
    _give_json(options, here, session.runs, crossings)
    unclean = any(run.exit.code != 0 or run.crossings for run in session.runs)
    return FINDINGS if unclean or breaches else CLEAN


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
        _print(render_result(run, colour=sys.stdout.isatty(), full=options.full, more="--full"))
    _give_json(options, Path.cwd(), [run], [])
    return FINDINGS if run.crash else CLEAN


def _give_json(
    options: argparse.Namespace, here: Path, runs: list[RunResult], crossings: list[Crossing]
) -> None:
    if options.json:
        text = to_json(find_toolchain(here), runs, crossings)
        if options.json == "-":
            print(text)
        else:
            _write(Path(options.json), text)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise CgosafeError(
            f"{path} could not be written: {error.strerror}", next_step="--json -"
        ) from None


def _doctor(_options: argparse.Namespace) -> int:
    findings = list(examine(Path.cwd()))
    _print(render_findings(iter(findings)))
    return CLEAN if all(finding.good for finding in findings) else FINDINGS


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
