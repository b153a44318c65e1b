"""Peaks of threads that end in unusual ways, or on unusual stacks, against what the program says before it ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.watching import run

if TYPE_CHECKING:
    from pytest_cgosafe.results import ThreadStack
    from pytest_cgosafe.watch.watcher import Watched

KIB = 1024
Build = Callable[..., Path]


def true_stacks(watched: Watched) -> list[ThreadStack]:
    """The stacks that the program told of, each with the peak that it has to have."""
    stacks = {stack.tid: stack for stack in watched.stacks}
    told = []
    for name, tid, used in (line.split() for line in watched.stdout.splitlines()):
        stack = stacks[int(tid)]
        assert stack.peak is not None, (name, stack)
        assert 0 <= stack.peak - int(used) <= 512, (name, stack, used)
        told.append(stack)
    return told


@pytest.mark.parametrize(
    ("mode", "code", "signal"),
    [
        ("left", 0, None),
        ("cancelled", 0, None),
        ("quits", 0, None),
        ("exits", 3, None),
        ("execs", 0, None),
        ("vfork", 0, None),
        ("kills", None, "SIGKILL"),
        ("slain", None, "SIGKILL"),
        ("aborts", None, "SIGABRT"),
    ],
)
def test_a_peak_is_known_however_the_thread_ends(
    c_program: Build, mode: str, code: int | None, signal: str | None
) -> None:
    watched = run(c_program("watch/endings", "-O0"), mode, "300")
    assert (watched.exit.code, watched.exit.signal) == (code, signal)
    (stack,) = true_stacks(watched)
    assert stack.limit == 8192 * KIB
    assert stack.note is None


def test_a_peak_is_known_when_the_time_is_up(c_program: Build) -> None:
    watched = run(c_program("watch/endings", "-O0"), "waits", "300", timeout=4.0)
    assert watched.exit.timed_out
    assert len(true_stacks(watched)) == 1


def test_a_thread_has_the_name_that_it_had_last(c_program: Build) -> None:
    watched = run(c_program("watch/endings", "-O0"), "named", "300")
    assert [stack.name for stack in true_stacks(watched)] == ["worker-7"]


def test_a_stack_in_the_middle_of_a_mapping_is_measured(c_program: Build) -> None:
    watched = run(c_program("watch/endings", "-O0"), "mapped", "300")
    assert [stack.limit for stack in true_stacks(watched)] == [1024 * KIB]


def test_what_runs_on_an_alternate_signal_stack_is_not_the_threads_peak(c_program: Build) -> None:
    watched = run(c_program("watch/endings", "-O0"), "alternate", "200")
    assert len(true_stacks(watched)) == 1


def test_two_hundred_threads_at_once_have_true_peaks(c_program: Build) -> None:
    watched = run(c_program("watch/endings", "-O0"), "together", "60", "200")
    assert len(true_stacks(watched)) == 200


@pytest.mark.parametrize("limit", ["64", "256", "unlimited"])
def test_the_main_threads_peak_is_true_under_any_limit(c_program: Build, limit: str) -> None:
    program = c_program("watch/depths", "-O0")
    watched = run("/bin/sh", "-c", f"ulimit -s {limit}; exec {program} main 150")
    (stack,) = true_stacks(watched)
    assert stack.main
    assert stack.limit == (None if limit == "unlimited" else int(limit) * KIB)
