"""What the trace of crossings costs: paired watched runs, without and with it, of a million calls of C.

Run as ``python benchmarks/trace_overhead.py [PAIRS]``.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from watch_overhead import build

from pytest_cgosafe.results import Binary
from pytest_cgosafe.run import run_watched

_CALLS = 1_000_000


def seconds(program: Path, *, traced: bool) -> float:
    """The program's own duration."""
    binary = Binary(program, program.name, None, program.parent)
    run = run_watched(binary, ("hot",), trace_crossings=traced)
    assert run.duration is not None
    assert run.stdout == "ok\n", run
    return run.duration


def main(count: int) -> None:
    """Print the ratio."""
    pairs = []
    with tempfile.TemporaryDirectory() as scratch:
        program = Path(build("laundered", Path(scratch)))
        seconds(program, traced=True)  # reads symbols and types, which are kept
        for turn in range(count):
            # the order alternates, so that drift cancels out
            if turn % 2:
                traced, plain = seconds(program, traced=True), seconds(program, traced=False)
            else:
                plain, traced = seconds(program, traced=False), seconds(program, traced=True)
            pairs.append((plain, traced))
    ratios = sorted(traced / plain for plain, traced in pairs)
    extras = sorted(1000 * (traced - plain) for plain, traced in pairs)
    print(
        f"{_CALLS:,} calls of C: {statistics.median(plain for plain, _ in pairs):.3f} s watched, traced "
        f"{statistics.median(ratios):.2f} times as long, {statistics.median(extras):.1f} ms more "
        f"(median of {count} pairs, {ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
