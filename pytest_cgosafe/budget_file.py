"""``cgosafe-budgets.json``: stack budgets as they stand in a project's repository, sorted, to be read in a diff.

Schema ``cgosafe-budgets/1``: a list of environments (`Conditions`), each with the tests that were measured there.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pytest_cgosafe.budgets import Budget, Conditions, parse_tolerance
from pytest_cgosafe.errors import CgosafeError
from pytest_cgosafe.results import Call, CallChain

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA: Final = "cgosafe-budgets/1"

_NOISE: Final = 64  # bytes

_T = TypeVar("_T")


class BudgetFileError(CgosafeError):
    """A budget file could not be read or written; the message names the file and the place in it."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What a budget belongs to."""

    conditions: Conditions
    test: str
    """The test's node id."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One budget of the file."""

    key: Key
    budget: Budget


@dataclass(frozen=True, slots=True)
class BudgetFile:
    """The budgets of a project."""

    entries: tuple[Entry, ...] = ()

    def find(self, key: Key) -> Budget | None:
        """The budget of a test under these conditions."""
        return next((entry.budget for entry in self.entries if entry.key == key), None)

    def other_conditions(self, key: Key) -> tuple[Conditions, ...]:
        """The conditions of the same profile for which the test does have budgets."""
        return tuple(
            entry.key.conditions
            for entry in self.entries
            if entry.key.test == key.test
            and entry.key.conditions != key.conditions
            and entry.key.conditions.profile == key.conditions.profile
        )

    def updated(self, measured: Iterable[Entry], *, only_add: bool) -> BudgetFile:
        """With what was measured put in; other entries, and tolerances that were written by hand, stay."""
        entries = {entry.key: entry for entry in self.entries}
        for entry in measured:
            old = entries.get(entry.key)
            if old is None:
                entries[entry.key] = entry
            elif not only_add and not _same(old.budget, entry.budget):
                kept = replace(entry.budget, tolerance=old.budget.tolerance)
                entries[entry.key] = Entry(entry.key, kept)
        return BudgetFile(tuple(entries[key] for key in sorted(entries)))


def _same(old: Budget, new: Budget) -> bool:
    """Whether there is nothing new: the same program differs so little between runs (docs/budgets.md)."""
    calls = [budget.chain.calls if budget.chain else () for budget in (old, new)]
    return (
        abs(new.c_stack - old.c_stack) <= _NOISE
        and old.goroutine_stack == new.goroutine_stack
        and len(calls[0]) == len(calls[1])
        and all(map(_same_call, *calls))
    )


def _same_call(old: Call, new: Call) -> bool:
    return (old.function, old.count) == (new.function, new.count) and (
        abs((old.size or 0) - (new.size or 0)) <= _NOISE
    )


def read_budgets(path: Path) -> BudgetFile | None:
    """The budgets in the file at `path`; None where there is no such file. Raises BudgetFileError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise BudgetFileError(f"{path} could not be read: {error}") from None
    try:
        return parse_budgets(text)
    except ValueError as error:
        raise BudgetFileError(
            f"{path}: {error}",
            next_step="mend it, or delete it and write it anew with pytest --cgosafe-update-budgets",
        ) from None


def parse_budgets(text: str) -> BudgetFile:
    """The budgets in a file's text. Raises ValueError, with the place and what belongs there."""
    document = _typed(json.loads(text), dict, "the file")
    schema = document.get("schema")
    if schema != SCHEMA:
        raise ValueError(f"schema is {schema!r}; this version of pytest-cgosafe reads {SCHEMA!r}")
    _known(document, ("schema", "environments"), "the file")
    entries: dict[Key, Entry] = {}
    for number, raw in enumerate(_typed(document.get("environments"), list, "environments")):
        place = f"environments[{number}]"
        environment = _typed(raw, dict, place)
        names = [field.name for field in fields(Conditions)]
        _known(environment, (*names, "tests"), place)
        conditions = Conditions(
            *(_typed(environment.get(name), str, f"{place}.{name}") for name in names)
        )
        for test, budget in _typed(environment.get("tests"), dict, f"{place}.tests").items():
            key = Key(conditions, test)
            if key in entries:
                raise ValueError(f"{place}: a second budget of {test} under the same conditions")
            entries[key] = Entry(key, _budget(budget, f"{place}.tests[{test!r}]"))
    return BudgetFile(tuple(entries[key] for key in sorted(entries)))


