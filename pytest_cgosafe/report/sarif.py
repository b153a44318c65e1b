"""Crossings as SARIF 2.1.0, which code hosts and editors show at the lines that it names.

See https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; section numbers below are its.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from pytest_cgosafe import __version__
from pytest_cgosafe.crossings.rules import RULES, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_cgosafe.results import Crossing, FlowStep

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT: Final = "%SRCROOT%"
_PLACES: Final = {rule.id: index for index, rule in enumerate(RULES)}


def to_sarif(crossings: Iterable[Crossing], root: Path) -> str:
    """The whole log as one JSON text; files below `root` are named relative to it.

    The root itself is not named: the log means the same on the machine that reads it (3.14.14).
    """
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "cgosafe",
                        "semanticVersion": __version__,
                        "rules": [_rule(rule) for rule in RULES],
                    }
                },
                "columnKind": "utf16CodeUnits",
                "originalUriBaseIds": {
                    _ROOT: {"description": {"text": "The directory that cgosafe was run in."}}
                },
                "results": [_result(crossing, root) for crossing in crossings],
            }
        ],
    }
    return json.dumps(log, indent=2)


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": f"{rule.summary} {rule.help}"},
        "help": {"text": rule.help},
        "defaultConfiguration": {"level": "error"},
    }


def _result(crossing: Crossing, root: Path) -> dict[str, Any]:
    rule = crossing.rule or RULES[0].id
    where = (
        [{"physicalLocation": _place(crossing.file, crossing.line, root)}] if crossing.file else []
    )
    result = {
        "ruleId": rule,
        "ruleIndex": _PLACES[rule],
        "level": "error",
        "message": {"text": f"{_sentence(crossing.message)} To mend it: {crossing.fix}."},
        "locations": where,
        "partialFingerprints": {"cgosafe/v1": _fingerprint(crossing, root)},
        "properties": {"kind": crossing.kind.value, "cFunction": crossing.c_function},
    }
    if crossing.flow:
        steps = [_step(step, root) for step in crossing.flow]
        result["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
    return result


def _step(step: FlowStep, root: Path) -> dict[str, Any]:
    location = {
        "physicalLocation": _place(step.file, step.line, root),
        "message": {"text": step.note},
    }
    return {"location": location}


def _place(file: str, line: int | None, root: Path) -> dict[str, Any]:
    path = Path(file)
    artifact = (
        {"uri": quote(path.relative_to(root).as_posix()), "uriBaseId": _ROOT}
        if path.is_relative_to(root)
        else {"uri": path.as_uri() if path.is_absolute() else quote(path.as_posix())}
    )
    region = {"region": {"startLine": line}} if line else {}
    return {"artifactLocation": artifact, **region}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _fingerprint(crossing: Crossing, root: Path) -> str:
    """Stays the same while lines above come and go (3.27.17)."""
    file = Path(crossing.file or "")
    shown = file.relative_to(root) if file.is_relative_to(root) else file
    parts = (crossing.rule, crossing.kind, str(shown), crossing.c_function, crossing.message)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
