"""`make demo`: the example project's tests, then what the reports of its known-bad programs look like."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "example_project"
BAD = sorted(path.parent.name for path in EXAMPLE.glob("bad/*/main.go"))


def heading(text: str) -> None:
    """Say what comes next."""
    print(f"\n\n>>> {text}\n", flush=True)


def pytest(*words: str) -> tuple[int, str]:
    """Run pytest in the example project, its output shown as it comes. Returns its exit status and closing line."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    with subprocess.Popen(command, cwd=EXAMPLE, stdout=subprocess.PIPE, text=True) as run:
        line = ""
        for line in run.stdout or ():
            print(line, end="", flush=True)
    return run.returncode, line


def main() -> int:
    """Run both; 0 when the first passes and every test of the second fails."""
    heading("Three safe ways to give a Go map to C, and every known-bad one caught")
    good, _ = pytest("-v", "--tb=short")
    heading("What it looks like when ordinary tests meet the known-bad programs")
    bad, closing = pytest("-q", "--no-header", "--no-summary", "bad/test_bad.py")
    as_expected = good == 0 and bad == 1 and re.fullmatch(r"\d+ failed in .*\n", closing)
    print(f"\n>>> {'All as it should be' if as_expected else 'NOT as it should be'}: ", end="")
    print("the example's tests pass, and each of its known-bad programs")
    print(f"    ({', '.join(BAD)}) fails a test, with the report above.")
    return 0 if as_expected else 1


if __name__ == "__main__":
    sys.exit(main())
