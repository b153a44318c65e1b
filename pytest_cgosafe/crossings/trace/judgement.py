"""Which of the words that C is given it must not get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.crossings.trace.signatures import Role
from pytest_cgosafe.crossings.trace.values import kind_of
from pytest_cgosafe.results import CrossingKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_cgosafe.crossings.trace.gomemory import GoMemory
    from pytest_cgosafe.crossings.trace.signatures import Word

_NAMES: Final = {
    CrossingKind.MAP: "a Go map",
    CrossingKind.CHAN: "a Go channel",
    CrossingKind.FUNC: "a Go func value",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One word that C must not get."""

    kind: CrossingKind
    where: str
    """``"argument 2 (size_t)"``."""
    what: str
    """One clause that says what it is."""
    plain: bool = False
    """It is an address in Go's memory given as an integer, and nothing worse."""


def judge(go: GoMemory, block: int, words: Iterable[Word]) -> tuple[Finding, ...]:
    """The findings in a call's arguments, which are in the struct at `block`."""
    return tuple(_findings(go, block, words))


def _findings(go: GoMemory, block: int, words: Iterable[Word]) -> Iterator[Finding]:
    for word in words:
        value = go.word(block + word.offset)
        if not value:
            continue
        found = _reference(go, value, word)
        if found is None and word.role is Role.INTEGER:
            found = _address(go, value, word)
        if found:
            yield found
        elif word.role is Role.POINTER:
            yield from _pointed_at(go, value, word)


def _reference(go: GoMemory, value: int, word: Word) -> Finding | None:
    """A map, channel or func, or a Go variable that holds one."""
    kind = kind_of(go, value)
    if kind and not (word.role is Role.INTEGER and go.is_constant(value)):
        return Finding(kind, word.name, f"{word.name} is {_NAMES[kind]}")
    inner = go.word(value) if value % 8 == 0 and _is_go(go, value) else None
    kind = kind_of(go, inner) if inner else None
    # numbers as small as the addresses of constants and package variables are common, and many of those are funcs
    if kind and not (
        kind is CrossingKind.FUNC and (go.is_constant(inner or 0) or go.is_variable(value))
    ):
        what = f"{word.name} is the address of Go memory that holds {_NAMES[kind]}"
        return Finding(kind, word.name, what)
    return None


def _is_go(go: GoMemory, address: int) -> bool:
    return go.is_managed(address) or go.is_variable(address)


def _address(go: GoMemory, value: int, word: Word) -> Finding | None:
    """An integer that is the address of live Go memory which is not pinned.

    Not of package variables: numbers as small as their addresses are common.
    """
    if go.on_goroutine_stack(value):
        place = "on a goroutine's stack"
    else:
        found = go.object_at(value)
        if found is None or found.pinned:
            return None
        place = "on Go's heap"
    what = f"{word.name} is an integer, and the address of memory {place}"
    return Finding(CrossingKind.POINTER, word.name, what, plain=True)


def _pointed_at(go: GoMemory, address: int, word: Word) -> Iterator[Finding]:
    """Maps, channels and funcs in what a pointer points to; nothing less: C memory may hold what was freed."""
    for inside in word.pointee:
        value = go.word(address + inside.offset)
        found = _reference(go, value, inside) if value else None
        if found:
            yield found
    if not word.pointee and not _is_go(go, address):
        value = go.word(address)
        kind = kind_of(go, value) if value and address % 8 == 0 else None
        if kind and kind is not CrossingKind.FUNC:
            what = f"{word.name} is the address of C memory that holds {_NAMES[kind]}"
            yield Finding(kind, word.name, what)
