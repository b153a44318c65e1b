"""``cgosafe stack``: the bound of what Go calls in C, as a user asks for it."""

import io
import json
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from pytest_cgosafe.binary.callgraph import Cause
from pytest_cgosafe.binary.stackreport import StackReport, bound_stacks
from pytest_cgosafe.bounds import compare
from pytest_cgosafe.cli import main
from pytest_cgosafe.errors import CgosafeError, ToolchainError
from pytest_cgosafe.report.stackbounds import render_bounds, render_defects
from pytest_cgosafe.results import (
    Binary,
    Call,
    CallChain,
    Exit,
    RunResult,
    ThreadStack,
)
from pytest_cgosafe.run import run_watched

pytest_plugins = ["pytester"]

Build = Callable[..., Path]


@pytest.fixture(scope="module")
def program_path(program: Build) -> Path:
    return program("stackbound", CGO_CFLAGS="-g -O2")


@pytest.fixture(scope="module")
def bounds(program_path: Path) -> StackReport:
    return bound_stacks(program_path)


def stack(*args: str, status: int = 0) -> str:
    """What the command prints, on standard error where it could not do its work."""
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        assert main(["stack", *args]) == status
    return output.getvalue() if status < 2 else errors.getvalue()


def run_with(chain: CallChain | None, path: Path) -> RunResult:
    thread = ThreadStack(7, "x", main=False, limit=8 << 20, peak=40_000, chain=chain)
    return RunResult(
        binary=Binary(path, str(path), None, path.parent),
        args=(),
        exit=Exit(0, None),
        duration=0.1,
        stdout="",
        stderr="",
        stacks=(thread,),
    )


def test_every_c_function_that_go_calls_is_an_entry(bounds: StackReport) -> None:
    assert [bound.entry for bound in bounds.bounds] == [
        "allocating", "bounded", "dying", "leaf", "pointed", "recursive", "returning", "roomy",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "cause", "function"),
    [
        ("recursive", Cause.RECURSION, "level"),
        ("pointed", Cause.INDIRECT_CALL, "pointed"),
        ("roomy", Cause.DYNAMIC_FRAME, "roomy"),
        ("returning", Cause.CALLBACK, "goBack"),
    ],
)
def test_what_leaves_an_entry_without_a_bound_is_named(
    bounds: StackReport, entry: str, cause: Cause, function: str
) -> None:
    bound = bounds[entry]
    assert bound.bound is None
    assert (cause, function) in {(reason.cause, reason.function) for reason in bound.unbounded}


def test_the_worst_chain_leads_from_gos_call_to_the_last_function(bounds: StackReport) -> None:
    bound = bounds["bounded"]
    names = [call.function for call in bound.chain]
    assert names[-4:] == ["fill", "middle", "bounded", "_Cfunc_bounded"]
    assert sum(call.size or 0 for call in bound.chain) == bound.bound
    assert 50_000 < (bound.bound or 0) < 51_000


def test_what_ends_the_program_is_not_counted_and_told(bounds: StackReport) -> None:
    bound = bounds["dying"]
    assert bound.bound is not None
    assert any("end the program" in note for note in bound.notes)


def test_a_program_bound_when_it_starts_says_nothing_of_the_dynamic_linker(
    program: Build, program_path: Path
) -> None:
    lazy = bound_stacks(program_path, ["bounded"]).bounds[0]
    now = bound_stacks(
        program("stackbound", "-ldflags=-extldflags=-Wl,-z,now", CGO_CFLAGS="-g -O2"),
        ["bounded"],
    ).bounds[0]
    assert any("dynamic linker" in note for note in lazy.notes)
    assert not any("dynamic linker" in note for note in now.notes)


def test_a_pie_has_the_same_bounds(program: Build, bounds: StackReport) -> None:
    pie = bound_stacks(program("stackbound", "-buildmode=pie", CGO_CFLAGS="-g -O2"), ["bounded"])
    assert pie["bounded"].bound == bounds["bounded"].bound


def test_the_bound_can_be_had_from_any_c_function(program_path: Path, bounds: StackReport) -> None:
    inner = bound_stacks(program_path, ["middle"])["middle"]
    assert 30_000 < (inner.bound or 0) < 31_000 < (bounds["bounded"].bound or 0)


def test_a_function_that_is_not_there_is_a_mistake(program_path: Path) -> None:
    with pytest.raises(CgosafeError, match="has no function nothing"):
        bound_stacks(program_path, ["nothing"])


def test_a_program_without_symbols_says_so(program: Build) -> None:
    stripped = program("stackbound", "-ldflags=-s -w", CGO_CFLAGS="-g -O2")
    with pytest.raises(CgosafeError, match="no symbol table") as caught:
        bound_stacks(stripped)
    assert "-s" in str(caught.value.next_step)


def test_a_program_without_c_says_so(program: Build) -> None:
    report = bound_stacks(program("claims/mapliteral", CGO_ENABLED="0"))
    assert report.bounds == ()
    assert report.notes == ("Go calls no C function in this program",)


