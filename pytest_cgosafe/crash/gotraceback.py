"""Go's own report of a crash, read out of a program's standard error.

The wordings are those of the Go runtime, 1.21 to 1.27: `printpanics` and `dopanic_m` (panic.go), `sighandler` and
`fatalsignal` (signal_unix.go), `goroutineheader` and `traceback2` (traceback.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from pytest_cgosafe.results import Backtrace, CreatedBy, Frame, Gap, Language, Register, StackKind
from pytest_cgosafe.watch.stops import SignalInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class ReportKind(Enum):
    """How the report begins."""

    PANIC = auto()
    """``panic: ...``: a panic that no one recovered."""
    FATAL = auto()
    """``fatal error: ...``: the runtime gave up (`throw`, `fatal`)."""
    SIGNAL = auto()
    """``SIGSEGV: segmentation violation``: a signal that the runtime can't turn into a panic, mostly one in C."""


@dataclass(frozen=True, slots=True)
class GoroutineTrace:
    """One goroutine of the report. Id 0 is the system stack of the thread that died, where the report shows it."""

    state: str
    """``"running"``, ``"chan receive"``."""
    backtrace: Backtrace
    waited: int = 0
    """Whole minutes that it had been waiting."""
    locked: bool = False
    """Locked to its OS thread."""

    @property
    def id(self) -> int:
        """The goroutine's number."""
        return self.backtrace.goroutine or 0


@dataclass(frozen=True, slots=True)
class GoReport:
    """What Go itself said about its death."""

    kind: ReportKind
    messages: tuple[str, ...]
    """The panic values, oldest first, as Go prints them; the text of a fatal error or of a signal."""
    details: tuple[str, ...] = ()
    """What the runtime printed just before: ``runtime: goroutine stack exceeds 1000000000-byte limit``."""
    signal: SignalInfo | None = None
    """The signal that the report names. Go keeps naming the last one that it ever made a panic of on this goroutine,
    also when a later panic has nothing to do with it."""
    in_c: bool = False
    """The signal arrived while C code ran."""
    goroutines: tuple[GoroutineTrace, ...] = ()
    """The one that died is the first of those with an id that isn't 0."""
    registers: tuple[Register, ...] = ()

    @property
    def message(self) -> str:
        """The text that says best why the program died: the newest panic, the fatal error, the signal."""
        return self.messages[-1]

    @property
    def dead(self) -> GoroutineTrace | None:
        """The goroutine that died, or None when its traceback isn't there (``GOTRACEBACK=none``)."""
        return next(
            (trace for trace in self.goroutines if trace.id), next(iter(self.goroutines), None)
        )


_START = re.compile(
    r"^(?P<before>[^\n]*?)(?P<what>panic: |fatal error: |(?P<signal>SIG[A-Z0-9]+): (?=[^\n]*\nPC=0x))",
    re.MULTILINE,
)
_GOROUTINE = re.compile(
    r"goroutine (?P<id>\d+)(?: gp=0x[0-9a-f]+)?(?: m=\w+)?(?: mp=0x[0-9a-f]+)? \[(?P<state>.*)\](?: \{.*\})?:"
)
_RUNTIME_STACK = "runtime stack:"
_ELSEWHERE = "\tgoroutine running on other thread; stack unavailable"
_PLACE = re.compile(
    r"\t(?:(?P<file>.+):(?P<line>\d+))?(?: \+0x[0-9a-f]+)?"
    r"(?: fp=0x(?P<fp>[0-9a-f]+) sp=0x(?P<sp>[0-9a-f]+))?(?: ?pc=0x(?P<pc>[0-9a-f]+))?"
)
_CREATED = re.compile(r"created by (?P<function>.+?)(?: in goroutine (?P<id>\d+))?")
_ELIDED = re.compile(r"\.\.\.(?:(?P<count>\d+)|additional) frames elided\.\.\.")
_SIGNAL = re.compile(
    r"\[signal (?P<name>SIG[A-Z0-9]+|0x[0-9a-f]+).* code=0x(?P<code>[0-9a-f]+) addr=0x(?P<addr>[0-9a-f]+) pc=.*\]"
)
_SIGNAL_PC = re.compile(
    r"PC=0x[0-9a-f]+ m=\d+ sigcode=(?P<code>\d+)(?: addr=0x(?P<addr>[0-9a-f]+))?"
)
_REGISTER = re.compile(r"(?P<name>r[a-z0-9]{1,5}|[cfg]s|lr|sp|pc) +0x(?P<value>[0-9a-f]+)")
_RECOVERED = re.compile(r" \[recovered(?:, repanicked)?\]$")
_DETAIL = ("runtime: ", "fatal: ", "write of unpinned Go pointer ", "unexpected fault address ")
_RELAYED = "-----"  # GOTRACEBACK=crash: from here on every other thread reports a SIGQUIT that Go itself sent
_LONGEST_MESSAGE = 100  # lines; where no traceback says where it ends
_GDB_REGISTERS = {"rflags": "eflags", "lr": "x30", **{f"r{n}": f"x{n}" for n in range(30)}}


