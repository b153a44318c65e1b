"""Stack peaks beside valgrind's massif: the same peaks of the same C programs, and how long each takes to find them.

massif follows every change of the stack pointer (``--stacks=yes``) and adds up the stacks of all threads; so each
program here has one thread that goes deep. Run as ``python benchmarks/massif.py [RUNS]``.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pytest_cgosafe.binary.elf import read_elf
from pytest_cgosafe.watch.watcher import Command, watch

PLAIN = Path(__file__).parent.parent / "tests" / "programs" / "attribution" / "plain" / "plain.c"
PROGRAMS = (
    ("recursion", "2000"),
    ("recursion", "30000"),
    ("mutual", "20000"),
    ("alloca", "5000"),
    ("qsort", "3000"),
)


def massif(argv: tuple[str, ...], scratch: Path) -> tuple[float, int]:
    """Seconds of a run under massif, and the peak that it tells, in bytes."""
    out = scratch / "massif.out"
    tool = ("valgrind", "--tool=massif", "--stacks=yes", "--heap=no", f"--massif-out-file={out}")
    options = ("--detailed-freq=1000000", "--peak-inaccuracy=0.0", "--max-snapshots=1000")
    began = time.perf_counter()
    subprocess.run(
        (*tool, *options, "--main-stacksize=16777216", *argv), check=True, capture_output=True
    )
    took = time.perf_counter() - began
    return took, max(map(int, re.findall(r"^mem_stacks_B=(\d+)", out.read_text(), re.MULTILINE)))


def watched(argv: tuple[str, ...]) -> tuple[float, int]:
    """Seconds of a watched run, and the bytes that the deep thread's own code used."""
    began = time.perf_counter()
    run = watch(Command(argv), lookup=read_elf)
    took = time.perf_counter() - began
    deepest = max(run.stacks[1:], key=lambda stack: stack.used or 0)
    assert run.exit.code == 0, run
    return took, deepest.used or 0


def main(count: int) -> None:
    """Print a table, the best of `count` runs each."""
    if not shutil.which("valgrind"):
        print("valgrind is not installed: nothing to compare with (apt-get install valgrind)")
        return
    print("program            massif: peak    time   cgosafe: peak     time    ratio")
    with tempfile.TemporaryDirectory() as scratch:
        program = Path(scratch) / "plain"
        subprocess.run(("gcc", "-g", "-O2", "-pthread", "-o", program, PLAIN), check=True)
        watched((str(program), "recursion", "1"))  # compiles the launcher, reads the symbols
        for mode, depth in PROGRAMS:
            argv = (str(program), mode, depth)
            theirs = [massif(argv, Path(scratch)) for _ in range(count)]
            ours = [watched(argv) for _ in range(count)]
            slow, fast = (min(took for took, _ in runs) for runs in (theirs, ours))
            print(
                f"{mode:<10} {depth:>6}  {theirs[0][1]:>12,} {slow:>6.2f} s {ours[0][1]:>15,} {fast:>6.3f} s"
                f"   1/{slow / fast:.0f}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
