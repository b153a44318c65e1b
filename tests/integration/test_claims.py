"""What docs/claims.md says was measured, measured."""

import os
import re
import subprocess
from pathlib import Path

PROGRAMS = Path(__file__).parents[1] / "programs"


def go(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["go", *words],
        check=False,
        cwd=PROGRAMS,
        env=os.environ | env,
        capture_output=True,
        text=True,
    )


def test_c_called_from_a_goroutine_has_the_whole_stack_of_a_thread() -> None:
    out = go("run", "./claims/cstack").stdout
    size = int(re.findall(r"stack of C: (\d+) KiB", out)[0])
    assert size > 7900
    assert out.endswith("levels of 8 KiB done: 56\nlevels of 8 KiB done: 900\n")


def test_runtime_stack_returns_the_length_of_a_text() -> None:
    lines = go("run", "./claims/runtimestack").stdout.splitlines()
    (text, used), (other_text, other_used) = [map(int, re.findall(r"\d+", line)) for line in lines]
    assert abs(text - other_text) < 20
    assert (used, other_used) == (0, 64)


def test_a_map_literal_needs_no_make_and_a_nil_map_panics() -> None:
    out = go("run", "./claims/mapliteral").stdout
    assert out == "literal: map[a:1]\nnil map: assignment to entry in nil map\n"


def test_the_compiler_has_no_flag_cgo_check() -> None:
    built = go("build", "-gcflags=-cgo_check=2", "-o", os.devnull, "./claims/mapliteral")
    assert "flag provided but not defined: -cgo_check" in built.stderr


def test_the_c_compiler_does_not_take_gcflags() -> None:
    flags = "-gcflags=all=-cgo_check=2"
    built = go("build", "-o", os.devnull, "./claims/cstack", CGO_CFLAGS=flags)
    assert built.returncode == 1
    assert "gcflags=all=-cgo_check=2" in built.stderr or "cflags=all=-cgo_check=2" in built.stderr


def test_cgocheck_2_at_run_time_is_fatal(tmp_path: Path) -> None:
    binary = tmp_path / "mapliteral"
    go("build", "-o", str(binary), "./claims/mapliteral")
    ran = subprocess.run(
        [binary],
        check=False,
        env=os.environ | {"GODEBUG": "cgocheck=2"},
        capture_output=True,
        text=True,
    )
    assert "cgocheck > 1 mode is no longer supported at runtime" in ran.stderr
    assert ran.stdout == ""
