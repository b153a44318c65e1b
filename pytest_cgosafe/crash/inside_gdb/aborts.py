"""Why a program aborted: glibc's message, or the C++ exception that nobody caught."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any

import gdb

from . import memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CXX_RUNTIME = re.compile(r"$|std::terminate|__cxa_|__gxx_personality|_Unwind_|__cxxabiv1::")
_ENDS_BY_EXCEPTION = re.compile(r"__cxa_(throw|rethrow|call_terminate)$|__gxx_personality|_Unwind_")
GLUE = {"raise", "abort", "gsignal", "pthread_kill", "malloc_printerr", "std::terminate()"}
_MAX_MESSAGE = 4096
_MAX_SCANNED = 1 << 16
_GNU_CXX = struct.pack(">Q", int.from_bytes(b"GNUCC++\0", "big"))[::-1]
_CLASS_BEFORE_OBJECT, _TYPE_BEFORE_OBJECT = 0x20, 0x70
# libstdc++'s classes that keep their text in a string right behind the vtable pointer (<stdexcept>).
_WITH_TEXT = re.compile(
    r"std::(runtime|logic|range|overflow|underflow|domain|length)_error$|std::(invalid_argument|out_of_range)$"
)


def libc_message() -> str | None:
    """What glibc said before it aborted: a failed assertion, a damaged heap, a smashed stack.

    It is kept in ``__abort_msg`` (glibc's assert/assert.c and sysdeps/posix/libc_fatal.c): a pointer to
    a 32-bit size and the text.
    """
    try:
        place = int(gdb.parse_and_eval("(unsigned long) &__abort_msg"))
    except gdb.error:
        return None
    kept = memory.word(place)
    text = memory.text(kept + 4, _MAX_MESSAGE) if kept else None
    return " ".join(text.split()) if text else None


def kind_of(message: str) -> str:
    """What a message of glibc is about."""
    if "Assertion" in message:
        return "assertion failed"
    if "double free" in message:
        return "double free"
    if "stack smashing" in message or "buffer overflow" in message:
        return "buffer overflow"
    if re.search(r"\b(malloc|free|realloc|munmap_chunk|corrupted|tcache)\b", message):
        return "damaged heap"
    return "aborted"


def thrown_exception(frames: Sequence[Mapping[str, Any]]) -> str | None:
    """The C++ exception that ended in std::terminate: its type, and its text where it has a known one.

    Found by the marks of the Itanium C++ ABI in front of the object (libstdc++, unwind-cxx.h), whose
    address, or that of its unwind header, stands on the stack between abort and the function that threw.
    """
    throwing = _cxx_runtime(frames)
    if not any(_ENDS_BY_EXCEPTION.match(frame["function"] or "") for frame in throwing):
        return None
    low, high = frames[0]["sp"], throwing[-1]["sp"]
    if not low < high <= low + _MAX_SCANNED:
        return None
    for candidate in dict.fromkeys(reversed(memory.words(low, (high - low) // 8))):
        for thrown in (candidate, candidate + _CLASS_BEFORE_OBJECT):
            if memory.read(thrown - _CLASS_BEFORE_OBJECT, 8) == _GNU_CXX:
                return _describe(thrown)
    return None


def calls_pure_virtual(frames: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the program aborted because a pure virtual function was called."""
    return any(frame["function"] == "__cxa_pure_virtual" for frame in _cxx_runtime(frames))


def _cxx_runtime(frames: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The frames of the C++ runtime that called abort, or a handler that did, and the one that called them."""
    names = [frame["function"] or "" for frame in frames]
    start = next((i for i, name in enumerate(names) if name.startswith("std::terminate")), None)
    if start is None and "abort" in names:
        start = names.index("abort") + 1
    if start is None:
        return ()
    end = next((i for i in range(start, len(names)) if not _CXX_RUNTIME.match(names[i])), None)
    return () if end is None else frames[start : end + 1]


def _describe(thrown: int) -> str | None:
    type_info = memory.word(thrown - _TYPE_BEFORE_OBJECT)
    name_at = memory.word(type_info + 8) if type_info else None
    mangled = memory.text(name_at) if name_at else None
    if not mangled:
        return None
    name = _demangled(mangled.lstrip("*"))
    text_at = memory.word(thrown + 8) if _WITH_TEXT.match(name) else None
    text = memory.text(text_at) if text_at else None
    return f'{name}("{text}")' if text else name


def _demangled(mangled: str) -> str:
    try:
        said = gdb.execute(f"demangle -l c++ -- _ZTI{mangled}", to_string=True).strip()
    except gdb.error:
        return mangled
    return said.replace("typeinfo for ", "") if said.startswith("typeinfo for ") else mangled
