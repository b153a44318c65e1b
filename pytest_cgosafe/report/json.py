"""The report as JSON, schema ``cgosafe/1``: the fields that the schema fixes, and the types' own beside them."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_cgosafe.toolchain import Tool

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_cgosafe.binary.stackreport import StackBound
    from pytest_cgosafe.crossings.inventory import Inventory
    from pytest_cgosafe.depth import DepthModel
    from pytest_cgosafe.results import (
        Backtrace,
        Binary,
        Crash,
        Crossing,
        Hang,
        RunResult,
        Sample,
        ThreadStack,
    )
    from pytest_cgosafe.toolchain import Toolchain

SCHEMA = "cgosafe/1"


def to_json(
    toolchain: Toolchain,
    runs: Iterable[RunResult],
    crossings: Iterable[Crossing],
    *,
    bounds: tuple[StackBound, ...] | None = None,
    inventory: Inventory | None = None,
) -> str:
    """The whole report as one JSON text. Bytes of a program's output that are not UTF-8 are lone surrogates in it."""
    document = {
        "schema": SCHEMA,
        "toolchain": {
            name: tool.version if isinstance(tool := getattr(toolchain, name), Tool) else None
            for name in ("go", "gdb", "cc")
        },
        "runs": [_run(run) for run in runs],
        "crossings": _plain(tuple(crossings)),
    }
    if bounds is not None:
        document["stack_bounds"] = _plain(bounds)
    if inventory is not None:
        document["inventory"] = _plain(inventory)
    return json.dumps(document, indent=2)


def depth_model_to_json(model: DepthModel) -> str:
    """A depth model as JSON: its fields, the proof's two runs as in the report."""
    plain = {"schema": SCHEMA, **_object(replace(model, proof=None))}
    if proof := model.proof:
        runs = {"under": _run(proof.under), "over": _run(proof.over)}
        told = {"survived": proof.survived, "overflowed": proof.overflowed}
        depths = {"under_depth": proof.under_depth, "over_depth": proof.over_depth}
        plain["proof"] = {"limit": proof.limit, **depths, **told, **runs}
    return json.dumps(plain, indent=2)


def _run(run: RunResult) -> dict[str, Any]:
    return {
        "target": _target(run.binary),
        "args": list(run.args),
        "exit": _plain(run.exit),
        "duration_s": None if run.duration is None else round(run.duration, 6),
        "stdout": run.stdout,
        "stderr": run.stderr,
        "stacks": [_stack(stack) for stack in run.stacks],
        "goroutines": _plain(run.goroutines),
        "samples": [_sample(sample) for sample in run.samples],
        "crash": run.crash and _crash(run.crash),
        "hang": run.hang and _hang(run.hang),
        "crossings": _plain(run.crossings),
        "trace": _plain(run.trace),
        "notes": list(run.notes),
    }


def _target(binary: Binary) -> dict[str, Any]:
    return {
        "package": binary.package,
        "binary": binary.path.name,
        "profile": _plain(binary.profile),
    }


def _sample(sample: Sample) -> dict[str, Any]:
    plain = _object(sample)
    headroom = None if sample.headroom is None else round(sample.headroom, 6)
    return {"time_s": round(plain.pop("time"), 6)} | plain | {"headroom": headroom}


def _stack(stack: ThreadStack) -> dict[str, Any]:
    headroom = stack.headroom
    return _object(stack) | {"headroom": None if headroom is None else round(headroom, 6)}


def _crash(crash: Crash) -> dict[str, Any]:
    plain = _object(crash)
    del plain["backtrace"]
    return plain | {
        "address": _hex(crash.address),
        "registers": {register.name: _hex(register.value) for register in crash.registers},
        "words": [_hex(word) for word in crash.words],
        **_backtrace(crash.backtrace),
    }


def _hang(hang: Hang) -> dict[str, Any]:
    return _object(hang) | {"threads": [_backtrace(thread) for thread in hang.threads]}


def _backtrace(backtrace: Backtrace) -> dict[str, Any]:
    frames = [
        _object(frame) | {"pc": _hex(frame.pc), "sp": _hex(frame.sp)} for frame in backtrace.frames
    ]
    return _object(backtrace) | {"frames": frames}


def _hex(number: int | None) -> str | None:
    return None if number is None else hex(number)


def _object(value: Any) -> dict[str, Any]:
    """A dataclass as an object, field by field."""
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def _plain(value: Any) -> Any:
    """Dataclasses as objects, tuples as arrays, enums as their values: what json takes."""
    if is_dataclass(value):
        return _object(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value
