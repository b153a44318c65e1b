"""The ``cgosafe`` command: the same engine without pytest."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from typing import TYPE_CHECKING, Final

from pytest_cgosafe import __version__
from pytest_cgosafe.commands import backtrace, doctor, run, stack, vet
from pytest_cgosafe.commands.common import COULD_NOT, INTERRUPTED
from pytest_cgosafe.errors import CgosafeError, IncompleteVetWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_COMMANDS: Final = (
    run,
    vet,
    stack,
    backtrace,
    doctor,
)
"""In the order of the help text. A new command is a module with `register`, and a line here."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    split = words.index("--") if "--" in words else len(words)
    options = _parser().parse_args(words[:split])
    options.args = words[split + 1 :]
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", IncompleteVetWarning)
            warnings.showwarning = lambda message, *_: _warn(message)
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


def _warn(message: Warning | str) -> None:
    print(f"cgosafe: warning: {message}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cgosafe",
        description="Watch Go programs that call C: stack peaks, crashes explained across cgo, unsafe crossings.",
        epilog="exit status: 0 clean, 1 findings, 2 the command could not do its work (and says what to do)",
    )
    parser.add_argument("--version", action="version", version=f"cgosafe {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.register(commands)
    return parser
