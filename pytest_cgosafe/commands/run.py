"""``cgosafe run`` and ``cgosafe test``: a program, or packages' own Go tests, under watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_cgosafe.commands.common import add_report_options, in_session, seconds, size
from pytest_cgosafe.results import Profile
from pytest_cgosafe.session import DEFAULT_TIMEOUT

if TYPE_CHECKING:
    import argparse

    from pytest_cgosafe.commands.common import Commands
    from pytest_cgosafe.session import Session


def register(commands: Commands) -> None:
    """Add both commands to the parser."""
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


def _running(commands: Commands, name: str, summary: str) -> argparse.ArgumentParser:
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
        type=seconds,
        default=DEFAULT_TIMEOUT,
        metavar="S",
        help=f"seconds (default: {DEFAULT_TIMEOUT:g})",
    )
    parser.add_argument(
        "--thread-stack-size",
        type=size,
        metavar="SIZE",
        help="run with this limit for thread stacks, as `ulimit -s` sets it: 256KiB",
    )
    parser.add_argument(
        "--watch-growth",
        action="store_true",
        help="see every growth of a goroutine stack, by a trap in the program's code",
    )
    parser.add_argument(
        "--trace-crossings",
        action="store_true",
        help="look at what C is given at run time, in the first calls of each C function",
    )
    add_report_options(parser)
    return parser


def _run(options: argparse.Namespace) -> int:
    return in_session(
        options,
        lambda session: session.run(
            options.target,
            *options.args,
            timeout=options.timeout,
            check=False,
            thread_stack_size=options.thread_stack_size,
            trace_crossings=options.trace_crossings,
            watch_growth=options.watch_growth,
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
            session.go_test(
                directory,
                args=options.args,
                timeout=options.timeout,
                check=False,
                thread_stack_size=options.thread_stack_size,
                trace_crossings=options.trace_crossings,
                watch_growth=options.watch_growth,
            )

    return in_session(options, test_all)
