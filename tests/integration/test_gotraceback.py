"""Go's reports of real crashes, in every wording of Go 1.21 to 1.27."""

import itertools
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_cgosafe.crash.gotraceback import GoReport, ReportKind, parse_go_traceback
from pytest_cgosafe.crash.naming import user_frames
from pytest_cgosafe.crossings.cgocheck import crossing_from_report
from pytest_cgosafe.results import Crossing, CrossingKind, Frame, Gap, Language, Origin, StackKind

Build = Callable[..., Path]
SOURCE = Path(__file__).parents[1] / "programs" / "goreports" / "main.go"
VERSIONS = ("go1.21.13", "go1.24.11", "go1.26.8", "go1.27.3")
TELLS_KIND = VERSIONS[2:]
NIL = "runtime error: invalid memory address or nil pointer dereference"
RANGE = "runtime error: index out of range [{}] with length 0"
PANIC, FATAL, SIGNAL = ReportKind.PANIC, ReportKind.FATAL, ReportKind.SIGNAL


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def die(program: Build, version: str, death: str, level: str = "all", **env: str) -> str:
    """What the program prints on its way; it leaves no core."""
    binary = program("goreports", "-gcflags=all=-N -l", GOTOOLCHAIN=version, **env)
    ended = subprocess.run(
        ["prlimit", "--core=0", binary, death],
        capture_output=True,
        text=True,
        env={**os.environ, "GOTRACEBACK": level},
        check=False,
    )
    assert ended.returncode == (-6 if level == "crash" else 2)
    return ended.stderr


def report_of(text: str) -> GoReport:
    report = parse_go_traceback(text)
    assert report
    return report


def dead_frames(report: GoReport) -> list[Frame]:
    assert report.dead
    return list(user_frames(report.dead.backtrace.frames))


def functions(report: GoReport) -> list[str | None]:
    return [frame.function for frame in dead_frames(report)]


@pytest.mark.parametrize("level", ["single", "system"])
@pytest.mark.parametrize(
    ("death", "kind", "messages", "calls"),
    [
        (
            "index",
            PANIC,
            (RANGE.format(5),),
            ["main.(*list[...]).at", "main.outOfRange", "main.main"],
        ),
        ("nil", PANIC, (NIL,), ["main.(*reader).load", "main.nilPointer", "main.main"]),
        ("map", PANIC, ("assignment to entry in nil map",), ["main.nilMap", "main.main"]),
        ("error", PANIC, ("disk on fire",), ["main.errorValue", "main.main"]),
        ("custom", PANIC, ('main.code("E42")',), ["main.custom", "main.main"]),
        ("repanic", PANIC, ("once",), ["main.repanic.func1", "main.repanic", "main.main"]),
        (
            "nested",
            PANIC,
            ("the first", "while cleaning up"),
            ["main.nested.func1", "main.nested", "main.main"],
        ),
        (
            "multiline",
            PANIC,
            ("first line\nsecond line\n\ngoroutine 7 [running]:",),
            ["main.multiline", "main.main"],
        ),
        ("unlock", FATAL, ("sync: unlock of unlocked mutex",), ["main.unlock", "main.main"]),
        ("fault", FATAL, ("fault",), ["main.fault", "main.main"]),
        (
            "callback",
            PANIC,
            ("from callback at 3",),
            ["main.goCallback", "main.callback", "main.main"],
        ),
    ],
)
def test_a_death_is_read_with_its_message_and_calls(
    program: Build,
    version: str,
    level: str,
    death: str,
    kind: ReportKind,
    messages: tuple[str, ...],
    calls: list[str],
) -> None:
    report = report_of(die(program, version, death, level))
    assert (report.kind, report.messages) == (kind, messages)
    assert functions(report) == calls
    assert {frame.file for frame in dead_frames(report)} == {str(SOURCE)}
    assert all(frame.line for frame in dead_frames(report))


@pytest.mark.parametrize("level", ["single", "crash"])
def test_a_signal_in_c_is_read_with_registers_and_the_go_side_of_the_call(
    program: Build, version: str, level: str
) -> None:
    report = report_of(die(program, version, "c", level))
    assert (report.kind, report.messages, report.in_c) == (
        SIGNAL,
        ("segmentation violation",),
        True,
    )
    assert report.signal
    assert (report.signal.name, report.signal.code) == ("SIGSEGV", 1)
    assert report.signal.address == (
        None if version == "go1.21.13" else 0x10
    )  # not printed before 1.22
    assert functions(report) == ["main.inC", "main.main"]
    assert [register.name for register in report.registers][:3] == ["rax", "rbx", "rcx"]
    assert "eflags" in [register.name for register in report.registers]


def test_an_abort_was_sent_and_has_no_address(program: Build, version: str) -> None:
    report = report_of(die(program, version, "abort"))
    assert report.signal
    assert (report.signal.name, report.signal.code, report.signal.address) == ("SIGABRT", -6, None)


