"""What one gdb frame holds: its language, arguments and locals."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import gdb

from . import memory

if TYPE_CHECKING:
    from collections.abc import Iterator

_ERROR = re.compile(r" ?<error: [^>]*>")
_OCTAL = re.compile(r"\\\d{3}")
_ARGS_LIMIT, _VALUE_LIMIT = 240, 80
_ASM_SUFFIXES = (".s", ".S", ".asm")


def language(file: str | None, name: str | None, *, in_go_text: bool) -> str | None:
    """``go``, ``c`` or ``asm``: cgo's C code stands in Go files, so what counts is where the code lies."""
    if file and file.endswith(_ASM_SUFFIXES):
        return "asm"
    if in_go_text:
        return "go"
    return "c" if name else None


def arguments(frame: gdb.Frame) -> str | None:
    """The arguments, ``n=0, p=0x10``; None where the debug information does not tell."""
    pairs = []
    length = 0
    try:
        for symbol in _symbols_of_function(frame):
            if not symbol.is_argument or symbol.name.startswith(("~", ".")):
                continue
            pairs.append(f"{symbol.name}={value_text(frame, symbol)}")
            length += len(pairs[-1]) + 2
            if length > _ARGS_LIMIT:
                pairs.append("...")
                break
    except (gdb.error, RuntimeError):
        return None
    return ", ".join(pairs)


def local_variables(frame: gdb.Frame) -> list[dict[str, str]]:
    """The local variables, innermost block first, each name once."""
    found: dict[str, str] = {}
    try:
        for symbol in symbols_in_scope(frame):
            if symbol.is_variable and not symbol.is_argument and symbol.name not in found:
                found[symbol.name] = value_text(frame, symbol)
    except (gdb.error, RuntimeError):
        pass
    return [{"name": name, "value": value} for name, value in found.items()]


def value_text(frame: gdb.Frame, symbol: gdb.Symbol) -> str:
    """One variable's value as gdb prints it, on one line and bounded; a readable C string as its text."""
    try:
        value = frame.read_var(symbol)
        if value.is_optimized_out:
            return "<optimized out>"
        text = _formatted(value)
    except (gdb.error, RuntimeError, UnicodeDecodeError):
        return "<unreadable>"
    text = _ERROR.sub("", " ".join(text.split()))
    quote = text.find(' "')
    if (
        value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR
        and text.startswith("0x")
        and quote > 0
    ):
        # What is no text is a pointer to something else than characters.
        text = text[:quote] if _OCTAL.search(text) else text[quote + 1 :]
    return text if len(text) <= _VALUE_LIMIT else text[: _VALUE_LIMIT - 3] + "..."


def _formatted(value: gdb.Value) -> str:
    kind = value.type.strip_typedefs()
    names = [f.name for f in kind.fields()] if kind.code == gdb.TYPE_CODE_STRUCT else []
    if names == ["str", "len"]:  # a Go string (runtime/string.go, stringStruct)
        return _go_string(int(value["str"]), int(value["len"]))
    if names == ["array", "len", "cap"]:  # a Go slice (runtime/slice.go)
        return f"{kind.name}(len {int(value['len'])}, cap {int(value['cap'])})"
    return str(value.format_string(max_elements=32, max_depth=1, symbols=False, repeat_threshold=8))


def _go_string(address: int, length: int) -> str:
    if length == 0:
        return '""'
    data = memory.read(address, min(length, _VALUE_LIMIT)) if length > 0 else None
    if data is None:
        return f"<a string of {length} bytes at {address:#x}>"
    return json.dumps(data.decode(errors="replace"), ensure_ascii=False)


def _symbols_of_function(frame: gdb.Frame) -> Iterator[gdb.Symbol]:
    block = frame.block()
    while block and block.function is None:
        block = block.superblock
    return iter(block) if block else iter(())


def symbols_in_scope(frame: gdb.Frame) -> Iterator[gdb.Symbol]:
    """The variables that can be seen at a frame, those of the innermost block first."""
    block = frame.block()
    while block and not block.is_global and not block.is_static:
        yield from block
        if block.function is not None:
            return
        block = block.superblock
