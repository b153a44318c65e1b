"""The example project does what it is there to show. Its own passing tests are collected with these."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "example_project"


@pytest.fixture(scope="module")
def reports() -> dict[str, str]:
    """The failure report of each test in bad/test_bad.py, by the test's name."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly"]
    run = subprocess.run(
        [*command, "--no-header", "--show-capture=no", "bad/test_bad.py"],
        cwd=EXAMPLE,
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    parts = re.split(r"^_+ (test_\w+) _+$|^=+ short test summary", run.stdout, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_known_bad_program_has_an_ordinary_test_that_fails(reports: dict[str, str]) -> None:
    programs = {path.parent.name for path in EXAMPLE.glob("bad/*/main.go")}
    tests = re.findall(r"^def (test_\w+)", (EXAMPLE / "bad/test_bad.py").read_text(), re.MULTILINE)
    assert {name for name in reports if name} == set(tests)
    assert programs <= {test.removeprefix("test_") for test in tests}


@pytest.mark.parametrize(
    ("test", "lines"),
    [
        (
            "test_castmap",
            [r"a Go (map|pointer) reaches C function `sum_table`", r"castmap/main\.go:33"],
        ),
        ("test_integermap", [r"SIGSEGV", r"^\s+sum_at\b", r"^\s+main\.sum\b"]),
        (
            "test_keptpointer",
            [r"SIGSEGV", r"^\s+report_latest\b", r"^\s+tick\b", r"^\s+main\.main\b"],
        ),
        ("test_deepkeys", [r"kept 0% headroom, 50% wanted", r"at most 64\.0 KiB wanted"]),
        ("test_deepkeys_overflow", [r"stack overflow in `key_depth`", r"^\s+main\.depth\b"]),
    ],
)
def test_the_report_of_a_known_bad_program_says_what_is_wrong(
    reports: dict[str, str], test: str, lines: list[str]
) -> None:
    found = [re.search(line, reports[test], re.MULTILINE) for line in lines]
    assert all(found), reports[test]
    assert [hit.start() for hit in found if hit] == sorted(hit.start() for hit in found if hit)


@pytest.mark.parametrize("test", ["castmap", "integermap", "keptpointer", "deepkeys"])
def test_reports_fit_a_terminal_of_80_columns(reports: dict[str, str], test: str) -> None:
    own = [line for line in reports[f"test_{test}"].splitlines() if str(EXAMPLE) not in line]
    assert [line for line in own if len(line) > 80] == []
