"""What a session does about budgets: compares, gathers what passed tests used, writes it, and tells.

Under pytest-xdist the workers compare, and send what was measured with their reports; the controller alone writes.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from pytest_cgosafe.budget_file import (
    BudgetFile,
    BudgetFileError,
    Entry,
    Key,
    parse_budgets,
    render_budgets,
    write_budgets,
)
from pytest_cgosafe.budget_plugin import ADD, NAME, UPDATE, Mode
from pytest_cgosafe.budgets import compare, measured

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from pytest_cgosafe.budgets import Conditions, Tolerance
    from pytest_cgosafe.checks import Breach
    from pytest_cgosafe.results import RunResult

_measured_key = pytest.StashKey[str]()


class BudgetKeeper:
    """Takes part in one session: of pytest itself, of xdist's controller, or of one of its workers."""

    def __init__(
        self,
        config: pytest.Config,
        mode: Mode,
        path: Path,
        budgets: BudgetFile,
        tolerance: Tolerance,
    ) -> None:
        self._config = config
        self._mode = mode
        self._path = path
        self._budgets = budgets
        self._tolerance = tolerance
        self._measured: dict[str, tuple[Entry, ...]] = {}
        self._passed: set[str] = set()
        self._unfit: set[str] = set()
        """Tests that failed, were skipped or are expected to fail, in any of their phases."""
        self._deselected = 0
        self._lines: list[str] = []

    def judge(self, item: pytest.Item, runs: Sequence[RunResult]) -> Iterator[Breach]:
        """Compare a test with its budgets, and keep what it used for its report."""
        test = _test_id(item)
        found = measured(runs)
        entries = tuple(Entry(Key(one.conditions, test), one.budget) for one in found)
        item.stash[_measured_key] = render_budgets(BudgetFile(entries)) if entries else ""
        if self._mode is Mode.UPDATE:
            return
        accept = shlex.join(["pytest", UPDATE, test])
        for one in found:
            budget = self._budgets.find(Key(one.conditions, test))
            if budget:
                yield from compare(budget, one, self._tolerance, accept)

    # In the process that runs the tests

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send what was measured along with the report: plain text passes to another process."""
        report = yield
        extra = {"cgosafe_test": _test_id(item)}
        if call.when == "call":
            extra["cgosafe_budgets"] = item.stash.get(_measured_key, "")
            item.stash[_measured_key] = ""
        report.__dict__.update(extra)
        return report

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Take note that not the whole suite runs."""
        self._deselected += len(items)
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[NAME] = self._deselected

    # In the process that tells of them

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Take note of what a worker of xdist deselected."""
        self._deselected += getattr(node, "workeroutput", {}).get(NAME, 0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a test used."""
        test = getattr(report, "cgosafe_test", None)
        if test is None:
            return
        if not report.passed or hasattr(report, "wasxfail"):
            self._unfit.add(test)
        elif report.when == "call":
            self._passed.add(test)
            text = getattr(report, "cgosafe_budgets", "")
            self._measured[test] = parse_budgets(text).entries if text else ()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write what is to be written, once, and gather what there is to tell."""
        if hasattr(self._config, "workerinput"):
            return
        fit = [
            entry
            for test, entries in self._measured.items()
            if test not in self._unfit
            for entry in entries
        ]
        if self._mode is Mode.CHECK:
            self._lines += self._not_compared(fit)
        else:
            try:
                self._lines += self._write(fit)
            except BudgetFileError as error:
                self._lines.append(str(error))
                session.exitstatus = pytest.ExitCode.USAGE_ERROR
        self._lines += self._unused(session)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell it."""
        if self._lines:
            terminalreporter.section("cgosafe budgets")
        for line in self._lines:
            terminalreporter.line(line)

    def _write(self, fit: Sequence[Entry]) -> Iterator[str]:
        updated = self._budgets.updated(fit, only_add=self._mode is Mode.ADD)
        before = {entry.key: entry for entry in self._budgets.entries}
        new = sum(entry.key not in before for entry in updated.entries)
        changed = sum(
            entry.key in before and entry != before[entry.key] for entry in updated.entries
        )
        if new or changed:
            write_budgets(self._path, updated)
        rest = len(updated.entries) - new - changed
        yield f"{self._shown}: {new} added, {changed} changed, {rest} left as they were"
        failed = sorted(self._unfit & {entry.key.test for entry in self._budgets.entries})
        if failed:
            yield f"  not written, for they did not pass: {', '.join(failed)}"

    def _not_compared(self, fit: Sequence[Entry]) -> Iterator[str]:
        elsewhere: dict[tuple[Conditions, Conditions], int] = {}
        without = 0
        for entry in fit:
            if self._budgets.find(entry.key):
                continue
            others = self._budgets.other_conditions(entry.key)
            without += not others
            if others:
                pair = (entry.key.conditions, others[-1])
                elsewhere[pair] = elsewhere.get(pair, 0) + 1
        for (now, then), count in elsewhere.items():
            yield f"not compared: {_tests(count)} ran with {now}; the budgets are for {then}"
        if without:
            yield f"without a budget: {_tests(without)}"
        if elsewhere or without:
            yield f"  to add what is missing: pytest {ADD}"

    def _unused(self, session: pytest.Session) -> Iterator[str]:
        """Budgets that no test needs; told only where a whole file of tests ran, or the file is gone."""
        option = self._config.option
        narrowed = (
            self._deselected
            or any("::" in argument for argument in self._config.args)
            or any(getattr(option, name, None) for name in ("keyword", "markexpr", "deselect"))
            or any(getattr(option, name, None) for name in ("lf", "stepwise", "collectonly"))
            or session.shouldstop
            or session.shouldfail
            or session.exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        )
        if narrowed:
            return
        files = {_file(test) for test in self._passed | self._unfit}
        used = {test for test, entries in self._measured.items() if entries} | self._unfit
        unused = sorted(
            {
                entry.key.test
                for entry in self._budgets.entries
                if entry.key.test not in used
                and (
                    _file(entry.key.test) in files
                    or not (self._config.rootpath / _file(entry.key.test)).exists()
                )
            }
        )
        if unused:
            yield f"{len(unused)} unused in {self._shown}: no such test, or it runs no program; remove by hand:"
            yield from (f"  {test}" for test in unused)

    @property
    def _shown(self) -> str:
        root = self._config.rootpath
        inside = self._path.is_relative_to(root)
        return str(self._path.relative_to(root) if inside else self._path)


def _test_id(item: pytest.Item) -> str:
    """The node id, without what pytest-xdist appends to it for ``--dist loadgroup``."""
    mark = item.get_closest_marker("xdist_group")
    names: Iterable[object] = (*mark.args, *mark.kwargs.values()) if mark else ()
    return next(
        (
            item.nodeid.removesuffix(f"@{name}")
            for name in names
            if item.nodeid.endswith(f"@{name}")
        ),
        item.nodeid,
    )


def _file(test: str) -> str:
    return test.partition("::")[0]


def _tests(count: int) -> str:
    return f"{count} test{'s' if count != 1 else ''}"
