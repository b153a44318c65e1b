"""What the analyzer, run by ``go vet``, finds in packages: crossings that can be seen without running anything."""

from __future__ import annotations

import json
import os
import re
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_cgosafe.crossings.fixes import fix_for
from pytest_cgosafe.crossings.suppression import suppression_in_environment, suppressions_in_source
from pytest_cgosafe.crossings.tool import NAME, analyzer_for
from pytest_cgosafe.errors import AnalyzerError, BuildError, IncompleteVetWarning
from pytest_cgosafe.results import Crossing, CrossingKind, FlowStep, Origin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_cgosafe.build import Builder, BuildFlags
    from pytest_cgosafe.gocommand import Answer

_ANALYZER = "cgosafe"
_UNFINISHED = "CGS099"
"""Not a finding: the analyzer gave up on a part of a package."""
_POSITION = re.compile(r"(?P<file>.+?):(?P<line>\d+)(?::\d+)?")
_TYPE_ERROR = re.compile(rf"^{NAME}: (?=\S+:\d+:\d+: )", re.MULTILINE)
_TROUBLE = re.compile(rf"^({NAME}|panic|fatal error|runtime): ", re.MULTILINE)


def vet(
    builder: Builder, package: str, flags: BuildFlags, *, base: Path | None = None
) -> tuple[Crossing, ...]:
    """The unsafe crossings in the packages that `package` names, built with `flags`, test files included.

    Raises ToolchainError, BuildError with the compiler's own words when a package can't be type-checked, and
    AnalyzerError when the analyzer could not be built or failed. Warns (IncompleteVetWarning) of a package that is too
    much for the analyzer.
    """
    environment = builder.environment(package, flags, base=base)
    files = builder.files_with_directives(package, flags, base=base)
    suppressions = [*suppressions_in_source(environment.settings_files, files)]
    if unchecked := suppression_in_environment(os.environ | dict(flags.env)):
        suppressions.append(unchecked)
    tool = analyzer_for(environment, otherwise=builder.store)
    answer = builder.vet(package, flags, tool, _ANALYZER, base=base)
    if not answer.ok and suppressions and "cgocheck" in answer.stderr:
        unseen = "; the go command refuses that, so nothing else could be looked at"
        return tuple(replace(found, message=found.message + unseen) for found in suppressions)
    try:
        found = sorted(
            map(_crossing, diagnostics_in(answer, _ANALYZER)),
            key=lambda crossing: (crossing.file or "", crossing.line or 0),
        )
    except BuildError:
        # of several errors in a package the analyzer tells the first one only
        compiled = builder.compile(package, flags, base=base)
        if compiled.ok:  # they are in its tests
            raise
        raise BuildError(compiled.stderr.strip(), next_step=compiled.command) from None
    for crossing in found:
        if crossing.rule == _UNFINISHED:
            warnings.warn(IncompleteVetWarning(crossing.message), stacklevel=2)
    complete = (crossing for crossing in found if crossing.rule != _UNFINISHED)
    # a package and its test variant hold the same files
    return tuple(dict.fromkeys((*suppressions, *complete)))


def diagnostics_in(answer: Answer, analyzer: str) -> Iterator[dict[str, Any]]:
    """What `analyzer` reported, as ``go vet -json`` has it. Raises BuildError and AnalyzerError."""
    if not answer.ok:
        raise _failure(answer)
    # up to Go 1.23 on the standard error, among what else is told there
    for packages in _objects(f"{answer.stdout}\n{answer.stderr}"):
        for package, passes in packages.items():
            diagnostics = passes.get(analyzer, ())
            if isinstance(diagnostics, dict):
                raise AnalyzerError(
                    f"the analyzer of crossings failed on {package}: {diagnostics.get('error')}",
                    next_step=answer.command,
                )
            yield from diagnostics


def _failure(answer: Answer) -> BuildError | AnalyzerError:
    """What failed: the package, which the analyzer type-checks before all else, or the analyzer."""
    said = _TYPE_ERROR.sub("", answer.stderr.strip() or answer.stdout.strip())
    if _TROUBLE.search(said):
        return AnalyzerError(f"the analyzer of crossings failed\n{said}", next_step=answer.command)
    return BuildError(said, next_step=answer.command)


def _objects(text: str) -> Iterator[dict[str, dict[str, Any]]]:
    """Every JSON object in `text` that is spread over lines as unitchecker writes it: braces at the line's begin."""
    lines: list[str] | None = None
    for line in text.splitlines():
        if line == "{":
            lines = []
        if lines is not None:
            lines.append(line)
        if line == "}" and lines is not None:
            yield json.loads("\n".join(lines))
            lines = None


def _crossing(diagnostic: dict[str, Any]) -> Crossing:
    rule, kind, function = diagnostic["category"].split("/", 2)
    known = CrossingKind(kind) if kind else CrossingKind.POINTER
    place = _POSITION.fullmatch(diagnostic["posn"])
    related = ((_POSITION.fullmatch(step["posn"]), step) for step in diagnostic.get("related", ()))
    return Crossing(
        kind=known,
        origin=Origin.STATIC,
        file=place["file"] if place else None,
        line=int(place["line"]) if place else None,
        c_function=function or None,
        message=diagnostic["message"],
        fix=fix_for(known, rule),
        flow=tuple(
            FlowStep(file=at["file"], line=int(at["line"]), note=step["message"])
            for at, step in related
            if at
        ),
        rule=rule,
    )