def _budget(raw: object, place: str) -> Budget:
    budget = _typed(raw, dict, place)
    _known(budget, ("c_stack", "goroutine_stack", "tolerance", "chain", "doubt"), place)
    calls = tuple(
        _call(call, f"{place}.chain[{number}]")
        for number, call in enumerate(_typed(budget.get("chain", []), list, f"{place}.chain"))
    )
    doubt = _optional(budget, "doubt", str, place)
    tolerance = None
    if "tolerance" in budget:
        try:
            tolerance = parse_tolerance(budget["tolerance"])
        except ValueError as error:
            raise ValueError(f"{place}.tolerance: {error}") from None
    return Budget(
        c_stack=_size(budget.get("c_stack"), f"{place}.c_stack"),
        chain=CallChain(calls, doubt) if calls else None,
        goroutine_stack=_size(budget["goroutine_stack"], f"{place}.goroutine_stack")
        if "goroutine_stack" in budget
        else None,
        tolerance=tolerance,
    )


def _call(raw: object, place: str) -> Call:
    call = _typed(raw, dict, place)
    _known(call, ("function", "count", "size"), place)
    return Call(
        function=_typed(call.get("function"), str, f"{place}.function"),
        count=_size(call.get("count", 1), f"{place}.count"),
        size=_size(call["size"], f"{place}.size") if "size" in call else None,
    )


def _typed(value: object, wanted: type[_T], place: str) -> _T:
    if isinstance(value, wanted) and not (wanted is int and isinstance(value, bool)):
        return value
    names = {dict: "an object", list: "an array", str: "a string", int: "a whole number"}
    raise ValueError(f"{place} must be {names[wanted]}, not {json.dumps(value)[:60]}")


def _optional(raw: dict[str, Any], name: str, wanted: type[_T], place: str) -> _T | None:
    return _typed(raw[name], wanted, f"{place}.{name}") if name in raw else None


def _size(value: object, place: str) -> int:
    number = _typed(value, int, place)
    if number < 0:
        raise ValueError(f"{place} must not be below 0")
    return number


def _known(raw: dict[str, Any], names: tuple[str, ...], place: str) -> None:
    unknown = sorted(set(raw) - set(names))
    if unknown:
        raise ValueError(f"{place} has an unknown {unknown[0]!r}; valid are: {', '.join(names)}")


def render_budgets(budgets: BudgetFile) -> str:
    """The file's text: the same budgets always give the same text."""
    environments: list[dict[str, Any]] = []
    for conditions in sorted({entry.key.conditions for entry in budgets.entries}):
        tests = {
            entry.key.test: _plain(entry.budget)
            for entry in sorted(budgets.entries, key=lambda entry: entry.key)
            if entry.key.conditions == conditions
        }
        environments.append({**asdict(conditions), "tests": tests})
    document = {"schema": SCHEMA, "environments": environments}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _plain(budget: Budget) -> dict[str, Any]:
    plain: dict[str, Any] = {"c_stack": budget.c_stack}
    if budget.goroutine_stack is not None:
        plain["goroutine_stack"] = budget.goroutine_stack
    if budget.tolerance:
        plain["tolerance"] = str(budget.tolerance)
    if budget.chain:
        plain["chain"] = [
            {name: value for name, value in asdict(call).items() if value is not None}
            for call in budget.chain.calls
        ]
        if budget.chain.doubt:
            plain["doubt"] = budget.chain.doubt
    return plain


def write_budgets(path: Path, budgets: BudgetFile) -> None:
    """Put the file in place in one step: who reads it sees the old one or the new one. Raises BudgetFileError."""
    text = render_budgets(budgets)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
            Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise BudgetFileError(f"{path} could not be written: {error.strerror}") from None
