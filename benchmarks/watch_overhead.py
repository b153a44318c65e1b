"""What watching costs: paired runs, plain and watched, of a busy cgo program and of one that ends at once.

Run as ``python benchmarks/watch_overhead.py [PAIRS]``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pytest_cgosafe.binary.elf import read_elf
from pytest_cgosafe.watch.watcher import Command, watch

PROGRAMS = Path(__file__).parent.parent / "tests" / "programs"


def build(name: str, into: Path) -> str:
    """Build a test program."""
    target = into / Path(name).name
    subprocess.run(["go", "build", "-o", target, f"./{name}"], cwd=PROGRAMS, check=True)
    return str(target)


def plain(program: str) -> float:
    """Seconds of a plain run."""
    began = time.perf_counter()
    subprocess.run([program], check=True, capture_output=True)
    return time.perf_counter() - began


def watched(program: str) -> float:
    """Seconds of a watched run."""
    began = time.perf_counter()
    run = watch(Command((program,)), lookup=read_elf)
    assert run.exit.code == 0, run
    return time.perf_counter() - began


def pairs(program: str, count: int) -> list[tuple[float, float]]:
    """Paired durations, plain and watched; the order alternates, so that drift cancels out."""
    plain(program)
    watched(program)  # compiles the launcher, reads the symbols
    found = []
    for turn in range(count):
        if turn % 2:
            second, first = watched(program), plain(program)
        else:
            first, second = plain(program), watched(program)
        found.append((first, second))
    return found


def main(count: int) -> None:
    """Print both figures."""
    with tempfile.TemporaryDirectory() as scratch:
        busy = pairs(build("watch/gcheavy", Path(scratch)), count)
        brief = pairs(build("watch/ends", Path(scratch)), 2 * count)
    ratios = sorted(second / first for first, second in busy)
    extras = sorted(1000 * (second - first) for first, second in brief)
    print(
        f"busy program: {statistics.median(first for first, _ in busy):.2f} s plain, watched "
        f"{statistics.median(ratios):.3f} times as long (median of {count} pairs, "
        f"{ratios[0]:.3f} to {ratios[-1]:.3f}); wanted: 1.05 at most"
    )
    print(
        f"brief program: {1000 * statistics.median(first for first, _ in brief):.1f} ms plain, watched "
        f"{statistics.median(extras):.1f} ms more (median of {2 * count} pairs, "
        f"{extras[0]:.1f} to {extras[-1]:.1f}); wanted: 20 ms at most"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