def parse_go_traceback(stderr: str) -> GoReport | None:
    """The last report in `stderr`, which may hold anything else before, within and after it; None without one."""
    start = _find_start(stderr)
    if start is None:
        return None
    lines = stderr[start.end() :].split("\n")
    end = next((at for at, line in enumerate(lines) if line == _RELAYED), len(lines))
    lines = lines[:end]
    first_trace = next((at for at in range(len(lines)) if _starts_trace(lines, at)), None)
    head = lines[:first_trace]
    goroutines = () if first_trace is None else tuple(_traces(lines, first_trace))
    registers = () if first_trace is None else tuple(_registers(lines[first_trace:]))
    return GoReport(
        kind=_kind(start),
        messages=_messages(head, known_end=first_trace is not None),
        details=_details(stderr[: start.start("what")]),
        signal=_signal(start["signal"], head),
        in_c="signal arrived during cgo execution" in head,
        goroutines=goroutines,
        registers=registers,
    )


def _kind(start: re.Match[str]) -> ReportKind:
    if start["signal"]:
        return ReportKind.SIGNAL
    return ReportKind.PANIC if start["what"] == "panic: " else ReportKind.FATAL


def _find_start(text: str) -> re.Match[str] | None:
    """The last beginning that a traceback follows; failing that, the last one at all.

    A program may log a line like that itself, or leave a line unfinished to which Go then appends its own.
    """
    starts = [
        found
        for found in _START.finditer(text)
        if not found["before"].startswith("\t")
        and not text[: found.start()].endswith(f"\n{_RELAYED}\n\n")
    ]
    at_line_start = [found for found in starts if not found["before"]]
    for candidates in (at_line_start, starts):
        end = len(text)
        for found in reversed(candidates):
            lines = text[found.end() : end].split("\n")
            if any(_starts_trace(lines, at) for at in range(len(lines))):
                return found
            end = found.start()
    return at_line_start[-1] if at_line_start else None


def _starts_trace(lines: Sequence[str], at: int) -> bool:
    """Whether a traceback starts here; a message may quote a header, but no frame follows it there."""
    if lines[at] != _RUNTIME_STACK and not _GOROUTINE.fullmatch(lines[at]):
        return False
    return any(line.startswith("\t") for line in lines[at + 1 : at + 3])


def _messages(head: Sequence[str], *, known_end: bool) -> tuple[str, ...]:
    """The chain of panics in `head`; up to Go 1.23 the further lines of a message are not indented."""
    messages: list[list[str]] = [[head[0]]]
    for line in head[1:_LONGEST_MESSAGE]:
        if line.startswith("\tpanic: "):
            messages.append([line.removeprefix("\tpanic: ")])
        elif line.startswith(("[signal ", "PC=0x", "[originating from")) or not (
            known_end or line.startswith("\t")
        ):
            break
        else:
            messages[-1].append(line.removeprefix("\t"))
    texts = [_RECOVERED.sub("", "\n".join(message).rstrip()) for message in messages]
    return tuple(text for at, text in enumerate(texts) if at == 0 or text != texts[at - 1])


def _details(before: str) -> tuple[str, ...]:
    lines = before.split("\n")[-5:-1]
    while lines and not lines[0].startswith(_DETAIL):
        del lines[0]
    return tuple(lines)


