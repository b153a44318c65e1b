"""`make demo`: the example project under watch, its tests, and the reports of its known-bad programs."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "example_project"


def say(text: str) -> None:
    """Say something between the runs of pytest."""
    print(textwrap.fill(text, 79, initial_indent="\n>>> ", subsequent_indent="    "), flush=True)


def pytest(*words: str) -> tuple[int, str]:
    """Run pytest in the example project, its output shown as it comes. Returns its exit status and closing line."""
    print()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rN", *words]
    with subprocess.Popen(command, cwd=EXAMPLE, stdout=subprocess.PIPE, text=True) as run:
        line = ""
        for line in run.stdout or ():
            print(line, end="", flush=True)
    return run.returncode, line


def cgosafe(*words: str) -> int:
    """Run the command in the example project. Returns its exit status."""
    print(f"\n$ cgosafe {' '.join(words)}", flush=True)
    command = [sys.executable, "-m", "pytest_cgosafe", *words]
    return subprocess.run(command, cwd=EXAMPLE, check=False).returncode


def known_bad() -> list[str]:
    """What each known-bad program does, in the first sentence of its doc comment."""
    texts = [path.read_text() for path in sorted(EXAMPLE.glob("bad/*/main.go"))]
    comments = [" ".join(re.findall(r"^// ?(.*)", text, re.MULTILINE)) for text in texts]
    return [comment.partition(". ")[0].removeprefix("Command ") + "." for comment in comments]


def main() -> int:
    """Show all three; 0 when the safe programs pass and every test of an unsafe one fails."""
    say("A Go program that gives a map to C, under watch: how deep did C's stacks go?")
    watched = cgosafe("run", "./cmd/kvstats", "--", "-via", "callback", "a=1", "b=2", "c=4")
    say("As tests: three safe ways to give C a map, and four unsafe programs, each caught.")
    good, _ = pytest("-v", "-o", "console_output_style=classic")
    say("What can be seen in source, without running anything:")
    vetted = cgosafe("vet", "./...")
    say("What it looks like when ordinary tests meet the unsafe programs:")
    for sentence in known_bad():
        print(textwrap.fill(sentence, 79, initial_indent="    - ", subsequent_indent="      "))
    bad, closing = pytest("-q", "--no-header", "--show-capture=no", "bad/test_bad.py")
    problems = ["a test of the example failed"] if watched or good else []
    if vetted != 1:
        problems.append("the maps that reach C were not found in source")
    if bad != 1 or not re.fullmatch(r"\d+ failed in .*\n", closing):
        problems.append("an unsafe program was not caught")
    say(
        f"Not as it should be: {' and '.join(problems)}."
        if problems
        else "All as it should be: the safe ways pass, and every unsafe program fails its test with a report."
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
