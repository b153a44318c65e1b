"""Peaks and limits of thread stacks, against what C code says of itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.watching import plain, run

KIB = 1024
Build = Callable[..., Path]


def assert_true_peaks(program: Path, *args: str) -> list[int | None]:
    """Compare the peak of every thread with what the thread says; returns the limits."""
    watched = run(program, *args)
    assert watched.exit.code == 0, watched
    stacks = {stack.tid: stack for stack in watched.stacks}
    assert len(stacks) == len(watched.stacks)
    lines = [line.split() for line in watched.stdout.splitlines()]
    assert lines
    limits = []
    for name, tid, used in lines:
        stack = stacks[int(tid)]
        limits.append(stack.limit)
        assert stack.peak is not None, (name, stack)
        assert 0 <= stack.peak - int(used) <= 512, (name, stack, used)
    return limits


@pytest.mark.parametrize("flags", [("-O0",), ("-O2",), ("-O2", "-static")], ids=" ".join)
@pytest.mark.parametrize("depth", ["300", "1000", "30000"])
@pytest.mark.parametrize("mode", ["main", "default", "unguarded", "detached"])
def test_a_peak_is_what_the_recursion_says(
    c_program: Build, flags: tuple[str, ...], mode: str, depth: str
) -> None:
    limits = assert_true_peaks(c_program("watch/depths", *flags), mode, depth)
    assert limits == [8192 * KIB]


@pytest.mark.parametrize("size", [64 * KIB, 1024 * KIB, 64 * 1024 * KIB])
def test_a_stack_size_that_the_program_asked_for_is_the_limit(c_program: Build, size: int) -> None:
    limits = assert_true_peaks(c_program("watch/depths", "-O0"), "sized", "250", str(size))
    assert limits == [size]


@pytest.mark.parametrize("mode", ["static", "malloc"])
def test_memory_that_the_program_lends_as_a_stack_is_measured(c_program: Build, mode: str) -> None:
    limits = assert_true_peaks(c_program("watch/depths", "-O0"), mode, "1000")
    assert limits == [256 * KIB]


def test_two_hundred_short_threads_on_the_same_memory_have_true_peaks(c_program: Build) -> None:
    assert len(assert_true_peaks(c_program("watch/depths", "-O0"), "many", "60")) == 200


@pytest.mark.parametrize("flags", [("-O0",), ("-O2", "-static")], ids=" ".join)
def test_a_shallow_thread_on_a_used_stack_has_a_peak_of_its_own(
    c_program: Build, flags: tuple[str, ...]
) -> None:
    watched = run(c_program("watch/depths", *flags), "reused", "1000")
    _, deep, shallow = watched.stacks
    assert deep.note is None
    assert shallow.note is None
    assert deep.peak is not None
    assert shallow.peak is not None
    (_, _, used) = watched.stdout.splitlines()[1].split()
    # Below the five levels of its recursion it formats its line.
    assert 0 <= shallow.peak - int(used) <= 1536
    assert deep.peak > 100 * KIB


def test_a_shallow_thread_on_used_memory_of_the_program_has_a_bound_that_says_so(
    c_program: Build,
) -> None:
    watched = run(c_program("watch/depths", "-O0"), "lent", "1000")
    _, deep, shallow = watched.stacks
    assert deep.note is None
    assert shallow.note is not None
    assert shallow.note.startswith("at most")
    assert deep.peak is not None
    assert shallow.peak is not None
    assert shallow.peak <= deep.peak


def test_the_limit_of_the_main_thread_is_its_rlimit(c_program: Build) -> None:
    watched = run(
        "/bin/sh", "-c", f"ulimit -s 1024; exec {c_program('watch/depths', '-O0')} main 100"
    )
    assert watched.stacks[0].limit == 1024 * KIB
    assert watched.stacks[0].main


def test_an_unlimited_stack_has_no_limit_and_a_note(c_program: Build) -> None:
    watched = run(
        "/bin/sh", "-c", f"ulimit -s unlimited; exec {c_program('watch/depths', '-O0')} main 100"
    )
    assert watched.stacks[0].limit is None
    assert watched.stacks[0].headroom is None
    assert watched.stacks[0].note == "RLIMIT_STACK is unlimited"


def test_an_overflowing_thread_has_no_headroom(c_program: Build) -> None:
    watched = run(c_program("watch/depths", "-O0"), "default", "100000000")
    assert watched.exit.signal == "SIGSEGV"
    least = min(stack.headroom for stack in watched.stacks if stack.headroom is not None)
    assert least < 0.001


def test_every_thread_that_go_locks_and_ends_is_measured(program: Build) -> None:
    watched = run(program("watch/threads"), "40", "500")
    stacks = {stack.tid: stack for stack in watched.stacks}
    for tid, used in (map(int, line.split()) for line in watched.stdout.splitlines()):
        peak = stacks[tid].peak
        assert peak is not None
        # Above the recursion lie the thread's own data and the way from Go to C.
        assert used < peak < used + 16 * KIB, (stacks[tid], used)
        assert stacks[tid].limit == 8192 * KIB


def test_the_program_behaves_as_if_unwatched(c_program: Build) -> None:
    program = c_program("watch/depths", "-O0")
    names = [
        line.split()[::2] for line in plain(program, "many", "10").stdout.decode().splitlines()
    ]
    assert [line.split()[::2] for line in run(program, "many", "10").stdout.splitlines()] == names


def test_every_thread_of_a_program_that_ends_at_once_has_a_peak(program: Build) -> None:
    ends = program("watch/ends")
    stacks = [stack for _ in range(30) for stack in run(ends).stacks]
    assert [stack for stack in stacks if stack.peak is None or not stack.name] == []
    assert not any((stack.note or "").startswith("at least") for stack in stacks)


def test_the_peak_is_the_one_that_massif_finds(c_program: Build, tmp_path: Path) -> None:
    program, arguments = c_program("watch/depths", "-O0"), ("default", "2000")
    watched = run(program, *arguments)
    (_, stack) = watched.stacks
    assert stack.peak is not None
    assert stack.used is not None
    (told,) = watched.stdout.splitlines()
    assert 0 <= stack.peak - int(told.split()[2]) <= 512
    if valgrind := shutil.which("valgrind"):
        out = tmp_path / "massif.out"
        options = ("--tool=massif", "--stacks=yes", "--heap=no", "--peak-inaccuracy=0.0")
        subprocess.run(
            (valgrind, *options, f"--massif-out-file={out}", program, *arguments),
            check=True,
            capture_output=True,
        )
        found = re.findall(r"^mem_stacks_B=(\d+)", out.read_text(), re.MULTILINE)
        # massif adds what the main thread uses meanwhile.
        assert abs(max(map(int, found)) - stack.used) <= KIB
