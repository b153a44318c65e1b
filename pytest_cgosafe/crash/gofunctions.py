"""Names of Go code, by Go's own function table in the file."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from pytest_cgosafe.binary.elf import read_elf
from pytest_cgosafe.crash.inside_gdb.functable import MAGIC, FunctionTable
from pytest_cgosafe.results import Place

if TYPE_CHECKING:
    from pathlib import Path


def place_of(path: Path, pc: int, *, returns: bool = False) -> Place | None:
    """What stands at `pc`, an address as linked, in the file at `path`; None where that is no Go code.

    With `returns`, `pc` is where a call returns to: the place is that of the call.
    """
    table = function_table(path)
    function = table.at(pc) if table else None
    if table and function and returns and pc > function.entry:
        function = table.at(pc - 1)
    return Place(function.name, function.file, function.line) if function else None


def function_table(path: Path) -> FunctionTable | None:
    """The function table in the file at `path`; None where it has none, or no symbols."""
    try:
        status = path.stat()
        return _function_table(path, status.st_mtime_ns, status.st_size)
    except (OSError, ELFError, struct.error):
        return None


@lru_cache(maxsize=8)
def _function_table(path: Path, _mtime_ns: int, _size: int) -> FunctionTable | None:
    elf = read_elf(path)
    text = elf.go_text if elf else None
    if text is None:
        return None
    with path.open("rb") as file:
        sections = ELFFile(file).iter_sections()
        data = next((one.data() for one in sections if one.name.endswith("gopclntab")), b"")
    return FunctionTable(data, text) if data[:4] == struct.pack("<I", MAGIC) else None
