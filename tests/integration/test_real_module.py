"""The whole job on a public module: go-sqlite3's own tests, under watch.

It comes from the Go module proxy, and takes a quarter of a minute to compile the first time.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_cgosafe.sizes import format_share, format_size, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_cgosafe.session import Session

MODULE = "github.com/mattn/go-sqlite3@v1.14.53"


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """The directory of go-sqlite3's sources, in the module cache."""
    had = subprocess.run(
        ["go", "mod", "download", "-json", MODULE],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    if had.returncode and "CI" not in os.environ:
        pytest.skip(f"go mod download {MODULE}: {had.stdout}{had.stderr}")
    assert had.returncode == 0, had.stdout + had.stderr
    return str(json.loads(had.stdout)["Dir"])


@pytest.mark.cgosafe(max_c_stack="1MiB")
@pytest.mark.filterwarnings("ignore::pytest_cgosafe.IncompleteVetWarning")  # it is large
def test_the_tests_of_go_sqlite3_pass_under_watch_and_their_c_stack_is_measured(
    cgosafe: Session, sqlite: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    binary = cgosafe.build(sqlite, test=True)
    # Not in its own directory: it writes there, and the module cache is read-only to all but root.
    run = cgosafe.run(binary, "-test.paniconexit0", cwd=tmp_path, timeout=300)
    assert run.stdout.endswith("PASS\n")
    deepest = max(run.stacks, key=lambda stack: stack.peak or 0)
    assert deepest.peak is not None
    assert deepest.headroom is not None
    record_property(
        "measured",
        f"go-sqlite3's own tests: C stack peak {format_size(deepest.peak)},"
        f" {format_share(deepest.headroom)} headroom",
    )
    assert deepest.peak > parse_size("8KiB")
