"""What many threads cost: a program with up to 1,000 at once, each 60 calls deep, plain and watched.

Run as ``python benchmarks/threads.py [RUNS]``.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pytest_cgosafe.binary.elf import read_elf
from pytest_cgosafe.binary.gocalls import go_calls
from pytest_cgosafe.crash.attribution import attribute
from pytest_cgosafe.watch.remains import RemainsKeeper
from pytest_cgosafe.watch.watcher import Command, watch

SOURCE = Path(__file__).parent.parent / "tests" / "programs" / "watch" / "endings" / "endings.c"
COUNTS = (1, 125, 250, 500, 1000)


def once(program: str, count: int) -> None:
    """One watched run, with what made the peaks; prints its seconds and the most memory that this process took."""
    remains = RemainsKeeper(go_calls)
    began = time.perf_counter()
    run = watch(Command((program, "together", "60", str(count))), lookup=read_elf, remains=remains)
    attribute(run.stacks, remains.kept)
    took = time.perf_counter() - began
    assert len([stack for stack in run.stacks if stack.peak]) == count + 1, run
    print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def watched(program: str, count: int) -> tuple[float, int]:
    """Seconds and KiB of a watched run, in a process of its own."""
    command = (sys.executable, __file__, "--once", program, str(count))
    took, memory = subprocess.run(command, check=True, capture_output=True).stdout.split()
    return float(took), int(memory)


def plain(program: str, count: int) -> float:
    """Seconds of a plain run."""
    began = time.perf_counter()
    subprocess.run((program, "together", "60", str(count)), check=True, capture_output=True)
    return time.perf_counter() - began


def main(runs: int) -> None:
    """Print a table."""
    print("threads    plain   watched   more, per thread   the watcher's memory")
    with tempfile.TemporaryDirectory() as scratch:
        program = str(Path(scratch) / "endings")
        subprocess.run(("gcc", "-g", "-pthread", "-o", program, SOURCE), check=True)
        watched(program, 1)  # compiles the launcher
        for count in COUNTS:
            alone = statistics.median(plain(program, count) for _ in range(runs))
            both = [watched(program, count) for _ in range(runs)]
            took = statistics.median(seconds for seconds, _ in both)
            memory = statistics.median(kibibytes for _, kibibytes in both)
            print(
                f"{count:>7} {alone:>7.3f}s {took:>8.3f}s {1e3 * (took - alone) / count:>15.2f} ms"
                f" {memory / 1024:>17.1f} MiB"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        once(sys.argv[2], int(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
