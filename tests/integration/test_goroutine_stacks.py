"""Goroutines and their stacks, against what Go programs say of themselves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_cgosafe.results import Binary, GoroutineStack, GoroutineStacks, RunResult, Sample
from pytest_cgosafe.run import run_watched

if TYPE_CHECKING:
    from pytest_cgosafe.watch.sampler import LowHeadroom

KIB = 1024
DEBUG = "-gcflags=all=-N -l"
TOOLCHAINS = ("go1.21.13", "go1.26.8", "go1.27.3")
Build = Callable[..., Path]


class Releases:
    """Lets a program go on, which waits for a file, once a sample is as it should be."""

    def __init__(self, path: Path, wanted: Callable[[Sample], bool]) -> None:
        self._path = path
        self._wanted = wanted

    def sampled(self, sample: Sample) -> None:
        if self._wanted(sample):
            self._path.touch()

    def low(self, low: LowHeadroom) -> None:
        pass

    def ended(self) -> None:
        pass


def run(program: Path, *args: str, **options: object) -> RunResult:
    binary = Binary(program, program.name, None, program.parent)
    return run_watched(binary, args, **options)  # type: ignore[arg-type]


def measured(result: RunResult) -> tuple[GoroutineStacks, GoroutineStack]:
    assert not result.exit.timed_out
    assert result.goroutines, result
    assert result.goroutines.largest
    assert result.goroutines.largest.size == result.goroutines.peak_stack
    return result.goroutines, result.goroutines.largest


def within_its_power_of_two(peak: int, used: int) -> bool:
    """Whether a stack of `peak` bytes is one that grew by doubling until `used` bytes had room.

    What the program says is less than it uses: it calls on from its deepest level, and the runtime wants a reserve.
    """
    reserve = 4 * KIB
    return used < peak and peak // 2 < used + reserve


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("levels", ["10", "120", "1000", "12000"])
def test_the_peak_of_a_goroutine_that_is_gone_is_exact_where_growth_is_watched(
    program: Build, toolchain: str, levels: str
) -> None:
    result = run(program("goroutines", GOTOOLCHAIN=toolchain), "ends", levels, watch_growth=True)
    stacks, largest = measured(result)
    assert stacks.exact
    assert within_its_power_of_two(stacks.peak_stack, int(result.stdout)), (stacks, result.stdout)
    assert result.notes == ()
    if int(levels) > 100:
        assert largest.grown_by[0].function == "main.deep"
        assert largest.function
        assert largest.function.function == "main.main.func1"


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("flags", [(), (DEBUG,)], ids=["release", "debug"])
def test_a_goroutine_alive_at_the_end_is_told_with_what_it_uses(
    program: Build, toolchain: str, flags: tuple[str, ...]
) -> None:
    result = run(program("goroutines", *flags, GOTOOLCHAIN=toolchain), "waits", "3000")
    stacks, largest = measured(result)
    used = int(result.stdout)
    assert within_its_power_of_two(stacks.peak_stack, used)
    assert largest.used
    assert 0 <= largest.used - used < 2 * KIB
    assert largest.function
    assert largest.function.function == "main.main.func2"
    assert largest.created_by
    assert largest.created_by.function == "main.main"
    assert largest.created_by.goroutine == 1
    line = largest.created_by.line
    source = (Path(__file__).parent.parent / "programs" / "goroutines" / "main.go").read_text()
    assert line
    assert "waitAt(number(2), done, nil)" in source.splitlines()[line - 1]
    assert stacks.peak_count == 2


def test_a_position_independent_program_is_read_as_well(program: Build) -> None:
    result = run(program("goroutines", "-buildmode=pie"), "waits", "3000", watch_growth=True)
    stacks, largest = measured(result)
    assert within_its_power_of_two(stacks.peak_stack, int(result.stdout))
    assert largest.function
    assert largest.function.function == "main.main.func2"


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_goroutines_are_counted_as_go_counts_them(
    program: Build, tmp_path: Path, toolchain: str
) -> None:
    release = tmp_path / "release"
    result = run(
        program("goroutines", GOTOOLCHAIN=toolchain),
        "many",
        "3000",
        str(release),
        spectator=Releases(release, lambda sample: (sample.goroutines or 0) > 3000),
    )
    stacks, _ = measured(result)
    assert int(result.stdout) == 3001 == stacks.peak_count
    assert max(sample.goroutines or 0 for sample in result.samples) == 3001
    assert stacks.most_count
    assert 3001 <= stacks.most_count <= 3001 + 20


def test_a_stack_that_was_given_back_is_seen_by_looking_while_it_is_there(
    program: Build, tmp_path: Path
) -> None:
    release = tmp_path / "release"
    looks = 0

    def seen_often(sample: Sample) -> bool:
        nonlocal looks
        looks += (sample.goroutines or 0) == 2
        return looks > 3

    result = run(
        program("goroutines"),
        "grown",
        "5000",
        str(release),
        spectator=Releases(release, seen_often),
    )
    stacks, largest = measured(result)
    assert within_its_power_of_two(stacks.peak_stack, int(result.stdout))
    assert largest.created_by
    assert not stacks.exact
    assert stacks.looks > 3


def test_goroutines_without_a_stack_do_not_hide_those_after_them(program: Build) -> None:
    result = run(program("goroutines"), "freed", "3000", "3000")
    stacks, largest = measured(result)
    assert within_its_power_of_two(stacks.peak_stack, int(result.stdout))
    assert stacks.most_count
    assert stacks.most_count > 3000
    assert largest.used
    assert largest.used >= int(result.stdout)


def test_the_goroutine_of_a_thread_that_c_made_is_measured(program: Build) -> None:
    result = run(program("goroutines"), "thread", "700", watch_growth=True)
    stacks, largest = measured(result)
    assert within_its_power_of_two(stacks.peak_stack, int(result.stdout))
    assert largest.created_by is None
    assert largest.grown_by[0].function == "main.deep"


def test_a_thread_of_c_that_never_calls_go_is_no_goroutine(program: Build) -> None:
    stacks, largest = measured(run(program("goroutines"), "limit", "1000000"))
    assert largest.goroutine == 1
    assert stacks.peak_count == 1


def test_the_limit_is_what_the_program_set(program: Build) -> None:
    stacks, _ = measured(run(program("goroutines"), "limit", "2000000"))
    assert stacks.limit == 2_000_000


def test_the_limit_is_gos_own_where_the_program_sets_none(program: Build) -> None:
    stacks, _ = measured(run(program("goroutines"), "ends", "10"))
    assert stacks.limit == 1_000_000_000


def test_an_overflowing_goroutine_reached_the_last_size_under_the_limit(program: Build) -> None:
    result = run(program("goroutines"), "limit", "200000", "100000", watch_growth=True)
    stacks, largest = measured(result)
    assert result.crash
    assert "stack overflow" in result.crash.cause
    assert stacks.peak_stack == 128 * KIB
    assert stacks.limit == 200_000
    assert largest.goroutine == 1
    assert largest.grown_by[0].function == "main.deep"


def test_so_many_growths_are_let_go_and_told(program: Build) -> None:
    result = run(program("goroutines"), "each", "6000", "60", watch_growth=True)
    stacks, _ = measured(result)
    assert result.exit.code == 0
    assert not stacks.exact
    assert [note for note in result.notes if "growths were watched" in note]
    assert within_its_power_of_two(stacks.peak_stack, int(result.stdout))


def test_a_stripped_program_has_no_goroutines_to_tell_of(program: Build) -> None:
    result = run(program("goroutines", "-ldflags=-s -w"), "ends", "10", watch_growth=True)
    assert result.exit.code == 0
    assert result.goroutines is None
    assert [note for note in result.notes if "goroutine" in note]


def test_a_c_program_has_no_goroutines(c_program: Build) -> None:
    result = run(c_program("watch/depths", "-O0"), "main", "100", watch_growth=True)
    assert result.goroutines is None
    assert result.samples[-1].goroutines is None
    assert result.notes == ()


def test_a_go_library_that_another_program_loads_is_found(program: Build) -> None:
    library = program("watch/library", "-buildmode=c-shared")
    load = f"import ctypes; ctypes.CDLL({str(library)!r}).Panic()"
    result = run(Path(sys.executable), "-c", load, watch_growth=True)
    stacks, _ = measured(result)
    assert result.exit.code == 0
    assert stacks.peak_count >= 1
    assert stacks.limit == 1_000_000_000
