"""The findings of ``go vet``'s cgocall pass, which sees one expression deep, as crossings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_cgosafe.crossings.fixes import fix_for
from pytest_cgosafe.errors import BuildError
from pytest_cgosafe.results import Crossing, CrossingKind, Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.build import Builder, BuildFlags

_C_CALL = re.compile(r"\bC\.(\w+)\s*\(")


def vet(
    builder: Builder, package: str, flags: BuildFlags, *, base: Path | None = None
) -> tuple[Crossing, ...]:
    """What ``go vet -cgocall`` finds in the packages that `package` names, built with `flags`.

    The pass does not tell which kind of value it is, only that it holds a Go pointer: all are of kind pointer.
    Raises ToolchainError, and BuildError when a package can't be type-checked.
    """
    answer = builder.vet(package, flags, base=base)
    # up to Go 1.23 the findings are on the standard error, behind a line "# package" each
    lines = (answer.stdout or answer.stderr).splitlines()
    text = "\n".join(line for line in lines if not line.startswith("# "))
    try:
        if not answer.ok:
            raise ValueError
        return tuple(_crossing(*finding) for finding in _findings(text))
    except ValueError:
        said = (answer.stderr or answer.stdout).rstrip()
        raise BuildError(said, next_step=answer.command) from None


def _findings(answer: str) -> Iterator[tuple[str, int, int, str]]:
    decoder, at = json.JSONDecoder(), 0
    while at < len(answer.rstrip()):
        packages, at = decoder.raw_decode(answer, at + len(answer[at:]) - len(answer[at:].lstrip()))
        for passes in packages.values():
            yield from map(_finding, passes.get("cgocall", ()))


def _finding(diagnostic: dict[str, Any]) -> tuple[str, int, int, str]:
    file, line, column = diagnostic["posn"].rsplit(":", 2)
    return file, int(line), int(column), diagnostic["message"]


def _crossing(file: str, line: int, column: int, message: str) -> Crossing:
    return Crossing(
        kind=CrossingKind.POINTER,
        origin=Origin.STATIC,
        file=file,
        line=line,
        c_function=_called_at(Path(file), line, column),
        message=f"go vet: {message}",
        fix=fix_for(CrossingKind.POINTER),
    )


def _called_at(file: Path, line: int, column: int) -> str | None:
    """The C function whose argument stands there: the last call that begins before it."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()[:line]
    except (OSError, UnicodeDecodeError):
        return None
    before = "\n".join(
        [*lines[:-1][-20:], lines[-1].encode()[: column - 1].decode(errors="ignore")]
    )
    calls = _C_CALL.findall(before)
    return calls[-1] if calls else None
