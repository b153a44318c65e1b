from pathlib import Path

import pytest

from pytest_cgosafe.checks import Breach, check
from pytest_cgosafe.options import Limits
from pytest_cgosafe.results import (
    Binary,
    Call,
    CallChain,
    Crossing,
    CrossingKind,
    Exit,
    Origin,
    Profile,
    RunResult,
    ThreadStack,
)

MIB = 1 << 20


def run_with(*stacks: ThreadStack, notes: tuple[str, ...] = ()) -> RunResult:
    binary = Binary(Path("/b/x"), "./cmd/x", Profile.DEBUG, Path("/src/cmd/x"))
    return RunResult(binary, ("5",), Exit(0, None), 0.1, "", "", stacks, notes=notes)


def thread(
    peak: int | None, *, tid: int = 7, limit: int | None = 8 * MIB, main: bool = False
) -> ThreadStack:
    return ThreadStack(tid, "x", main, limit, peak)


def only(breaches: tuple[Breach, ...]) -> Breach:
    assert len(breaches) == 1
    return breaches[0]


def test_a_stack_within_its_limits_is_no_breach() -> None:
    assert check(Limits(), [run_with(thread(MIB))], []) == ()


def test_too_little_headroom_names_thread_measured_value_and_threshold() -> None:
    breach = only(check(Limits(), [run_with(thread(7 * MIB, tid=9745))], []))
    assert breach.summary == "stack: thread 9745 (x) kept 12.5% headroom, 25% wanted"
    assert breach.details[0] == "peak 7,340,032 of 8,388,608 bytes"
    assert breach.details[-1] == "see every thread: cgosafe run --profile=debug /src/cmd/x -- 5"


def test_a_breach_names_the_calls_that_made_the_peak_within_80_columns() -> None:
    calls = (Call("lexer_read_token", 1, 96), Call("parse", 45_870, 160), Call("parse_file", 1, 48))
    chain = CallChain(
        (*calls, Call("main.load", 1, None)),
        "the outer 2 frames were overwritten: told by the code and the room they took",
    )
    deep = ThreadStack(7, "x", False, 8 * MIB, 7 * MIB, chain=chain)
    breach = only(check(Limits(), [run_with(deep)], []))
    assert breach.details[1:5] == (
        "peak made by lexer_read_token <- parse x 45,870 (160 B each) <- parse_file <-",
        "  main.load",
        "not sure: the outer 2 frames were overwritten: told by the code and the room",
        "  they took",
    )


def test_the_thread_with_the_least_headroom_is_told_and_the_others_counted() -> None:
    breach = only(
        check(Limits(), [run_with(thread(7 * MIB), thread(8 * MIB, tid=8, main=True))], [])
    )
    assert "thread 8 (main) kept 0% headroom" in breach.summary
    assert "and 1 other thread likewise" in breach.details


def test_headroom_equal_to_the_wanted_one_is_enough() -> None:
    assert check(Limits(), [run_with(thread(6 * MIB))], []) == ()


def test_a_peak_above_max_c_stack_is_a_breach_of_its_own() -> None:
    limits = Limits().but({"max_c_stack": "64KiB"})
    assert check(limits, [run_with(thread(65536))], []) == ()
    breach = only(check(limits, [run_with(thread(65537))], []))
    assert breach.summary == "stack: thread 7 (x) peaked at 65,537 B, at most 65,536 B wanted"
    assert breach.details[0] == "peak 65,537 of 8,388,608 bytes"


def test_another_platforms_stack_limit_judges_the_same_peak() -> None:
    limits = Limits().but({"stack_limit": "musl"})
    breach = only(check(limits, [run_with(thread(120_000, limit=None, main=True))], []))
    assert breach.details[0] == "peak 120,000 of 131,072 bytes, the stack_limit"


def test_an_unlimited_stack_has_no_headroom_to_judge() -> None:
    assert check(Limits(), [run_with(thread(7 * MIB, limit=None))], []) == ()


@pytest.mark.parametrize(
    "asked", [{"max_c_stack": "1MiB"}, {"min_headroom": "25%"}, {"stack_limit": "musl"}]
)
def test_a_limit_that_somebody_asked_for_is_not_passed_unmeasured(asked: dict[str, str]) -> None:
    breach = only(check(Limits().but(asked), [run_with(notes=("ptrace is forbidden",))], []))
    assert breach.summary == f"stack: {next(iter(asked))} could not be checked"
    assert "ptrace is forbidden" in breach.details


def test_a_default_limit_that_cannot_be_measured_fails_nothing() -> None:
    assert check(Limits(), [run_with(notes=("ptrace is forbidden",))], []) == ()


def test_goroutine_stacks_that_were_not_measured_do_not_pass_a_limit() -> None:
    limits = Limits().but({"max_goroutine_stack": "1MiB"})
    assert only(check(limits, [run_with(thread(1))], [])).details == (
        "goroutine stacks were not measured",
    )


def crossing(kind: CrossingKind) -> Crossing:
    return Crossing(kind, Origin.CGOCHECK, "main.go", 32, "sum", "the message", "the fix")


def test_only_forbidden_kinds_of_crossing_are_breaches() -> None:
    found = [crossing(CrossingKind.MAP), crossing(CrossingKind.POINTER)]
    breach = only(check(Limits(), [], found))
    assert breach.summary.startswith("crossing: a Go map reaches C function `sum`")
    assert breach.details == ("main.go:32", "the message", "fix: the fix")
    assert len(check(Limits().but({"forbid": "all"}), [], found)) == 2
    assert check(Limits().but({"forbid": ()}), [], found) == ()


def test_the_same_crossing_met_twice_is_told_once() -> None:
    assert len(check(Limits(), [], [crossing(CrossingKind.MAP)] * 2)) == 1


def test_a_stack_that_passes_here_and_would_overflow_elsewhere_is_told_with_the_platform() -> None:
    limits = Limits().but({"stack_limit": "musl"})
    breach = only(check(limits, [run_with(thread(200_000))], []))
    assert breach.summary == "stack: thread 7 (x) kept 0% headroom, 25% wanted"
    assert breach.details[:2] == (
        "peak 200,000 of 131,072 bytes, the stack_limit",
        "passes here, would overflow the 128.0 KiB threads of musl (Alpine)",
    )


def test_a_stack_limit_of_no_known_platform_is_told_by_its_size() -> None:
    limits = Limits().but({"stack_limit": "100KiB"})
    breach = only(check(limits, [run_with(thread(200_000))], []))
    assert "passes here, would overflow 100.0 KiB threads" in breach.details


def test_the_main_threads_arguments_and_environment_do_not_count_elsewhere() -> None:
    main = ThreadStack(7, "x", True, 8 * MIB, 120_000, initial=30_000, used=90_000)
    assert check(Limits().but({"stack_limit": "musl"}), [run_with(main)], []) == ()
    breach = only(
        check(Limits().but({"stack_limit": "musl", "min_headroom": "50%"}), [run_with(main)], [])
    )
    assert breach.details[0] == "peak 90,000 of 131,072 bytes, the stack_limit"
    assert "that is the size of threads on musl (Alpine)" in breach.details
