"""What sampling costs where there is much to look at: many goroutines, many threads, against the same without.

Run as ``python benchmarks/goroutines.py [PAIRS]``.
"""

from __future__ import annotations

import gc
import statistics
import sys
import tempfile
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

from pytest_cgosafe.binary.elf import read_elf
from pytest_cgosafe.binary.goroutines import goroutine_layout
from pytest_cgosafe.watch.sampler import Sampler
from pytest_cgosafe.watch.watcher import Command, watch

sys.path.insert(0, str(Path(__file__).parent))

from watch_overhead import build

WORK = "600"  # millions of steps: some seconds
CROWDS = ((10, 1), (1_000, 1), (10_000, 1), (100_000, 1), (10, 100), (10, 1_000))


class Timed(Sampler):
    """Knows how long its last look took, for which the program stood still."""

    last = 0.0

    def look(self) -> None:
        """Look at everything."""
        began = time.perf_counter()
        super().look()
        self.last = max(self.last, time.perf_counter() - began)


@dataclass(frozen=True, slots=True)
class Run:
    """One watched run."""

    seconds: float
    """From the program's first instruction to its end."""
    sampled: float
    """CPU seconds of the thread that samples."""
    looks: int
    samples: int
    most: int
    last: float
    """Seconds of the look at the end."""


def watched(program: str, crowd: tuple[int, int], *, sampling: bool) -> Run:
    """Watch the program beside `crowd` goroutines and threads."""
    sampler = Timed(goroutine_layout)
    arguments = (program, *map(str, crowd), WORK)
    run = watch(Command(arguments), lookup=read_elf, sampler=sampler if sampling else None)
    assert run.exit.code == 0, run
    seen = sampler.goroutines
    return Run(
        run.duration,
        sampler.spent,
        sampler.looks,
        len(sampler.samples.kept),
        seen.most if seen else 0,
        sampler.last,
    )


def memory(program: str, crowd: tuple[int, int]) -> int:
    """Bytes that Python had at most for watching and sampling."""
    gc.collect()
    tracemalloc.start()
    watched(program, crowd, sampling=True)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def main(pairs: int) -> None:
    """Print a line for each crowd."""
    with tempfile.TemporaryDirectory() as scratch:
        program = build("crowd", Path(scratch))
        watched(program, (10, 1), sampling=True)  # reads symbols and DWARF
        print(
            f"{'goroutines':>10} {'threads':>7} {'ratio':>6} {'CPU':>6} {'looks':>6} {'at end':>9} "
            f"{'memory':>9}"
        )
        for crowd in CROWDS:
            found = []
            for turn in range(pairs):
                order = (True, False) if turn % 2 else (False, True)  # so that drift cancels out
                runs = {sampling: watched(program, crowd, sampling=sampling) for sampling in order}
                found.append((runs[True], runs[False]))
            ratios = [sampled.seconds / bare.seconds for sampled, bare in found]
            shares = [sampled.sampled / sampled.seconds for sampled, _ in found]
            looks = statistics.median(sampled.looks for sampled, _ in found)
            last = 1000 * statistics.median(sampled.last for sampled, _ in found)
            print(
                f"{crowd[0]:>10,} {crowd[1]:>7,} {statistics.median(ratios):>6.3f} "
                f"{statistics.median(shares):>6.2%} {looks:>6.0f} {last:>6.1f} ms "
                f"{memory(program, crowd) / 1e6:>6.1f} MB",
                flush=True,
            )


if __name__ == "__main__":
    began = time.perf_counter()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
    print(f"took {time.perf_counter() - began:.0f} s")