def test_without_capstone_the_next_step_is_told(
    program_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "capstone", None)
    with pytest.raises(ToolchainError, match="Capstone, which reads machine code") as caught:
        bound_stacks(program_path)
    assert "pip install" in str(caught.value.next_step)


def test_a_file_that_is_no_program_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no ELF")
    with pytest.raises(CgosafeError, match="could not be read as an ELF file"):
        bound_stacks(tmp_path / "text")


def test_a_run_uses_what_the_bound_says(bounds: StackReport, program_path: Path) -> None:
    run = run_watched(
        Binary(program_path, "stackbound", None, program_path.parent),
        env={**os.environ, "LD_BIND_NOW": "1"},
    )
    used = max(stack.used or 0 for stack in run.stacks)
    bound = bounds["bounded"].bound or 0
    assert bound <= used <= bound + 8192  # what Go's runtime has on the stack above the call


def test_a_measured_peak_stands_beside_its_bound(bounds: StackReport, program_path: Path) -> None:
    calls = (
        Call("leaf", 1, 8),
        Call("fill", 1, 30_016),
        Call("bounded", 1, 176),
        Call("main.main.func1", 1, 40),
    )
    run = run_with(CallChain(calls, None), program_path)
    (comparison,) = compare(bounds, [run])
    assert comparison.bound.entry == "bounded"
    assert comparison.measured == 30_200
    assert not comparison.is_above
    rows = list(render_bounds(bounds, [comparison], full=False))
    assert any(row.split()[:1] == ["30,200"] and row.endswith("bounded") for row in rows)


def test_a_peak_above_its_bound_is_a_defect(bounds: StackReport, program_path: Path) -> None:
    calls = (Call("fill", 1, 60_000), Call("bounded", 1, 176), Call("main.main", 1, 40))
    (proved,) = compare(bounds, [run_with(CallChain(calls, None), program_path)])
    (guessed,) = compare(bounds, [run_with(CallChain(calls, "overwritten"), program_path)])
    assert proved.is_above
    assert not guessed.is_above
    text = " ".join(" ".join(render_defects([proved, guessed])).split())
    assert text.count("defect:") == 1
    assert "60,176 B from bounded on, above the bound" in text


def test_a_peak_that_other_code_made_is_not_compared(
    bounds: StackReport, program_path: Path
) -> None:
    foreign = CallChain((Call("runtime.mstart", 1, 900), Call("main.main", 1, 40)), None)
    unsized = CallChain((Call("bounded", 1, None), Call("main.main", 1, 40)), None)
    runs = [run_with(chain, program_path) for chain in (None, foreign, unsized)]
    assert list(compare(bounds, runs)) == []


def test_the_command_tells_bounds_within_80_columns(program_path: Path) -> None:
    text = stack(str(program_path), "--full")
    assert max(map(len, text.splitlines())) <= 80
    assert "recursion: level -> level" in text
    assert "pointed calls through a pointer, main.go:" in text


def test_the_command_runs_the_program_beside_it(program_path: Path) -> None:
    document: dict[str, Any] = json.loads(
        stack(str(program_path), "--run", "--json", "-", "--entry", "bounded", "--", "all")
    )
    (run,) = document["runs"]
    assert run["args"] == ["all"]
    assert run["exit"]["code"] == 0
    (bound,) = document["stack_bounds"]
    assert bound["entry"] == "bounded"
    assert bound["unbounded"] == []
    assert bound["bound"] == sum(call["size"] for call in bound["chain"])


def test_a_limit_makes_a_larger_bound_or_none_a_finding(program_path: Path) -> None:
    entry = ("--entry", "bounded")
    stack(str(program_path), *entry, "--max", "64KiB", status=0)
    stack(str(program_path), *entry, "--max", "32KiB", status=1)
    stack(str(program_path), "--entry", "pointed", "--max", "64KiB", status=1)


def test_arguments_without_a_run_are_a_mistake(program_path: Path) -> None:
    assert "--run" in stack(str(program_path), "--", "all", status=2)


def test_the_size_of_a_function_can_be_given(program_path: Path) -> None:
    text = stack(
        str(program_path), "--entry", "allocating", "--assume", "malloc=8KiB", "--assume",
        "free=1KiB", "--max", "9KiB",
    )  # fmt: skip
    assert "malloc was taken to need 8,192 B, as given" in " ".join(text.split())


def test_the_fixture_builds_and_tells(go_pytester: pytest.Pytester, program_path: Path) -> None:
    go_pytester.makepyfile(
        f"""
        def test_bound(cgosafe):
            report = cgosafe.stack_bound({str(program_path)!r}, "bounded", assume={{"fill": "4KiB"}})
            assert 24_000 < report["bounded"].bound < 25_000
        """
    )
    go_pytester.runpytest("-q").assert_outcomes(passed=1)
