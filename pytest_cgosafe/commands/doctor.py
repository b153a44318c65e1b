"""``cgosafe doctor``: what was found, what is missing, and the command that mends it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_cgosafe.commands.common import CLEAN, FINDINGS, print_lines
from pytest_cgosafe.doctor import examine, render_findings

if TYPE_CHECKING:
    import argparse

    from pytest_cgosafe.commands.common import Commands


def register(commands: Commands) -> None:
    """Add the command to the parser."""
    doctor = commands.add_parser(
        "doctor", help="say what was found, what is missing, and the command that mends it"
    )
    doctor.set_defaults(command=_doctor)


def _doctor(_options: argparse.Namespace) -> int:
    findings = list(examine(Path.cwd()))
    print_lines(render_findings(iter(findings)))
    return CLEAN if all(finding.good for finding in findings) else FINDINGS
