"""Budgets in pytest: their options, and whether a session has to do with them at all.

The rest is imported by sessions that do: every run of pytest pays for this module.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_cgosafe.checks import Breach
    from pytest_cgosafe.results import RunResult

DEFAULT_NAME: Final = "cgosafe-budgets.json"
NAME: Final = "cgosafe-budgets"
"""The plugin's, where it takes part."""
UPDATE: Final = "--cgosafe-update-budgets"
ADD: Final = "--cgosafe-add-budgets"


class Mode(Enum):
    """What is done with what was measured."""

    CHECK = "check"
    ADD = "add"
    UPDATE = "update"


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    """The command-line and ini options of budgets."""
    group.addoption(
        UPDATE,
        action="store_true",
        help="write the stack budgets of the tests that ran, and passed, anew",
    )
    group.addoption(
        ADD, action="store_true", help="write the stack budgets of tests that have none yet"
    )
    parser.addini("cgosafe_budgets", f"the budget file (default: {DEFAULT_NAME} in the rootdir)")
    parser.addini(
        "cgosafe_budget_tolerance", "growth that is no breach, the larger: '10% 1KiB' (the default)"
    )


def configure(config: pytest.Config) -> None:
    """Read the budgets, and take part in this session where there are any, or some are to be written."""
    update, add = config.getoption(UPDATE), config.getoption(ADD)
    if update and add:
        raise pytest.UsageError(f"{UPDATE} and {ADD}: choose one of them")
    mode = Mode.UPDATE if update else Mode.ADD if add else Mode.CHECK
    path = config.rootpath / (config.getini("cgosafe_budgets") or DEFAULT_NAME)
    tolerance = config.getini("cgosafe_budget_tolerance")
    if mode is Mode.CHECK and not tolerance and not path.exists():
        return
    from pytest_cgosafe.budget_file import BudgetFile, BudgetFileError, read_budgets
    from pytest_cgosafe.budget_keeper import BudgetKeeper
    from pytest_cgosafe.budgets import Tolerance, parse_tolerance

    try:
        suite = parse_tolerance(tolerance) if tolerance else Tolerance()
        found = read_budgets(path)
    except ValueError as error:
        raise pytest.UsageError(f"ini option cgosafe_budget_tolerance: {error}") from None
    except BudgetFileError as error:
        raise pytest.UsageError(str(error)) from None
    if found is not None or mode is not Mode.CHECK:
        keeper = BudgetKeeper(config, mode, path, found or BudgetFile(), suite)
        config.pluginmanager.register(keeper, NAME)


def judge(item: pytest.Item, runs: Sequence[RunResult]) -> Iterator[Breach]:
    """What the runs of a test that came to its end used beyond its budgets."""
    keeper = item.config.pluginmanager.get_plugin(NAME)
    if keeper:
        yield from keeper.judge(item, runs)
