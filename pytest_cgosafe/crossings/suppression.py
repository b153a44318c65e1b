"""Where the runtime's own pointer checks are switched off: ``GODEBUG=cgocheck=0``, in the environment or in source.

The setting is the runtime's (runtime/runtime1.go, ``dbgvars``); of several in the environment the last one wins. The go
command reads ``godebug`` lines of go.mod and go.work and ``//go:debug`` lines of main packages and tests
(go.dev/doc/godebug), but Go 1.21 to 1.27 refuse to build where these name cgocheck.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.crossings.fixes import fix_for
from pytest_cgosafe.results import Crossing, CrossingKind, Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

RULE: Final = "CGS080"

_NUMBER = re.compile(r"[-+]?[0-9]+")  # the runtime passes over what is none
_OFF = r"cgocheck=[-+]?0+"
_DIRECTIVE = re.compile(rf"//go:debug[ \t]+{_OFF}\s*")
_LINE = re.compile(rf"\s*godebug\s+{_OFF}\s*(?://.*)?")
_LINE_OF_BLOCK = re.compile(rf"\s*{_OFF}\s*(?://.*)?")
_BLOCK = re.compile(r"\s*godebug\s*\(")


def suppression_in_environment(environment: Mapping[str, str]) -> Crossing | None:
    """The finding that a program run with `environment` is not checked by its runtime, or None when it is."""
    settings = (setting.partition("=") for setting in environment.get("GODEBUG", "").split(","))
    values = [
        int(value) for name, _, value in settings if name == "cgocheck" and _NUMBER.fullmatch(value)
    ]
    if not values or values[-1] != 0:
        return None
    return _suppression(
        "GODEBUG=cgocheck=0 in the environment switches the runtime's pointer checks off",
        None,
        None,
    )


def suppressions_in_source(
    settings_files: Iterable[Path], go_files: Iterable[Path]
) -> Iterator[Crossing]:
    """The same for what is built: each line of go.mod, go.work or Go source that switches the checks off."""
    for path in settings_files:
        for number in _lines_in_settings(path):
            yield _suppression(
                f"a godebug line of {path.name} switches the runtime's pointer checks off",
                path,
                number,
            )
    for path in go_files:
        for number in _lines_in_source(path):
            yield _suppression(
                "a //go:debug line switches the runtime's pointer checks off", path, number
            )


def _lines_in_settings(path: Path) -> Iterator[int]:
    in_block = False
    for number, line in enumerate(_lines_of(path), 1):
        if (_LINE_OF_BLOCK if in_block else _LINE).fullmatch(line):
            yield number
        in_block = bool(_BLOCK.match(line)) or (in_block and not line.strip().startswith(")"))


def _lines_in_source(path: Path) -> Iterator[int]:
    for number, line in enumerate(_lines_of(path), 1):
        if line.startswith("package "):
            return  # from here on the go command takes no directive
        if _DIRECTIVE.fullmatch(line):
            yield number


def _lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []  # the go command will say so itself


def _suppression(message: str, file: Path | None, line: int | None) -> Crossing:
    return Crossing(
        kind=CrossingKind.POINTER,
        origin=Origin.STATIC,
        file=str(file) if file else None,
        line=line,
        c_function=None,
        message=message,
        fix=fix_for(CrossingKind.POINTER, RULE),
        rule=RULE,
    )
