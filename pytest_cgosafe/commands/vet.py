"""``cgosafe vet``: the unsafe crossings that can be seen in packages' source, without running them."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_cgosafe.build import Builder
from pytest_cgosafe.commands.common import CLEAN, FINDINGS, give_json, print_lines, write
from pytest_cgosafe.crossings.listing import render_inventory
from pytest_cgosafe.crossings.render import render_crossing
from pytest_cgosafe.crossings.rules import is_forbidden
from pytest_cgosafe.options import parse_kinds
from pytest_cgosafe.report.sarif import to_sarif
from pytest_cgosafe.results import CrossingKind, Profile
from pytest_cgosafe.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.commands.common import Commands
    from pytest_cgosafe.results import Crossing


def register(commands: Commands) -> None:
    """Add the command to the parser."""
    summary = "find Go values that reach C against the cgo rules, without running anything"
    vet = commands.add_parser("vet", help=summary, description=summary)
    vet.add_argument(
        "packages", nargs="+", metavar="PKG", help="an import path, a directory, or ./..."
    )
    vet.add_argument(
        "--forbid",
        type=_kinds,
        default=frozenset(CrossingKind),
        metavar="KINDS",
        help=f"tell these only: {', '.join(CrossingKind)} (default: all)",
    )
    vet.add_argument(
        "--tags",
        type=lambda text: text.replace(",", " ").split(),
        default=[],
        help="build tags, as the go command takes them",
    )
    vet.add_argument(
        "--inventory",
        action="store_true",
        help="list also every call into C and back, the copies, and what becomes of C allocations",
    )
    vet.add_argument(
        "--json",
        metavar="FILE",
        help="write the report as JSON, schema cgosafe/1; - for standard output",
    )
    vet.add_argument(
        "--sarif", metavar="FILE", help="write the report as SARIF 2.1.0; - for standard output"
    )
    vet.set_defaults(command=_vet)


def _kinds(text: str) -> frozenset[CrossingKind]:
    try:
        return parse_kinds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _vet(options: argparse.Namespace) -> int:
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="cgosafe-") as store:
        # with the user's own flags, so that what the go command has built before serves again
        session = Session(Builder(Path(store), here), bases=[here], profile=Profile.RELEASE)
        found = session.vet(*options.packages, tags=options.tags)
        inventory = (
            session.inventory(*options.packages, tags=options.tags) if options.inventory else None
        )
    crossings = [crossing for crossing in found if is_forbidden(crossing, options.forbid)]
    if "-" not in (options.json, options.sarif):
        if inventory:
            print_lines([*render_inventory(inventory), ""])
        print_lines(_told(crossings))
    give_json(options, here, [], crossings, inventory=inventory)
    if options.sarif:
        write(options.sarif, to_sarif(crossings, here))
    return FINDINGS if crossings else CLEAN


def _told(crossings: list[Crossing]) -> Iterator[str]:
    for crossing in crossings:
        yield from render_crossing(crossing)
        yield ""
    if crossings:
        yield f"{len(crossings)} unsafe crossing{'s' if len(crossings) > 1 else ''}"
    else:
        yield "no unsafe crossings found"
