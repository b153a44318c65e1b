"""Which of all the faults and panics of a run were its death: told by real programs, real ptrace and real gdb."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pytest_cgosafe.crash.naming import user_frames
from pytest_cgosafe.results import Binary, Crash, RunResult
from pytest_cgosafe.run import run_watched

Build = Callable[..., Path]
NIL = "panic: runtime error: invalid memory address or nil pointer dereference"


def run(program: Build, what: str, *flags: str, name: str = "survivors") -> RunResult:
    path = program(name, *(flags or ("-gcflags=all=-N -l",)), CGO_CFLAGS="-g -O0")
    return run_watched(Binary(path, name, None, path.parent), (what,))


def crash_of(result: RunResult) -> Crash:
    assert result.crash, f"no crash: {result.exit}, {result.notes}"
    return result.crash


def functions(crash: Crash) -> list[str | None]:
    return [frame.function for frame in user_frames(crash.backtrace.frames)]


@pytest.mark.parametrize(
    ("life", "code"),
    [
        ("recover-nil", 0),
        ("recover-callback", 0),
        ("recover-callbacks", 0),
        ("recover-then-exit-2", 2),
        ("fault-on-purpose", 0),
        ("many-recovered", 0),
        ("longjmp", 0),
        ("longjmp-1000", 0),
        ("longjmp-then-exit-2", 2),
        ("notified", 0),
        ("child-crashes", 2),
    ],
)
def test_what_a_program_survives_is_no_crash(program: Build, life: str, code: int) -> None:
    result = run(program, life)
    assert (result.exit.code, result.exit.signal) == (code, None)
    assert result.crash is None


@pytest.mark.parametrize(
    ("death", "signal", "calls"),
    [
        (
            "longjmp-then-fault",
            "SIGSEGV",
            ["poke_elsewhere", "die_later", "main.longjmpThenFault", "main.main"],
        ),
        ("handler-exits", "SIGSEGV", ["poke", "handled_by", "main.handlerExits", "main.main"]),
        (
            "handler-exits-deep",
            "SIGSEGV",
            ["poke", "handled_by", "main.handlerExitsDeep", "main.main"],
        ),
        ("handler-aborts", "SIGSEGV", ["poke", "handled_by", "main.handlerAborts", "main.main"]),
        ("handler-raises", "SIGSEGV", ["poke", "handled_by", "main.handlerRaises", "main.main"]),
        ("handler-resets", "SIGSEGV", ["poke", "handled_by", "main.handlerResets", "main.main"]),
        ("c-thread-fault", "SIGSEGV", ["poke", "fault"]),
    ],
)
def test_a_death_in_c_shows_the_fault_and_not_what_handled_it(
    program: Build, death: str, signal: str, calls: Sequence[str]
) -> None:
    crash = crash_of(run(program, death))
    assert crash.signal == signal
    assert functions(crash) == calls


def test_a_fault_that_left_no_room_for_its_handler_is_the_one_that_is_told(program: Build) -> None:
    crash = crash_of(run(program, "c-thread-overflow"))
    assert (crash.signal, crash.code) == ("SIGSEGV", "SEGV_ACCERR")
    assert crash.cause
    assert crash.cause.startswith("stack overflow in `overflow` on the thread stack of thread ")


@pytest.mark.parametrize(
    ("death", "signal", "cause", "calls"),
    [
        (
            "callback-nil",
            "SIGSEGV",
            NIL,
            ["main.load", "main.goNil", "call_go_nil", "main.callbackNil", "main.main"],
        ),
        (
            "callback-nil-moved",
            "SIGSEGV",
            NIL,
            ["main.load", "main.goNil", "call_go_nil", "main.callbackNilMoved", "main.main"],
        ),
        (
            "callback-nil-storm",
            "SIGSEGV",
            NIL,
            [
                "main.load",
                "main.goNil",
                "call_go_nil_in_a_storm",
                "main.callbackNilStorm",
                "main.main",
            ],
        ),
        (
            "recover-nils-then-die",
            "SIGSEGV",
            NIL,
            [
                "main.store",
                "main.goNilElsewhere",
                "call_go_nil_elsewhere",
                "main.recoverNilsThenDie",
                "main.main",
            ],
        ),
        ("c-thread-panic", None, "panic: in a callback, 1", ["main.goPanic", "enter_go"]),
        ("recover-then-panic", None, "panic: outside", ["main.recoverThenPanic", "main.main"]),
        (
            "recover-callbacks-then-die",
            "SIGSEGV",
            NIL,
            ["main.load", "main.goNil", "call_go_nil", "main.recoverCallbacksThenDie", "main.main"],
        ),
    ],
)
def test_a_panic_shows_the_c_frames_between_it_and_its_goroutine(
    program: Build,
    death: str,
    signal: str | None,
    cause: str,
    calls: Sequence[str],
) -> None:
    crash = crash_of(run(program, death))
    assert (crash.signal, crash.cause) == (signal, cause)
    assert functions(crash) == calls


def test_a_signal_that_is_long_over_is_not_held_against_a_later_panic(program: Build) -> None:
    crash = crash_of(run(program, "stale", name="goreports"))
    assert (crash.signal, crash.code, crash.address) == (None, None, None)
    assert crash.cause == "panic: later, and by hand"


def test_a_quit_from_outside_is_no_crash(program: Build) -> None:
    result = run(program, "quit", name="goreports")
    assert (result.exit.code, result.crash) == (2, None)


def test_a_picture_of_an_earlier_fault_is_labelled(program: Build) -> None:
    crash = crash_of(run(program, "longjmp-then-same-fault"))
    assert functions(crash)[:1] == ["poke"]
    assert any("shown is an earlier one" in note for note in crash.notes)


@pytest.mark.parametrize("death", ["nil", "c", "unlock"])
def test_a_stripped_program_still_tells_what_it_died_of(program: Build, death: str) -> None:
    crash = crash_of(run(program, death, "-ldflags=-s -w", name="goreports"))
    expected = {
        "nil": ("SIGSEGV", "main.main"),
        "c": ("SIGSEGV", "main.main"),
        "unlock": (None, "main.main"),
    }
    assert (crash.signal, functions(crash)[-1]) == expected[death]