def test_frames_of_a_system_traceback_have_their_place_on_the_stack(
    program: Build, version: str
) -> None:
    report = report_of(die(program, version, "index", "system"))
    frames = dead_frames(report)
    assert {(frame.language, frame.stack) for frame in frames} == {
        (Language.GO, StackKind.GOROUTINE)
    }
    for inner, outer in itertools.pairwise(frames):
        assert inner.sp is not None
        assert inner.size is not None
        assert inner.sp + inner.size == outer.sp


def test_the_goroutine_that_died_knows_who_created_it(program: Build, version: str) -> None:
    dead = report_of(die(program, version, "goroutine")).dead
    assert dead
    created = dead.backtrace.created_by
    assert created
    assert (created.function, created.file, created.goroutine) == (
        "main.inGoroutine",
        str(SOURCE),
        1,
    )


def test_goroutines_that_wait_are_read_with_their_states(program: Build, version: str) -> None:
    report = report_of(die(program, version, "others"))
    waiting = [trace.state for trace in report.goroutines if trace is not report.dead]
    assert sorted(waiting) == ["chan receive"] * 5 + ["sync.Mutex.Lock"]


def test_a_locked_goroutine_says_so(program: Build, version: str) -> None:
    dead = report_of(die(program, version, "locked")).dead
    assert dead
    assert (dead.state, dead.locked) == ("running", True)


def test_frames_that_go_left_out_are_counted(program: Build, version: str) -> None:
    report = report_of(die(program, version, "deep"))
    assert report.dead
    trace = report.dead.backtrace
    (gap,) = trace.gaps
    assert isinstance(gap, Gap)
    assert gap.elided is not None
    assert len(trace.frames) + gap.elided == 303  # recurse 300..0, deep, main


def test_a_goroutine_stack_overflow_keeps_what_the_runtime_said_before(
    program: Build, version: str
) -> None:
    report = report_of(die(program, version, "overflow"))
    assert (report.kind, report.message) == (FATAL, "stack overflow")
    assert report.details[0] == "runtime: goroutine stack exceeds 1000000000-byte limit"
    assert report.goroutines[0].state == "runtime stack"
    assert report.dead
    assert report.dead.id == 1
    assert functions(report)[0] == "main.forever"


def test_a_report_without_tracebacks_still_has_its_message_and_signal(
    program: Build, version: str
) -> None:
    report = report_of(die(program, version, "nil", "none"))
    assert (report.kind, report.messages, report.dead) == (PANIC, (NIL,), None)
    assert report.signal
    assert (report.signal.name, report.signal.address) == ("SIGSEGV", 0)


# Crossings


def crossing_of(
    program: Build, version: str, death: str, level: str = "all", **env: str
) -> Crossing:
    crossing = crossing_from_report(report_of(die(program, version, death, level, **env)))
    assert crossing
    assert crossing.origin is Origin.CGOCHECK
    assert crossing.file == str(SOURCE)
    return crossing


def line_with(text: str) -> int:
    return next(
        n for n, line in enumerate(SOURCE.read_text().splitlines(), start=1) if text in line
    )


def test_a_refused_argument_is_a_crossing_at_the_call(program: Build, version: str) -> None:
    crossing = crossing_of(program, version, "cgo-pointer")
    assert (crossing.kind, crossing.c_function) == (CrossingKind.POINTER, "sum_holder")
    assert crossing.line == line_with("C.sum_holder(h)")


def test_a_refused_map_is_named_since_go_says_so(program: Build, version: str) -> None:
    crossing = crossing_of(program, version, "cgo-map-address")
    known = version in TELLS_KIND
    assert crossing.kind is (CrossingKind.MAP if known else CrossingKind.POINTER)
    assert ("doesn't say which kind" in crossing.message) is not known
    assert "docs/crossings.md#" in crossing.fix
    assert crossing.line == line_with("unsafe.Pointer(&m)")


def test_a_refused_result_names_the_exported_function(program: Build, version: str) -> None:
    crossing = crossing_of(program, version, "cgo-result", "system")
    assert crossing.c_function == "take_result"
    assert "goResult" in crossing.message
    assert crossing.line == line_with("C.take_result()")


def test_a_pointer_written_to_c_memory_is_a_crossing_under_cgocheck2(
    program: Build, version: str
) -> None:
    crossing = crossing_of(program, version, "cgo-write", GOEXPERIMENT="cgocheck2")
    assert (crossing.kind, crossing.c_function) == (CrossingKind.POINTER, None)
    assert re.search(r"write of unpinned Go pointer 0x\w+ to non-Go memory 0x\w+", crossing.message)
    assert crossing.line == line_with("*p = unsafe.Pointer")


@pytest.mark.parametrize("death", ["nil", "custom", "unlock", "c"])
def test_other_deaths_are_no_crossings(program: Build, version: str, death: str) -> None:
    assert crossing_from_report(report_of(die(program, version, death))) is None
