"""gdb alone, Delve and this, side by side: who shows all of a crash's own functions, once and in order.

Each way to die leaves a core (GOTRACEBACK=crash), and each debugger is asked for the backtrace of the thread
that met the fault. Run as ``python -m benchmarks.backtraces [WAY ...]``, with dlv on PATH or without.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_cgosafe.crash.debugger import examine_core
from pytest_cgosafe.crash.delve import delve_backtrace, find_delve
from pytest_cgosafe.errors import DebuggerError
from tests.integration.photographing import DEBUG, DEBUG_C
from tests.integration.test_mixed_backtrace import DEATHS

PROGRAMS = Path(__file__).parent.parent / "tests" / "programs"
GDB_FRAME = re.compile(r"^#\d+ +(?:0x[0-9a-f]+ in )?(\S+)", re.MULTILINE)
WAY = re.compile(r"main\.(init|glob\.)\.func\d+")

Names = Sequence[str | None]


@dataclass(frozen=True)
class Outcome:
    """What one debugger made of one core."""

    complete: bool
    unknown: int
    """Frames without a name that stand between named ones."""
    seconds: float


def expected(way: str) -> list[str]:
    """The program's own functions, innermost first."""
    names: list[str] = []
    for frame in DEATHS[way]:
        name, _, count = frame.partition(":")[2].partition(" x")
        names += [name] * int(count or 1)
    return names


def judge(way: str, names: Names, seconds: float) -> Outcome:
    """Whether `names` has the program's own functions, all and only, and in order."""
    own = expected(way)
    shown = [_plain(name) for name in names]
    named = [number for number, name in enumerate(shown) if name]
    unknown = sum(name is None for name in shown[named[0] : named[-1]]) if named else 0
    return Outcome([name for name in shown if name in own] == own, unknown, seconds)


def _plain(name: str | None) -> str | None:
    if name is None or name == "??":
        return None
    name = WAY.sub("main.way", name).removeprefix("cgosafe.test/programs/crashes/")
    return name.removeprefix("C.")


def gdb_alone(core: Path, binary: Path, tid: int) -> Names:
    """The functions of gdb's own bt."""
    command = [
        "gdb",
        "--nx",
        "-batch",
        "-iex",
        "set debuginfod enabled off",
        str(binary),
        "-c",
        str(core),
    ]
    select = f"python [t.switch() for t in gdb.selected_inferior().threads() if t.ptid[1] == {tid}]"
    run = subprocess.run(
        [*command, "-ex", select, "-ex", "bt 400"], capture_output=True, text=True, check=True
    )
    # gdb says which function a core stopped in before it is asked for anything.
    text = run.stdout[run.stdout.rfind("\n#0 ") :]
    return [None if name == "??" else name for name in GDB_FRAME.findall(text)]


def timed(ask: Callable[[], Names], way: str) -> Outcome:
    """One debugger's outcome; one that fails shows nothing."""
    began = time.perf_counter()
    try:
        names = ask()
    except DebuggerError as error:
        print(f"{way}: {error}", file=sys.stderr)
        names = ()
    return judge(way, names, time.perf_counter() - began)


def core_of(binary: Path, way: str, directory: Path) -> Path:
    """The core that a way to die leaves."""
    subprocess.run(
        ["bash", "-c", f'ulimit -c unlimited; exec "{binary}" {way}'],
        cwd=directory,
        env={**os.environ, "GOTRACEBACK": "crash"},
        capture_output=True,
        check=False,
    )
    (core,) = directory.glob("core*")
    return core


def main(ways: Sequence[str]) -> None:
    """Print the table."""
    delve = find_delve()
    sums: dict[str, list[Outcome]] = {"gdb": [], "Delve": [], "pytest-cgosafe": []}
    print(f"| crash | {' | '.join(sums)} |\n|---|{'---|' * len(sums)}")
    with tempfile.TemporaryDirectory() as scratch:
        binary = Path(scratch) / "crashes"
        command = ["go", "build", *DEBUG, "-o", str(binary), "./crashes"]
        subprocess.run(command, cwd=PROGRAMS, env={**os.environ, **DEBUG_C}, check=True)
        for way in ways:
            directory = Path(scratch) / way
            directory.mkdir()
            core = core_of(binary, way, directory)
            began = time.perf_counter()
            ours = examine_core(core, binary).backtrace
            took = time.perf_counter() - began
            tid = ours.tid or 0
            row = {
                "gdb": timed(lambda: gdb_alone(core, binary, tid), way),  # noqa: B023
                "pytest-cgosafe": judge(way, [frame.function for frame in ours.frames], took),
            }
            if delve:
                row["Delve"] = timed(
                    lambda: delve_backtrace(core, binary, tid, delve=delve),  # noqa: B023
                    way,
                )
            core.unlink()
            for name, outcome in row.items():
                sums[name].append(outcome)
            cells = (_cell(row[name]) if name in row else "not installed" for name in sums)
            print(f"| {way} | {' | '.join(cells)} |", flush=True)
    print(f"| **complete** | {' | '.join(map(_share, sums.values()))} |")


def _cell(outcome: Outcome) -> str:
    unknown = f", {outcome.unknown} unnamed" if outcome.unknown else ""
    return f"{'all' if outcome.complete else 'incomplete'}{unknown} ({outcome.seconds:.2f} s)"


def _share(outcomes: Sequence[Outcome]) -> str:
    complete = sum(outcome.complete for outcome in outcomes)
    return f"**{complete} of {len(outcomes)}**" if outcomes else ""


if __name__ == "__main__":
    main(sys.argv[1:] or list(DEATHS))
