"""Who made a peak: chains read back from dead stacks, against programs whose way down is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_cgosafe.crash.folding import describe_chain
from pytest_cgosafe.results import Binary, Call, CallChain, RunResult, ThreadStack
from pytest_cgosafe.run import run_watched

Build = Callable[..., Path]

DEBUG = {"CGO_CFLAGS": "-g -O0 -fno-omit-frame-pointer"}
RELEASE = {"CGO_CFLAGS": "-g -O2"}
C_FLAGS = [
    ("-O0",),
    ("-O2",),
    ("-O2", "-fno-omit-frame-pointer"),
    ("-O1", "-static"),
    ("-O0", "-no-pie", "-fno-plt"),
]


def watched(program: Path, *args: str, timeout: float = 60.0) -> RunResult:
    binary = Binary(path=program, package=str(program), profile=None, directory=program.parent)
    return run_watched(binary, args, timeout=timeout)


def deepest(run: RunResult) -> ThreadStack:
    return max(run.stacks, key=lambda stack: stack.peak or 0)


def chain_of(program: Path, *args: str) -> CallChain:
    run = watched(program, *args)
    own = run.stacks[1:] if program.name == "plain" and "main" not in args else run.stacks
    stack = max(own, key=lambda stack: stack.peak or 0)
    assert stack.chain is not None, stack
    assert stack.peak is not None
    used = sum((call.size or 0) * call.count for call in stack.chain.calls)
    assert used <= stack.peak, stack.chain
    return stack.chain


def calls_of(chain: CallChain, *names: str) -> list[tuple[str, int]]:
    """Function and count of the calls with these names, or of all."""
    return [
        (call.function, call.count) for call in chain.calls if not names or call.function in names
    ]


@pytest.fixture(params=C_FLAGS, ids=" ".join)
def plain(request: pytest.FixtureRequest, c_program: Build) -> Path:
    return c_program("attribution/plain", *request.param)


@pytest.mark.parametrize("levels", [60, 20_000])
def test_a_recursion_is_counted_to_the_level(plain: Path, levels: int) -> None:
    chain = chain_of(plain, "recursion", str(levels))
    assert calls_of(chain, "recurse") == [("recurse", levels)]
    assert chain.calls[-1].function == "thread"


def test_functions_that_call_each_other_are_told_as_rounds(plain: Path) -> None:
    chain = chain_of(plain, "mutual", "300")
    assert calls_of(chain, "odd <- even") == [("odd <- even", 150)]


def test_a_frame_of_variable_size_is_one_call_of_its_own(plain: Path) -> None:
    chain = chain_of(plain, "alloca", "100")
    assert calls_of(chain, "recurse", "wide") == [("recurse", 99), ("wide", 1)]
    (wide,) = (call for call in chain.calls if call.function == "wide")
    assert wide.size is not None
    assert 100_000 <= wide.size < 100_300


def test_a_call_through_a_pointer_is_followed(plain: Path) -> None:
    chain = chain_of(plain, "pointer", "100")
    assert calls_of(chain, "recurse", "through") == [("recurse", 100), ("through", 1)]


def test_what_a_signal_interrupted_is_on_the_chain(plain: Path) -> None:
    chain = chain_of(plain, "signal", "100")
    names = ("recurse", "<signal handler called>", "raise", "interrupted")
    assert [name for name, _ in calls_of(chain, *names)] == list(names)
    assert ("recurse", 100) in calls_of(chain)


def test_frames_that_longjmp_left_behind_are_on_the_chain(plain: Path) -> None:
    chain = chain_of(plain, "longjmp", "100")
    assert calls_of(chain, "jumps", "jumped") == [("jumps", 100), ("jumped", 1)]


def test_a_callback_of_the_c_library_is_on_the_chain(plain: Path) -> None:
    chain = chain_of(plain, "qsort", "100")
    names = [name for name, _ in calls_of(chain, "recurse", "compare", "sort")]
    assert names == ["recurse", "compare", "sort"]


def test_functions_of_the_c_library_are_named_where_it_names_them(plain: Path) -> None:
    chain = chain_of(plain, "printf", "3")
    names = [name for name, _ in calls_of(chain, "snprintf", "prints")]
    assert names == ["snprintf", "prints"]


@pytest.mark.parametrize("flags", [("-O0",), ("-O1", "-static")], ids=" ".join)
def test_a_later_call_that_would_look_the_same_is_a_doubt(
    c_program: Build, flags: tuple[str, ...]
) -> None:
    chain = chain_of(c_program("attribution/plain", *flags), "twice", "300")
    assert calls_of(chain, "recurse") == [("recurse", 300)]
    assert chain.doubt is not None
    assert "may be first: a later, shallower call of recurse would look the same" in chain.doubt


def test_what_the_main_thread_lost_of_a_chain_is_a_doubt(plain: Path) -> None:
    chain = chain_of(plain, "recursion", "300", "main")
    ((name, count),) = calls_of(chain, "recurse")
    assert 250 <= count <= 300, name
    assert count == 300 or chain.doubt


@pytest.mark.parametrize("mode", ["main", "thread", "ended", "busy"])
@pytest.mark.parametrize("flags", [DEBUG, RELEASE], ids=["debug", "release"])
def test_a_peak_in_cgo_is_traced_to_the_go_function(
    program: Build, mode: str, flags: dict[str, str]
) -> None:
    gcflags = ("-gcflags=all=-N -l",) if flags is DEBUG else ()
    chain = chain_of(program("attribution/deep", *gcflags, **flags), mode, "500")
    assert calls_of(chain, "fill", "deep", "outer") == [("fill", 1), ("deep", 500), ("outer", 1)]
    # An optimising compiler inlines `start` into its caller.
    last = chain.calls[-1].function
    assert last == "main.start" if flags is DEBUG else last.startswith("main.main")


@pytest.mark.parametrize("version", ["go1.21.13", "go1.27.3"])
def test_the_oldest_and_the_newest_go_are_understood(program: Build, version: str) -> None:
    built = program("attribution/deep", "-gcflags=all=-N -l", GOTOOLCHAIN=version, **DEBUG)
    chain = chain_of(built, "main", "500")
    assert calls_of(chain, "deep", "outer", "main.start") == [
        ("deep", 500),
        ("outer", 1),
        ("main.start", 1),
    ]


@pytest.mark.parametrize("flags", [("-buildmode=pie",), ("-ldflags=-w",)], ids=" ".join)
def test_neither_a_load_bias_nor_missing_dwarf_is_in_the_way(
    program: Build, flags: tuple[str, ...]
) -> None:
    chain = chain_of(program("attribution/deep", *flags, **RELEASE), "main", "500")
    assert calls_of(chain, "deep", "outer") == [("deep", 500), ("outer", 1)]


def test_a_stripped_program_has_a_chain_without_names_or_none(program: Build) -> None:
    built = program("attribution/deep", "-ldflags=-s -w", **RELEASE)
    stack = deepest(watched(built, "main", "500"))
    named = [call.function for call in stack.chain.calls] if stack.chain else []
    assert [name for name in named if not name.startswith("deep+0x") and "+0x" not in name] == []


def test_calls_that_are_still_active_at_the_timeout_are_told_with_their_go_callers(
    program: Build,
) -> None:
    built = program("attribution/deep", "-gcflags=all=-N -l", **DEBUG)
    run = watched(built, "blocked", "200", timeout=4.0)
    assert run.exit.timed_out
    chain = deepest(run).chain
    assert chain is not None
    assert calls_of(chain, "blocks", "main.block") == [("blocks", 200), ("main.block", 1)]
    assert chain.doubt is None


def test_a_chain_is_a_sentence_with_its_doubt() -> None:
    calls = (
        Call("memset", 1, 8),
        Call("libc.so.6+0x5c400", 1, 100),
        Call("libc.so.6+0x7e6b0", 1, 100),
        Call("parse", 45_870, 160),
        Call("odd <- even", 20, None),
        Call("main.load", 1, None),
    )
    assert list(describe_chain(CallChain(calls, "who knows"))) == [
        "peak made by memset <- 2 functions of libc.so.6 <- parse x 45,870 (160 B each) "
        "<- (odd <- even) x 20 <- main.load",
        "not sure: who knows",
    ]


def test_a_long_chain_is_shown_by_its_ends() -> None:
    calls = tuple(Call(f"f{number}", 1, 16) for number in range(20))
    (sentence,) = describe_chain(CallChain(calls, None))
    assert sentence == "peak made by f0 <- f1 <- f2 <- f3 <- f4 <- f5 <- ... 13 more <- f19"
