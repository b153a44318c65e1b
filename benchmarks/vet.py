"""What the analyzer costs beside ``go vet``, on public modules: cold and warm, in pairs whose order alternates.

Cold means that the go command has compiled everything, but analyzed nothing. Targets: cold 2 times, warm 1.2 times.
Run as ``python benchmarks/vet.py [PAIRS]``; it needs the Go module proxy, or the modules in the module cache.
"""

from __future__ import annotations

import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from pytest_cgosafe.crossings.tool import analyzer_for
from pytest_cgosafe.toolchain import check_cgo, find_go

DATA = Path(__file__).parent.parent / "tests" / "integration" / "data" / "real_modules.toml"


def modules() -> list[Path]:
    """The sources of the judged modules."""
    with DATA.open("rb") as file:
        names = [f"{table['path']}@{table['version']}" for table in tomllib.load(file)["module"]]
    return [
        Path(json.loads(_output("go", "mod", "download", "-json", name))["Dir"]) for name in names
    ]


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout


def vet(flags: list[str], module: Path, fresh: int) -> float:
    """Seconds of ``go vet``; the go command's cache answers only if it ran with the same number `fresh` before."""
    # -c is for text only, so it changes nothing here but the key of the cache
    command = ["go", "vet", *flags, f"-c={fresh}", "./..."]
    began = time.perf_counter()
    subprocess.run(command, cwd=module, capture_output=True, check=False)
    return time.perf_counter() - began


def main(count: int) -> None:
    """Print the table."""
    environment = check_cgo(find_go(Path("/")), Path("/"), dict(os.environ))
    tool = analyzer_for(environment, otherwise=Path(tempfile.gettempdir()))
    ours, theirs = [f"-vettool={tool}", "-json", "-cgosafe"], ["-json"]
    print("| module | go vet cold | ratio cold | go vet warm | ratio warm |\n|---|---|---|---|---|")
    ratios: dict[str, list[float]] = {"cold": [], "warm": []}
    for module in modules():
        subprocess.run(["go", "vet", "./..."], cwd=module, capture_output=True, check=False)
        pairs: dict[str, list[tuple[float, float]]] = {"cold": [], "warm": []}
        for turn in range(count):
            fresh = secrets.randbelow(10**9)
            for state in ("cold", "warm"):
                order = [theirs, ours] if turn % 2 else [ours, theirs]
                taken = {len(flags): vet(flags, module, fresh) for flags in order}
                pairs[state].append((taken[len(theirs)], taken[len(ours)]))
        cells = []
        for state, measured in pairs.items():
            ratio = statistics.median(own / plain for plain, own in measured)
            ratios[state].append(ratio)
            cells += [f"{statistics.median(plain for plain, _ in measured):.2f} s", f"{ratio:.2f}"]
        print(f"| {module.name} | {' | '.join(cells)} |", flush=True)
    medians = [f"{statistics.median(ratios[state]):.2f}" for state in ("cold", "warm")]
    print(f"| **median** | | {medians[0]} | | {medians[1]} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
