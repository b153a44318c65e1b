"""Budget files as a project meets them: whole pytest runs, with and without pytest-xdist."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Build

pytest_plugins = ["pytester"]

FILE = "cgosafe-budgets.json"
UPDATE, ADD = "--cgosafe-update-budgets", "--cgosafe-add-budgets"
WORKERS = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])

TESTS = """
import os
import pytest

@pytest.mark.parametrize("depth", [50, 800])
def test_down(cgosafe, depth):
    cgosafe.run(os.environ["LEVELS"], "main", "even", str(depth))

def test_of_python_only():
    pass
"""


class Project:
    """A directory of tests that run the program `levels`, in one build or another."""

    def __init__(
        self, pytester: pytest.Pytester, program: Build, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._pytester = pytester
        self._program = program
        self._monkeypatch = monkeypatch
        self.leaf(512)
        pytester.makepyfile(test_levels=TESTS)

    def leaf(self, size: int) -> None:
        """Build C's innermost function with so many bytes of locals."""
        flags = f"-g -fno-omit-frame-pointer -DLEAF={size}"
        self._monkeypatch.setenv("LEVELS", str(self._program("levels", CGO_CFLAGS=flags)))

    def tests(self, text: str) -> None:
        self._pytester.makepyfile(test_levels=text)

    def ini(self, line: str) -> None:
        self._pytester.makeini(f"[pytest]\n{line}\n")

    def run(self, *args: str) -> pytest.RunResult:
        run = self._pytester.runpytest_subprocess if "-n" in args else self._pytester.runpytest
        return run("-p", "no:cacheprovider", *args)

    @property
    def file(self) -> Path:
        return self._pytester.path / FILE

    def budgets(self) -> dict[str, Any]:
        [environment] = json.loads(self.file.read_text())["environments"]
        tests: dict[str, Any] = environment["tests"]
        return tests

    def tolerate(self, test: str, tolerance: str) -> None:
        document = json.loads(self.file.read_text())
        document["environments"][0]["tests"][test]["tolerance"] = tolerance
        self.file.write_text(json.dumps(document))

    def edit(self, old: str, new: str) -> None:
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new))


@pytest.fixture
def project(
    go_pytester: pytest.Pytester, program: Build, monkeypatch: pytest.MonkeyPatch
) -> Project:
    return Project(go_pytester, program, monkeypatch)


@WORKERS
def test_two_kib_more_in_a_c_frame_are_caught_at_any_depth_and_the_function_named(
    project: Project, workers: tuple[str, ...]
) -> None:
    written = project.run(UPDATE, *workers)
    written.assert_outcomes(passed=3)
    written.stdout.fnmatch_lines([f"{FILE}: 2 added, 0 changed, 0 left as they were"])
    assert list(project.budgets()) == [
        "test_levels.py::test_down[50]",
        "test_levels.py::test_down[800]",
    ]
    before = project.file.read_text()
    project.leaf(512 + 2048)
    grown = project.run(*workers)
    grown.assert_outcomes(passed=1, failed=2)
    grown.stdout.fnmatch_lines_random(
        [
            "budget: the C stack grew from * KiB to * KiB",
            "  `leaf` takes 2,048 B more: * B then, * B now",
            "  now: peak made by *leaf <- down x 800 (* B each)*",
            "*to accept it: pytest --cgosafe-update-budgets 'test_levels.py::test_down[[]50[]]'*",
        ]
    )
    assert project.file.read_text() == before


def test_an_unchanged_program_passes_and_an_update_of_it_changes_nothing(project: Project) -> None:
    project.run(UPDATE)
    before = project.file.read_text()
    for _ in range(5):
        project.run().assert_outcomes(passed=3)
    again = project.run(UPDATE)
    again.stdout.fnmatch_lines([f"{FILE}: 0 added, 0 changed, 2 left as they were"])
    assert project.file.read_text() == before


def test_only_what_ran_and_passed_is_written(project: Project) -> None:
    project.tests(
        TESTS.replace("str(depth))\n", "str(depth))\n    assert depth < 100\n")
        + "@pytest.mark.xfail(strict=True)\n"
        + "def test_expected(cgosafe):\n"
        + "    cgosafe.run(os.environ['LEVELS'], 'main', 'even', '9')\n    assert False\n"
    )
    project.run(UPDATE).assert_outcomes(passed=2, failed=1, xfailed=1)
    assert list(project.budgets()) == ["test_levels.py::test_down[50]"]
    one = project.run(UPDATE, "-k", "python")
    one.stdout.no_fnmatch_line("* unused in *")
    assert list(project.budgets()) == ["test_levels.py::test_down[50]"]


