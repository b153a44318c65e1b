"""The compiler's own listing of a package's code: what ``go build -gcflags=-S`` prints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_FUNCTION: Final = re.compile(r"^(?P<name>\S.*?) STEXT .*?\blocals=(?P<locals>0x[0-9a-f]+)")
_INSTRUCTION: Final = re.compile(
    r"^\t0x[0-9a-f]+ \d+ \((?P<file>.+?):(?P<line>\d+)\)\t(?P<operation>\S+)\t?(?P<operands>.*)$"
)
_SYMBOL: Final = re.compile(r"(?P<name>[^\s(].*?)(?:\+\d+)?\(SB\)$")
_CALLS: Final = frozenset({"CALL", "BL", "DUFFZERO", "DUFFCOPY"})
_JUMPS: Final = frozenset({"JMP", "B"})


@dataclass(frozen=True, slots=True)
class ListedCall:
    """A call, or a jump to another function."""

    function: str | None
    """None for a call through a register."""
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class ListedFunction:
    """A function as the compiler made it."""

    name: str
    frame_size: int
    """Bytes, without the return address."""
    calls: tuple[ListedCall, ...]


def parse_listing(text: str) -> tuple[ListedFunction, ...]:
    """The functions of a listing, in its order."""
    return tuple(_functions(text.splitlines()))


def _functions(lines: list[str]) -> Iterator[ListedFunction]:
    name, size, calls = "", 0, list[ListedCall]()
    for line in lines:
        if head := _FUNCTION.match(line):
            if name:
                yield ListedFunction(name, size, tuple(calls))
            name, size, calls = head["name"], int(head["locals"], 16), []
        elif not line.startswith("\t"):  # data, or what another tool said
            if name:
                yield ListedFunction(name, size, tuple(calls))
            name = ""
        elif name and (instruction := _INSTRUCTION.match(line)):
            calls += _call(instruction)
    if name:
        yield ListedFunction(name, size, tuple(calls))


def _call(instruction: re.Match[str]) -> Iterator[ListedCall]:
    operation, operands = instruction["operation"], instruction["operands"]
    symbol = _SYMBOL.search(operands)
    function = symbol["name"] if symbol else None
    place = instruction["file"], int(instruction["line"])
    if operation in {"DUFFZERO", "DUFFCOPY"}:
        yield ListedCall(f"runtime.{operation.lower()}", *place)
    elif operation in _CALLS or (operation in _JUMPS and function):
        yield ListedCall(function, *place)
