"""Puts together what a crash was: what the debugger saw, what Go itself said, and how the program ended."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_cgosafe.crash import siginfo
from pytest_cgosafe.crash.gotraceback import ReportKind, parse_go_traceback
from pytest_cgosafe.crash.naming import user_frames
from pytest_cgosafe.results import Backtrace, Crash, GoroutineGroup, Language
from pytest_cgosafe.watch.stops import SignalInfo, StopReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.crash.camera import Camera, Shot
    from pytest_cgosafe.crash.gotraceback import GoReport, GoroutineTrace
    from pytest_cgosafe.crash.picture import Picture
    from pytest_cgosafe.results import Exit

# The panics and fatal errors that `sigpanic` makes of a signal (signal_unix.go). Go names the goroutine's last signal
# in every later report too, so its word alone is not enough.
_MADE_OF_SIGNALS = (
    "runtime error: invalid memory address or nil pointer dereference",
    "runtime error: integer divide by zero",
    "runtime error: integer overflow",
    "runtime error: floating point error",
    "fault",
    "unexpected signal during runtime execution",
)


def assemble_crash(ending: Exit, stderr: str, camera: Camera | None = None) -> Crash | None:
    """What killed the program, or None when it was not killed by a fault, a panic or a fatal error.

    `camera` watched the run; without it, or where it could see nothing, the exit status and Go's own words decide.
    """
    report = parse_go_traceback(stderr)
    said = report is not None and ending.code == 2 and not _wished(report)
    shot = camera.crash_stop(ending, said=said) if camera else None
    seen = camera.went_down if camera else None
    if shot is None and not _crashed(
        ending, said if seen is None else seen and not _wished(report)
    ):
        return None
    if report and shot and not _speaks_of(report, shot):
        report, shot = (report, None) if seen is None and not ending.signal else (None, shot)
    return _assemble(ending, report, shot)


def crash_in_picture(picture: Picture) -> Crash:
    """The crash that a core file shows: all that is known is what the debugger saw."""
    signal = picture.signal
    name = signal.name if signal else None
    code, address = _code_and_address(signal)
    return Crash(
        signal=name,
        code=code,
        address=address,
        cause=picture.cause or _plain_cause(name, code, address, picture.backtrace),
        backtrace=picture.backtrace,
        registers=picture.registers,
        words=picture.words,
        recursion=picture.recursion,
        others=picture.others,
        notes=picture.notes,
    )


def _crashed(ending: Exit, went_down: bool) -> bool:
    """Whether a program crashed that nobody caught dying."""
    return not ending.timed_out and (ending.signal in siginfo.CODES if ending.signal else went_down)


def _wished(report: GoReport | None) -> bool:
    """Whether Go died of a SIGQUIT: somebody wanted the program to end, and to see its goroutines."""
    return report is not None and report.signal is not None and report.signal.name == "SIGQUIT"


def _speaks_of(report: GoReport, shot: Shot) -> bool:
    """Whether it can be this death that the report tells: the program may print the report of another one."""
    if shot.stop.reason is StopReason.SIGNAL:
        became_panic = (
            report.signal is not None and report.signal == shot.signal and _made_of_signal(report)
        )
        return report.kind is ReportKind.SIGNAL or became_panic
    if shot.stop.breakpoint == "runtime.fatalthrow":
        return report.kind is ReportKind.FATAL
    return report.kind is ReportKind.PANIC


def _made_of_signal(report: GoReport) -> bool:
    return any(message.startswith(_MADE_OF_SIGNALS) for message in report.messages)


def _assemble(ending: Exit, report: GoReport | None, shot: Shot | None) -> Crash:
    picture = shot.picture if shot else None
    signal = _signal(report, shot)
    backtrace = _backtrace(report, shot)
    name = signal.name if signal else ending.signal if report is None else None
    code, address = _code_and_address(signal)
    return Crash(
        signal=name,
        code=code,
        address=address,
        cause=_go_cause(report, picture)
        or (picture and picture.cause)
        or _plain_cause(name, code, address, backtrace),
        backtrace=backtrace,
        registers=(picture.registers if picture else ()) or (report.registers if report else ()),
        words=picture.words if picture else (),
        recursion=picture.recursion if picture else None,
        others=(picture.others if picture else ()) or tuple(_others(report)),
        notes=tuple(_notes(report, shot, backtrace)),
    )


def _code_and_address(signal: SignalInfo | None) -> tuple[str | None, int | None]:
    return (siginfo.code_name(signal), siginfo.fault_address(signal)) if signal else (None, None)


def _signal(report: GoReport | None, shot: Shot | None) -> SignalInfo | None:
    if report and report.kind is not ReportKind.SIGNAL:
        return report.signal if _made_of_signal(report) else None
    return (shot and shot.signal) or (report and report.signal) or None


def _go_cause(report: GoReport | None, picture: Picture | None) -> str | None:
    """The cause in Go's words, for a death that Go itself decided on."""
    if report is None or report.kind is ReportKind.SIGNAL:
        return None
    lines = [message.partition("\n")[0] for message in report.messages]
    if report.kind is ReportKind.PANIC:
        return f"panic: {lines[-1]}" + (
            f" (while handling panic: {lines[-2]})" if lines[1:] else ""
        )
    if picture and picture.cause and picture.recursion:  # who overflowed the stack, and how
        return picture.cause
    return f"fatal error: {lines[-1]}" + (f" ({report.details[0]})" if report.details else "")


