"""The runtime's own pointer checks (cgocheck), read out of Go's report of the panic that they end in.

The texts are those of runtime/cgocall.go and cgocheck.go: constants up to Go 1.25, `cgoFormatErr` from 1.26 on, which
also names the kind of the value.
"""

from __future__ import annotations

import linecache
import re
from typing import TYPE_CHECKING

from pytest_cgosafe.crash.gotraceback import ReportKind
from pytest_cgosafe.crash.naming import c_function_called, is_runtime, user_frames
from pytest_cgosafe.crossings.fixes import fix_for
from pytest_cgosafe.results import Crossing, CrossingKind, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_cgosafe.crash.gotraceback import GoReport
    from pytest_cgosafe.results import Frame

_ARGUMENT = re.compile(
    r"cgo argument has Go pointer to (?:unpinned )?Go pointer"
    r"|argument of cgo function has Go pointer to unpinned Go (?P<kind>[a-z ]+)"
)
_RESULT = re.compile(
    r"cgo result (?:has Go pointer|is unpinned Go pointer or points to unpinned Go pointer)"
    r"|(?P<place>.*): result of Go function (?P<function>\S+) called from cgo is unpinned Go (?P<kind>[a-z ]+)"
    r" or points to unpinned Go (?P=kind)"
)
_WRITE = re.compile(r"(?:unpinned )?Go pointer stored into non-Go memory")
_KINDS = {
    "channel": CrossingKind.CHAN,
    "function": CrossingKind.FUNC,
    "interface": CrossingKind.INTERFACE,
    "map": CrossingKind.MAP,
    "slice": CrossingKind.SLICE,
    "string": CrossingKind.STRING,
}  # "pointer", "unsafe pointer" and "struct" are pointers to this project
_EXPORTED = re.compile(r"_cgoexp_[0-9a-f]{12}_(\w+)")
_C_CALL = re.compile(r"\bC\.(\w+)\(")
_C_TYPE = re.compile(
    r"u?(?:char|short|int|long|longlong)|schar|float|double|\w+_t|(?:struct|union|enum|sizeof)_\w+"
)
_UNNAMED = "; this version of Go doesn't say which kind of value it is"


def crossing_from_report(report: GoReport) -> Crossing | None:
    """The crossing that cgocheck or cgocheck2 stopped, or None when the program died of something else.

    Reads the source line of a refused call, where it can be had, for the name of the C function.
    """
    text = report.message.removeprefix("runtime error: ")
    frames = report.dead.backtrace.frames if report.dead else ()
    if report.kind is ReportKind.PANIC and (found := _ARGUMENT.fullmatch(text)):
        return _argument(found["kind"], frames)
    if report.kind is ReportKind.PANIC and (found := _RESULT.fullmatch(text)):
        return _result(found["kind"], found["function"], frames)
    if report.kind is ReportKind.FATAL and _WRITE.fullmatch(text):
        return _write(frames, report.details)
    return None


def _argument(word: str | None, frames: Sequence[Frame]) -> Crossing:
    message = f"an argument given to C is or points to an unpinned Go {word or 'pointer'}"
    site = next(user_frames(frames), None)
    return _crossing(word, site, _function_called_at(site), message if word else message + _UNNAMED)


def _result(word: str | None, function: str | None, frames: Sequence[Frame]) -> Crossing:
    stubs = (_EXPORTED.fullmatch(frame.function or "") for frame in frames)
    function = function or next((stub[1] for stub in stubs if stub), None)
    who = f"the exported Go function {function}" if function else "an exported Go function"
    message = f"{who} returns to C an unpinned Go {word or 'pointer'}, or what points to one"
    site = next(user_frames(frames), None)
    return _crossing(
        word, site, _innermost_c_function(frames), message if word else message + _UNNAMED
    )


def _write(frames: Sequence[Frame], details: Sequence[str]) -> Crossing:
    writer = next((frame for frame in frames if not is_runtime(frame)), None)
    if writer and _EXPORTED.match(writer.function or ""):
        # the stub writes the result to where C reads it
        return _result(None, None, frames)
    addresses = "".join(f": {line}" for line in details if line.startswith("write of "))
    message = f"an unpinned Go pointer is stored in memory that is not Go's{addresses}"
    return _crossing(None, next(user_frames(frames), None), None, message)


def _crossing(
    word: str | None, site: Frame | None, c_function: str | None, message: str
) -> Crossing:
    kind = _KINDS.get(word or "", CrossingKind.POINTER)
    return Crossing(
        kind=kind,
        origin=Origin.CGOCHECK,
        file=site.file if site else None,
        line=site.line if site else None,
        c_function=c_function,
        message=message,
        fix=fix_for(kind),
    )


def _innermost_c_function(frames: Sequence[Frame]) -> str | None:
    return next((name for frame in frames if (name := c_function_called(frame.function))), None)


def _function_called_at(site: Frame | None) -> str | None:
    """The one C function called on the source line: the check runs before the call, so no frame names it."""
    if site is None or site.file is None or site.line is None:
        return None
    source = linecache.getline(site.file, site.line)
    called = {name for name in _C_CALL.findall(source) if not _C_TYPE.fullmatch(name)}
    return called.pop() if len(called) == 1 else None
