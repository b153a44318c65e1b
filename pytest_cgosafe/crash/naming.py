"""Whose function is it: the user's, the Go runtime's, or glue that cgo writes between the two languages?"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pytest_cgosafe.results import Language

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_cgosafe.results import Frame

_RUNTIME = re.compile(r"runtime|(runtime/(internal|cgo)|internal/runtime)(/.*)?")
_STANDARD = re.compile(
    "archive|arena|bufio|builtin|bytes|cmp|compress|container|context|crypto|database|debug|embed|encoding|errors|expvar"
    "|flag|fmt|go|hash|html|image|index|internal|io|iter|log|maps|math|mime|net|os|path|plugin|reflect|regexp|runtime"
    "|simd|slices|sort|strconv|strings|structs|sync|syscall|testing|text|time|unicode|unique|unsafe|vendor|weak"
)  # the directories of go/src, 1.21 to 1.27

# What cmd/cgo and runtime/cgo put between Go and C, and what the C library has at the outer end of a stack.
_GO_GLUE = re.compile(r"_cgoexp_[0-9a-f]{12}_\w+|.*\._C2?func_\w+|type:\..*|_rt0_\w+")
_C_GLUE = re.compile(
    r"_cgo_[0-9a-f]{12}_C2?func_\w+|x_cgo_\w+|crosscall(1|2|_\w+)|threadentry|_rt0_\w+"
    r"|start_thread|(__)?clone3?|_start|__libc_start_main\S*|__libc_start_call_main|__restore_rt"
)
# How the C library raises a signal on a program's behalf; `abort`, `free` and the like, which the program called, stay.
_C_DEATH = re.compile(
    r"_*(GI_)?_*(raise|gsignal|pthread_kill\w*|libc_message\w*|libc_fatal|assert_fail_base|malloc_printerr|fortify_fail)"
)
_C_LIBRARY = re.compile(
    r"\.{1,2}/(argp|assert|csu|debug|elf|iconv|inet|io|libio|locale|malloc|math|misc|nptl|nss|posix|resolv|setjmp|signal"
    r"|socket|stdio-common|stdlib|string|support|sysdeps|time|wcsmbs)/.*"
)  # glibc's sources, as its own debug information names them
_C_FUNCTION = re.compile(r".*\._C2?func_(?P<name>\w+)|_cgo_[0-9a-f]{12}_C2?func_(?P<stub>\w+)")


def package_of(function: str) -> str:
    """The import path in a Go function's name: ``example.com/a/b`` of ``example.com/a/b.(*T).M``."""
    name = function.partition("[")[0]
    directory, slash, rest = name.rpartition("/")
    return directory + slash + rest.partition(".")[0]


def c_function_called(function: str | None) -> str | None:
    """The C function's name, where `function` is one of the stubs that cgo writes to call it."""
    found = _C_FUNCTION.fullmatch(function or "")
    return found and (found["name"] or found["stub"])


def is_standard_library(frame: Frame) -> bool:
    """Whether a Go frame belongs to the Go distribution, the runtime included."""
    if frame.function is None or frame.language is Language.C:
        return False
    package = package_of(frame.function)
    if not _STANDARD.fullmatch(package.partition("/")[0]):
        return False
    # -trimpath names files by their package
    if frame.file is None or not frame.file.startswith("/"):
        return True
    # not always its own: runtime/panic.go has sync.fatal
    _, _, below_source = frame.file.rpartition("/src/")
    return _STANDARD.fullmatch(below_source.partition("/")[0]) is not None


def is_c_library(frame: Frame) -> bool:
    """Whether a frame belongs to the C library, as far as can be told: mostly it has no source file."""
    if frame.language is not Language.C or frame.function is None:
        return False
    return bool(_C_LIBRARY.fullmatch(frame.file or "") or _C_DEATH.fullmatch(frame.function))


def is_runtime(frame: Frame) -> bool:
    """Whether a frame belongs to the Go runtime itself; `runtime/debug` and the like do not."""
    name = frame.function
    return (
        name is not None
        and frame.language is not Language.C
        and bool(_RUNTIME.fullmatch(package_of(name)))
    )


def is_glue_name(function: str) -> bool:
    """Whether a function of that name is the runtime's or cgo's, where nothing is known but the name."""
    return (
        ("." in function and _RUNTIME.fullmatch(package_of(function)) is not None)
        or _C_GLUE.fullmatch(function) is not None
        or _GO_GLUE.fullmatch(function) is not None
    )


def glue(frames: Sequence[Frame]) -> Iterator[bool]:
    """For each frame, innermost first, whether it is the runtime's or cgo's and not code that anybody wrote by hand."""
    for at, frame in enumerate(frames):
        inner = frames[at - 1] if at else None
        outer = frames[at + 1] if at + 1 < len(frames) else None
        yield _is_glue(frame) or _checks_pointers(inner, frame, outer)


def user_frames(frames: Sequence[Frame]) -> Iterator[Frame]:
    """The frames that the user or the user's libraries wrote, in Go or C, innermost first."""
    for frame, is_glue in zip(frames, glue(frames), strict=True):
        if (
            not is_glue
            and frame.function
            and not is_standard_library(frame)
            and not is_c_library(frame)
        ):
            yield frame


def _is_glue(frame: Frame) -> bool:
    if frame.function is None:
        return False
    if is_runtime(frame) or PurePosixPath(frame.file or "").name == "_cgo_export.c":
        return True
    if frame.language is Language.GO:
        return _GO_GLUE.fullmatch(frame.function) is not None
    patterns = (_C_GLUE, _C_DEATH) if frame.language is Language.C else (_C_GLUE, _GO_GLUE)
    return any(pattern.fullmatch(frame.function) for pattern in patterns)


def _checks_pointers(inner: Frame | None, frame: Frame, outer: Frame | None) -> bool:
    """cmd/cgo wraps a call that passes pointers in a closure, on the call's own line, to check them first."""
    if not (outer and outer.function and frame.function):
        return False
    calls_c = inner is None or is_runtime(inner) or c_function_called(inner.function) is not None
    closure = re.fullmatch(r"(func)?\d+", frame.function.removeprefix(f"{outer.function}."))
    return calls_c and closure is not None and (frame.file, frame.line) == (outer.file, outer.line)