def _plain_cause(
    name: str | None, code: str | None, address: int | None, backtrace: Backtrace
) -> str:
    """What is known where the cause isn't."""
    what = name or "Go panic or fatal error"
    what += f" ({code})" if code else ""
    what += f" at address {address:#x}" if address is not None else ""
    frame = next(user_frames(backtrace.frames), None) or next(iter(backtrace.frames), None)
    if frame is None or frame.function is None:
        return what
    if backtrace.frames[0].function == "runtime.cgocall":  # Go's own traceback ends where C begins
        return f"{what} in C, called from `{frame.function}`"
    language = {Language.C: "C function ", Language.GO: "Go function "}.get(
        frame.language or Language.ASM, ""
    )
    return f"{what} in {language}`{frame.function}`"


def _backtrace(report: GoReport | None, shot: Shot | None) -> Backtrace:
    """The debugger's, completed from Go's where it leaves something open; Go's alone where there is no other."""
    dead = report.dead.backtrace if report and report.dead else None
    seen = shot.picture.backtrace if shot and shot.picture else None
    tid = shot.stop.tid if shot else None
    if seen is None or not seen.frames:
        return replace(dead or Backtrace(None, None, ()), tid=tid)
    if dead is None or seen.goroutine not in (None, dead.goroutine):
        return seen
    seen = replace(seen, goroutine=dead.goroutine, created_by=seen.created_by or dead.created_by)
    height = len(seen.frames)
    if not any(gap.after == height for gap in seen.gaps) or _has_user_frame_of(dead, seen):
        return seen
    gaps = tuple(replace(gap, after=height + gap.after) for gap in dead.gaps)
    return replace(seen, frames=seen.frames + dead.frames, gaps=seen.gaps + gaps)


def _has_user_frame_of(dead: Backtrace, seen: Backtrace) -> bool:
    """Whether the debugger got as far as the goroutine's own code, of which Go knows all the frames."""
    known = {frame.function for frame in user_frames(dead.frames)}
    return any(frame.function in known for frame in seen.frames)


def _others(report: GoReport | None) -> Iterator[GoroutineGroup]:
    """The goroutines that did not die, those with equal stacks together, the largest group first."""
    if report is None:
        return
    alive = [trace for trace in report.goroutines if trace.id and trace is not report.dead]
    groups = Counter(_stack_key(trace) for trace in alive)
    first = {_stack_key(trace): trace for trace in reversed(alive)}
    for key, count in groups.most_common():
        trace = first[key]
        user = next(user_frames(trace.backtrace.frames), None)
        yield GoroutineGroup(count, trace.state, user.function if user else None)


def _stack_key(trace: GoroutineTrace) -> tuple[object, ...]:
    calls = tuple((frame.function, frame.file, frame.line) for frame in trace.backtrace.frames)
    return (trace.state, calls, trace.backtrace.gaps)


def _notes(report: GoReport | None, shot: Shot | None, backtrace: Backtrace) -> Iterator[str]:
    if shot:
        yield from shot.notes
        if shot.picture:
            yield from shot.picture.notes
    if shot is None or shot.picture is None:
        if not backtrace.frames:
            yield "no backtrace: no debugger saw the crash, and Go printed none (GOTRACEBACK)"
        elif report and report.in_c:
            yield "the frames are from Go's own traceback, which does not know those of C"
        else:
            yield "the frames are from Go's own traceback"
