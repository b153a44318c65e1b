"""The rules that a crossing may break: stable ids, and what each of them means.

They are told by the way in which C gets a value; which kind of value it is stands beside them. The analyzer's own list
of those that it reports is in analyzer/crossing/doc.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_cgosafe.results import Crossing, CrossingKind


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, and what breaks it."""

    id: str
    name: str
    """In the spelling of SARIF's rule names."""
    summary: str
    """What was found, in a sentence."""
    help: str
    """Why it is unsafe, and what to do instead."""


RULES: Final = (
    Rule(
        "CGS001",
        "PointerArgument",
        "A Go value reaches C as a pointer argument, against the cgo rules.",
        "C may use Go memory during the call only, and only memory that holds no Go pointers but pinned ones. Maps,"
        " channels, funcs, interfaces and the headers of slices and strings are the runtime's own layout. Copy what C"
        " needs into C memory, or give C a runtime/cgo.Handle.",
    ),
    Rule(
        "CGS002",
        "IntegerArgument",
        "A Go pointer reaches C as an integer argument.",
        "Nobody knows then that it is a pointer: no check sees it, and the garbage collector does not count it. Give C"
        " a runtime/cgo.Handle, which is an integer by design, or copy what C needs into C memory.",
    ),
    Rule(
        "CGS003",
        "StoredInC",
        "A Go value is stored into C memory or a C variable.",
        "C memory must hold no Go pointers but pinned ones: the garbage collector does not look there. Allocate what is"
        " to be stored with C.malloc, pin it with runtime.Pinner, or store a runtime/cgo.Handle.",
    ),
    Rule(
        "CGS004",
        "ReturnedToC",
        "An exported Go function returns a Go value to C.",
        "C must not get Go memory as a result, unless it is pinned. Return C memory, a number or a runtime/cgo.Handle.",
    ),
    Rule(
        "CGS005",
        "UserData",
        "A Go value is given to C as user data, together with a function that C will call later.",
        "C keeps it after the call. Give C a runtime/cgo.Handle, and Delete it when the callback is no more.",
    ),
    Rule(
        "CGS006",
        "InsideStruct",
        "A Go value reaches C inside a C struct that is passed by value.",
        "The rules look through structs: their fields must hold no Go pointers but pinned ones. Put C memory or a"
        " runtime/cgo.Handle into the field.",
    ),
    Rule(
        "CGS080",
        "ChecksSwitchedOff",
        "The runtime's own pointer checks are switched off by GODEBUG=cgocheck=0.",
        "What the analyzer can't see, such as pointers that are made at run time, passes unseen then. Take the setting"
        " out.",
    ),
    Rule(
        "CGS090",
        "IgnoredWithoutReason",
        "An ignore comment gives no reason, so it silences nothing.",
        "Say why the crossing is safe: //cgosafe:ignore CGS001 C copies it before it returns.",
    ),
    Rule(
        "CGS091",
        "IgnoredForNothing",
        "An ignore comment silences nothing.",
        "The crossing that it was written for is gone, or stands on another line. Remove the comment.",
    ),
)


def is_about_checks(rule: str | None) -> bool:
    """Whether `rule` is not about a value but about what keeps the checks from seeing values."""
    return rule is not None and rule >= "CGS080"


def is_forbidden(crossing: Crossing, kinds: Collection[CrossingKind]) -> bool:
    """Whether `crossing` counts where `kinds` are forbidden. What weakens the checks counts wherever any kind is."""
    return bool(kinds) if is_about_checks(crossing.rule) else crossing.kind in kinds