def test_adding_leaves_what_is_there_and_still_compares(project: Project) -> None:
    project.run(UPDATE, "-k", "50").assert_outcomes(passed=1, deselected=2)
    project.leaf(512 + 4096)
    added = project.run(ADD)
    added.assert_outcomes(passed=2, failed=1)
    added.stdout.fnmatch_lines([f"{FILE}: 1 added, 0 changed, 1 left as they were"])
    sizes = [budget["c_stack"] for budget in project.budgets().values()]
    assert sizes[0] < 12_000
    assert sizes[1] > 80_000


def test_an_entrys_tolerance_wins_over_the_suites(project: Project) -> None:
    project.run(UPDATE)
    project.leaf(512 + 2048)
    project.ini("cgosafe_budget_tolerance = 5KiB")
    project.run().assert_outcomes(passed=3)
    project.tolerate("test_levels.py::test_down[800]", "1%")
    strict = project.run()
    strict.assert_outcomes(passed=2, failed=1)
    strict.stdout.fnmatch_lines(["  1% or 0 B more is tolerated; *"])


def test_budgets_of_another_compiler_are_not_compared_and_that_is_told(project: Project) -> None:
    project.run(UPDATE)
    project.edit('"cc": "gcc', '"cc": "gcc 1.2.3, not')
    project.leaf(512 + 8192)
    elsewhere = project.run()
    elsewhere.assert_outcomes(passed=3)
    elsewhere.stdout.fnmatch_lines(
        [
            "not compared: 2 tests ran with go *prebuilt; the budgets are for go *gcc 1.2.3, not*",
            "  to add what is missing: pytest --cgosafe-add-budgets",
        ]
    )
    project.run(ADD).assert_outcomes(passed=3)
    assert len(json.loads(project.file.read_text())["environments"]) == 2


def test_unused_budgets_are_told_when_the_whole_suite_ran(project: Project) -> None:
    project.run(UPDATE)
    project.edit("test_down[50]", "test_gone")
    project.edit("test_levels.py::test_down[800]", "gone_as_well.py::test_x")
    for whole in (project.run(), project.run("-n", "1")):
        whole.stdout.fnmatch_lines_random(
            [f"2 unused in {FILE}: *", "  gone_as_well.py::test_x", "  test_levels.py::test_gone"]
        )
    for part in (
        ("-k", "python"),
        ("-k", "python", "-n", "1"),
        ("test_levels.py::test_of_python_only",),
    ):
        project.run(*part).stdout.no_fnmatch_line("* unused in *")


def test_an_unreadable_file_is_a_usage_error_before_any_test_runs(project: Project) -> None:
    project.file.write_text('{"schema": "cgosafe-budgets/1", "environments": [{"go": 1}]}')
    refused = project.run()
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines([f"ERROR: *{FILE}: environments?0?.go must be a string, not 1"])


def test_bad_options_are_usage_errors(project: Project) -> None:
    both = project.run(UPDATE, ADD)
    assert both.ret == pytest.ExitCode.USAGE_ERROR
    both.stderr.fnmatch_lines(["ERROR: *choose one of them"])
    project.ini("cgosafe_budget_tolerance = much")
    bad = project.run()
    assert bad.ret == pytest.ExitCode.USAGE_ERROR
    bad.stderr.fnmatch_lines(["ERROR: ini option cgosafe_budget_tolerance: 'much' is not a *"])


def test_the_file_may_lie_elsewhere_and_one_that_cannot_be_written_is_told(
    project: Project,
) -> None:
    project.ini("cgosafe_budgets = ci/stacks.json")
    project.run(UPDATE).stdout.fnmatch_lines(["ci/stacks.json: 2 added, *"])
    assert (project.file.parent / "ci" / "stacks.json").is_file()
    project.ini("cgosafe_budgets = test_levels.py/stacks.json")
    refused = project.run(ADD)
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["ERROR: *stacks.json could not be read: *"])


def test_a_test_without_budgets_costs_and_tells_nothing(project: Project) -> None:
    ran = project.run()
    ran.assert_outcomes(passed=3)
    ran.stdout.no_fnmatch_line("*cgosafe budgets*")
    assert not project.file.exists()
