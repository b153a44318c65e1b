"""Watching where ptrace(2) is forbidden: under a seccomp filter like a container's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_cgosafe.watch.probe import explain, ptrace_forbidden
from tests.integration.watching import gone

Build = Callable[..., Path]

_WATCH = """
import json, sys
from pytest_cgosafe.watch.probe import ptrace_forbidden
from tests.integration.watching import run
watched = run(*sys.argv[2:], timeout=float(sys.argv[1]))
print(json.dumps([watched.exit.code, watched.exit.signal, watched.exit.timed_out, watched.stdout, len(watched.stacks),
                  watched.notes, str(ptrace_forbidden())]))
"""


def run_forbidden(c_program: Build, timeout: float, *command: str) -> list[object]:
    """Watch `command` in a Python that must not use ptrace."""
    python = (sys.executable, "-c", _WATCH, str(timeout), *command)
    done = subprocess.run(
        [c_program("watch/noptrace"), *python],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    return list(json.loads(done.stdout))


def test_a_program_runs_and_the_result_says_what_is_missing(c_program: Build) -> None:
    code, name, timed_out, stdout, stacks, notes, reason = run_forbidden(
        c_program, 60, "/bin/sh", "-c", "echo ran; exit 3"
    )
    assert (code, name, timed_out, stdout, stacks) == (3, None, False, "ran\n", 0)
    assert "seccomp" in str(notes)
    assert "seccomp" in str(reason)


def test_the_whole_session_dies_when_the_time_is_up(c_program: Build) -> None:
    behave = c_program("watch/behave")
    command = f"{behave} waiting & echo $!; exec {behave} stubborn"
    _, name, timed_out, stdout, *_ = run_forbidden(c_program, 1, "/bin/sh", "-c", command)
    assert (name, timed_out) == ("SIGKILL", True)
    assert gone(int(str(stdout).split()[0]))


def test_a_background_process_does_not_outlive_the_run(c_program: Build) -> None:
    behave = c_program("watch/behave")
    code, _, _, stdout, *_ = run_forbidden(
        c_program, 60, "/bin/sh", "-c", f"{behave} waiting & echo $!"
    )
    assert code == 0
    assert gone(int(str(stdout)))


def test_ptrace_is_not_forbidden_where_it_works() -> None:
    assert ptrace_forbidden() is None


@pytest.mark.parametrize(
    ("scope", "status", "reason", "step"),
    [
        ("2\n", "Seccomp:\t2\n", "ptrace_scope is 2", "sysctl kernel.yama.ptrace_scope=1"),
        ("3\n", "Seccomp:\t0\n", "ptrace_scope is 3", "reboot"),
        ("1\n", "Seccomp:\t2\n", "seccomp", "--cap-add=SYS_PTRACE"),
        ("1\n", "Seccomp:\t0\n", "a security module", "without the tracer"),
        ("", "Seccomp:\t0\n", "a security module", "without the tracer"),
    ],
)
def test_each_reason_has_its_own_next_step(scope: str, status: str, reason: str, step: str) -> None:
    forbidden = explain(scope, status)
    assert reason in forbidden.reason
    assert step in forbidden.next_step