def _signal(name: str | None, head: Sequence[str]) -> SignalInfo | None:
    pattern = _SIGNAL_PC if name else _SIGNAL
    found = next((match for line in head if (match := pattern.match(line))), None)
    if found is None:
        return None
    code = int(found["code"], 10 if name else 16)
    code -= code >> 63 << 64  # si_code is an int, printed as if it were a uint64
    address = int(found["addr"], 16) if found["addr"] and code > 0 else None
    return SignalInfo(name or found["name"], code, address)


def _traces(lines: Sequence[str], at: int) -> Iterator[GoroutineTrace]:
    while at < len(lines):
        if not _starts_trace(lines, at):
            at += 1
            continue
        end = next((blank for blank in range(at, len(lines)) if not lines[blank]), len(lines))
        yield _trace(lines[at], lines[at + 1 : end])
        at = end


def _trace(header: str, body: Sequence[str]) -> GoroutineTrace:
    found = _GOROUTINE.fullmatch(header)
    number = int(found["id"]) if found else 0
    state, *more = found["state"].split(", ") if found else (header.rstrip(":"),)
    waits = [
        int(part.removesuffix(" minutes")) for part in more if re.fullmatch(r"\d+ minutes", part)
    ]
    return GoroutineTrace(
        state=state.removesuffix(" (scan)"),
        backtrace=_backtrace(number, body),
        waited=sum(waits),
        locked="locked to thread" in more,
    )


def _backtrace(goroutine: int, body: Sequence[str]) -> Backtrace:
    frames: list[Frame] = []
    gaps: list[Gap] = []
    created_by = None
    stack = StackKind.GOROUTINE if goroutine else StackKind.THREAD
    for at, line in enumerate(body):
        place = _PLACE.fullmatch(body[at + 1]) if at + 1 < len(body) else None
        if found := _ELIDED.fullmatch(line):
            gaps.append(
                Gap(len(frames), "Go leaves them out of its traceback", _number(found["count"], 10))
            )
        elif line == _ELSEWHERE:
            gaps.append(
                Gap(len(frames), "it was running on another thread, where Go can't read its stack")
            )
        elif line.startswith("[originating from goroutine "):
            break
        elif place and (found := _CREATED.fullmatch(line)):
            created_by = CreatedBy(
                found["function"],
                place["file"],
                _number(place["line"], 10),
                _number(found["id"], 10),
            )
        elif place and not line.startswith("\t"):
            frames.append(_frame(line, place, stack))
    return Backtrace(None, goroutine or None, tuple(frames), tuple(gaps), created_by)


def _frame(call: str, place: re.Match[str], stack: StackKind) -> Frame:
    fp, sp, pc = (_number(place[name], 16) for name in ("fp", "sp", "pc"))
    file = place["file"]
    frame = Frame(
        function=None, language=None, file=file, line=_number(place["line"], 10), stack=stack, pc=pc, sp=sp, size=None,
        args=None,
    )  # fmt: skip
    if not call.endswith(")"):  # runtime.SetCgoTraceback's symbolizer named it, or nobody could
        known = not call.startswith("non-Go function")
        return replace(
            frame, function=call if known else None, language=Language.C, stack=StackKind.THREAD
        )
    function, _, args = call[:-1].rpartition("(")
    inlined = args == "..."
    return replace(
        frame,
        function="runtime.gopanic" if function == "panic" else function,
        language=Language.ASM if file and file.endswith(".s") else Language.GO,
        size=fp - sp if fp is not None and sp is not None and not inlined else None,
        args=None if inlined else args,
    )


def _number(digits: str | None, base: int) -> int | None:
    return None if digits is None else int(digits, base)


def _registers(lines: Sequence[str]) -> Iterator[Register]:
    found = [match for line in lines if (match := _REGISTER.fullmatch(line))]
    arm64 = any(match["name"] == "lr" for match in found)
    for match in found:
        name = match["name"]
        gdb_name = _GDB_REGISTERS.get(name, name) if arm64 or name == "rflags" else name
        yield Register(gdb_name, int(match["value"], 16))
