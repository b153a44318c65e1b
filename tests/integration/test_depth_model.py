"""Depth models of a program that tells the size of its own levels; and what the model says, tried."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_cgosafe.build import Builder
from pytest_cgosafe.cli import main
from pytest_cgosafe.depth import render_depth_model
from pytest_cgosafe.errors import CgosafeError, CrashError
from pytest_cgosafe.report.json import depth_model_to_json
from pytest_cgosafe.session import Session
from tests.conftest import Build


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(Builder(tmp_path, tmp_path), bases=[tmp_path])


@pytest.fixture(scope="module")
def levels(program: Build) -> Path:
    return program("levels", CGO_CFLAGS="-g -fno-omit-frame-pointer")


def model_args(where: str, shape: str = "even") -> dict[str, Any]:
    return {"args": lambda depth: [where, shape, str(depth)]}


@pytest.mark.parametrize("where", ["main", "other"])
def test_a_level_takes_what_the_program_says_and_the_greatest_depth_is_proved(
    session: Session, levels: Path, where: str
) -> None:
    model = session.depth_model(
        levels,
        depths=[1, 200, 400, 800],
        limit="256KiB",
        min_headroom="50%",
        prove=True,
        **model_args(where),
    )
    level = int(session.runs[-1].stdout)
    assert round(model.bytes_per_level) == level
    assert model.linear
    assert model.error <= 64
    assert all(point.main == (where == "main") for point in model.points[1:])
    assert model.safe_depth is not None
    assert model.greatest_depth is not None
    assert model.bytes_at(model.safe_depth) <= 128 * 1024
    assert model.safe_depth < model.greatest_depth <= 256 * 1024 // level
    assert model.proof is not None
    assert (model.proof.survived, model.proof.overflowed) == (True, True)
    assert len(session.runs) == 4
    text = "\n".join(render_depth_model(model))
    assert "256.0 KiB" in text
    assert "survived" in text
    assert json.loads(depth_model_to_json(model))["proof"]["overflowed"] is True


def test_depths_at_which_the_start_of_the_program_takes_more_are_left_out(
    session: Session, levels: Path
) -> None:
    model = session.depth_model(levels, depths=[1, 2, 500, 1000], **model_args("main"))
    assert model.floor == (1, 2)
    assert model.linear
    assert "depths 1, 2 tell nothing" in "\n".join(render_depth_model(model))


def test_levels_that_grow_give_no_safe_depth(session: Session, levels: Path) -> None:
    depths = [100, 200, 300, 400]
    model = session.depth_model(levels, depths=depths, **model_args("main", "wider"))
    assert not model.linear
    assert model.safe_depth is None
    assert "no safe depth can be told" in "\n".join(render_depth_model(model))


def test_a_stack_that_does_not_grow_has_no_greatest_depth_to_prove(
    session: Session, levels: Path
) -> None:
    with pytest.raises(CgosafeError, match="does not grow with the depth"):
        session.depth_model(levels, depths=[10, 20, 30], prove=True, **model_args("main", "flat"))


def test_a_depth_model_needs_two_different_depths(session: Session, levels: Path) -> None:
    with pytest.raises(CgosafeError, match="at least two different depths"):
        session.depth_model(levels, depths=[100, 100], **model_args("main"))


def test_a_run_that_fails_gives_no_point(session: Session, levels: Path) -> None:
    with pytest.raises(CgosafeError, match="at depth 10 the program did not end with status 0"):
        session.depth_model(levels, depths=[10, 20], **model_args("main", "fail"))


@pytest.mark.parametrize("where", ["main", "other"])
def test_thread_stack_size_limits_every_thread_and_an_overflow_is_told_as_one(
    session: Session, levels: Path, where: str
) -> None:
    run = session.run(levels, where, "even", "200", thread_stack_size="200KiB")
    assert {stack.limit for stack in run.stacks} == {200 * 1024}
    with pytest.raises(CrashError, match="stack overflow in `down`") as caught:
        session.run(levels, where, "even", "5000", thread_stack_size="200KiB")
    crash = caught.value.result.crash
    assert crash is not None
    assert crash.recursion is not None
    assert crash.recursion.levels > 1000


def test_a_thread_stack_size_that_is_none_is_refused(session: Session, levels: Path) -> None:
    with pytest.raises(CgosafeError, match="thread_stack_size: 'plenty' is not a size"):
        session.run(levels, "main", "even", "1", thread_stack_size="plenty")


def test_the_command_takes_a_thread_stack_size(
    levels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["run", "--thread-stack-size", "200KiB", str(levels), "--", "main", "even", "5000"]
    assert main(run) == 1
    assert "stack overflow in `down`" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["run", "--thread-stack-size", "plenty", str(levels)])
    assert ended.value.code == 2
    assert "'plenty' is not a size" in capsys.readouterr().err


def test_more_than_the_hard_limit_is_refused_with_what_raises_it(levels: Path) -> None:
    run = f"{sys.executable} -m pytest_cgosafe run --thread-stack-size 8MiB {levels}"
    ran = subprocess.run(
        ["bash", "-c", f"ulimit -Ss 4096 && ulimit -Hs 4096 && {run}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "8,388,608 bytes are more than the 4,194,304" in ran.stderr
    assert "ulimit -Hs" in ran.stderr
