"""What to do instead of giving C a Go value, by the value's kind and by the way in which C gets it."""

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


_ADVICE_ON_WAY: Final = {
    (
        "CGS003",
        CrossingKind.POINTER,
    ): "allocate it with C.malloc, pin it for as long as C keeps it, or store a runtime/cgo.Handle",
    (
        "CGS004",
        CrossingKind.POINTER,
    ): "return C memory (C.malloc, C.CString, C.CBytes), pinned memory or a runtime/cgo.Handle",
    ("CGS004", CrossingKind.STRING): "return C.CString of it, and let C free that",
    ("CGS004", CrossingKind.SLICE): "return C.CBytes of it and its length, and let C free that",
    (
        "CGS005",
        CrossingKind.POINTER,
    ): "give a runtime/cgo.Handle as user data, and Delete it when C is done",
}
"""Where the way matters more than the kind."""
_ADVICE_ON_CHECKS: Final = {
    "CGS080": "let the runtime check: take cgocheck=0 out",
    "CGS090": "say why it is safe: //cgosafe:ignore CGS001 C copies it before it returns",
    "CGS091": "remove the comment",
}


def fix_for(kind: CrossingKind, rule: str | None = None) -> str:
    """One sentence that says how to do it safely, with the place in the documentation."""
    if rule in _ADVICE_ON_CHECKS:
        return f"{_ADVICE_ON_CHECKS[rule]}; see docs/crossings.md#rules"
    advice = _ADVICE_ON_WAY.get((rule or "", kind), _ADVICE[kind])
    return f"{advice}; see docs/crossings.md#{kind}"
