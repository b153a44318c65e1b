"""Examines the machine: what was found, what is missing, and the command that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_cgosafe.crossings.tool import kept_analyzer
from pytest_cgosafe.errors import CgosafeError, ToolchainError
from pytest_cgosafe.toolchain import Tool, check_cgo, check_gdb_python, find_toolchain, go_env
from pytest_cgosafe.watch.probe import ptrace_forbidden

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_cgosafe.toolchain import GoEnv


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the work stands on."""

    subject: str
    good: bool
    text: str
    """What was found, or what is wrong."""
    next_step: str | None = None
    """The command that mends it."""


def examine(directory: Path) -> Iterator[Finding]:
    """Look at everything that a watched run of a package in `directory` needs."""
    toolchain = find_toolchain(directory)
    go, cc, gdb = toolchain.go, toolchain.cc, toolchain.gdb
    yield _tool("go", go)
    if isinstance(go, Tool):
        yield _checked("cgo", lambda: check_cgo(go, directory) and "enabled")
        yield _checked("analyzer", lambda: _analyzer(go_env(go.path, directory)))
    yield _tool("cc", cc)
    yield _tool("gdb", gdb)
    if isinstance(gdb, Tool):
        yield _checked("gdb's Python", lambda: check_gdb_python(gdb))
    yield _ptrace()


def _tool(subject: str, found: Tool | ToolchainError) -> Finding:
    if isinstance(found, Tool):
        return Finding(subject, True, f"{found.version} at {found.path}")
    return Finding(subject, False, found.message, found.next_step)


def _checked(subject: str, look: Callable[[], object]) -> Finding:
    try:
        return Finding(subject, True, str(look()))
    except CgosafeError as error:
        return Finding(subject, False, error.message, error.next_step)


def _analyzer(env: GoEnv) -> str:
    program = kept_analyzer(env)
    return f"built, at {program}" if program else "not built yet; the first vet builds it"


def _ptrace() -> Finding:
    forbidden = ptrace_forbidden()
    if forbidden is None:
        return Finding("ptrace", True, "allowed")
    return Finding("ptrace", False, f"forbidden: {forbidden.reason}", forbidden.next_step)


def render_findings(findings: Iterator[Finding]) -> Iterator[str]:
    """A line for each finding, and below a bad one the command that mends it."""
    for finding in findings:
        yield f"{'ok' if finding.good else '!!'}  {finding.subject:<13} {finding.text}"
        if not finding.good and finding.next_step:
            yield f"    {'':<13} try: {finding.next_step}"
