"""The known-bad programs, each caught, and how. What their reports look like: see bad/test_bad.py."""

from pathlib import Path

import pytest

from pytest_cgosafe import CrashError

KIB = 1024


def nested(levels):
    return ".".join(["k"] * levels) + "=1\n"


def functions(crash, *names):
    """Those of `names` that are on the backtrace, innermost first."""
    return [frame.function for frame in crash.backtrace.frames if frame.function in names]


def test_maps_that_reach_c_are_found_in_source(cgosafe):
    """Nothing has to run for these two. What C keeps after a call, no look at Go source can tell."""
    found = [(Path(c.file).parent.name, c.kind, c.rule) for c in cgosafe.vet("./bad/...")]
    assert found == [("castmap", "map", "CGS001"), ("integermap", "map", "CGS002")]


def test_a_cast_map_is_caught_by_cgocheck(cgosafe):
    """The debug profile builds with cgocheck2; the runtime panics before C is called at all."""
    with pytest.raises(CrashError) as caught:
        cgosafe.run("./bad/castmap")
    [crossing] = caught.value.result.crossings
    assert (crossing.origin, crossing.c_function) == ("cgocheck", "sum_table")
    assert crossing.kind in ("map", "pointer")  # Go says that it is a map from 1.26 on
    assert crossing.file.endswith("bad/castmap/main.go")


def test_an_integer_map_is_caught_by_its_crash(cgosafe):
    """No check of Go's own, before the run or during it, sees a pointer that has become an integer.

    When it runs, it crashes: C takes the map's random hash seed for the address of an array.
    """
    crash = cgosafe.expect_crash("./bad/integermap", signal="SIGSEGV")
    assert functions(crash, "sum_at", "main.sum", "main.main") == [
        "sum_at",
        "main.sum",
        "main.main",
    ]


def test_a_kept_pointer_is_caught_by_its_crash(cgosafe):
    """The first callback reads 12.5, as a test without a garbage collection would. The second crashes in C."""
    crash = cgosafe.expect_crash("./bad/keptpointer", signal="SIGSEGV")
    assert crash.address == 0
    assert functions(crash, "report_latest", "tick", "main.main") == [
        "report_latest",
        "tick",
        "main.main",
    ]


def test_deep_recursion_is_caught_by_its_peak(cgosafe):
    """1,000 levels run well on this machine. On Alpine a thread that is not the main one would not survive them."""
    run = cgosafe.run("./bad/deepkeys", stdin=nested(1_000))
    assert run.stdout == "depth 1000, value 1\n"
    deepest = max(run.stacks, key=lambda stack: stack.peak or 0)
    assert 128 * KIB < deepest.peak < 512 * KIB
    assert deepest.headroom_within(128 * KIB) == 0


def test_an_overflow_tells_function_and_depth(cgosafe):
    crash = cgosafe.expect_crash(
        "./bad/deepkeys", stdin=nested(100_000), signal="SIGSEGV", cause="stack overflow"
    )
    assert crash.recursion.functions == ("key_depth",)
    assert crash.recursion.levels > 30_000


def test_the_claim_of_8_kib_and_56_levels_beside_what_is_measured(cgosafe):
    """ "cgo has 8 KB of stack, 144 bytes a level, so 56 nested maps overflow it": all three numbers are wrong."""
    here, alpine = (
        cgosafe.depth_model(
            "./bad/deepkeys",
            depths=[200, 500, 1_000],
            args=lambda _: [],
            stdin=nested,
            limit=limit,
            min_headroom=0,
            prove=True,
        )
        for limit in ("8MiB", "musl")
    )
    assert here.linear
    assert here.bytes_per_level > 160
    assert here.safe_depth > 30_000
    assert 400 < alpine.safe_depth < 800
    for model in (here, alpine):
        assert model.proof.survived
        assert model.proof.overflowed
