"""What to do instead of giving C a Go value, by the value's kind."""

from __future__ import annotations

from typing import Final

from pytest_cgosafe.results import CrossingKind

_ADVICE: Final = {
    CrossingKind.MAP: "copy keys and values into C memory, or give C a runtime/cgo.Handle",
    CrossingKind.CHAN: "give C a runtime/cgo.Handle and let it call back into Go to send or receive",
    CrossingKind.FUNC: "give C an exported (//export) function, and a runtime/cgo.Handle as its argument",
    CrossingKind.INTERFACE: "give C a runtime/cgo.Handle, or copy the value behind the interface into C memory",
    CrossingKind.SLICE: "pass &s[0] and len(s) for the duration of the call, or copy with C.CBytes and C.free",
    CrossingKind.STRING: "copy with C.CString, and C.free the copy",
    CrossingKind.POINTER: "pin what it points to with runtime.Pinner, or copy it into C memory",
}


def fix_for(kind: CrossingKind) -> str:
    """One sentence that says how to do it safely, with the place in the documentation."""
    return f"{_ADVICE[kind]}; see docs/crossings.md#{kind}"
