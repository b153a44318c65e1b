"""Where in the source an instruction comes from, by gdb: binutils' addr2line 2.40 finds no lines in Go's binaries."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.errors import ToolchainError
from pytest_cgosafe.toolchain import gdb_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_SETTINGS: Final = ("set auto-load off", "set debuginfod enabled off")
_SCRIPT: Final = """python
for address in {addresses}:
    place = gdb.find_pc_line(address)
    if place.symtab and place.line:
        print("line", address, place.line, place.symtab.fullname())
"""
_ANSWER: Final = re.compile(r"^line (\d+) (\d+) (.+)$", re.MULTILINE)
_TIMEOUT: Final = 60.0  # seconds


def source_lines(path: Path, addresses: Iterable[int]) -> Mapping[int, tuple[str, int]]:
    """File and line of each address as linked; those that are not told are left out, all of them without a gdb."""
    wanted = sorted(set(addresses))
    if not wanted:
        return {}
    settings = [word for setting in _SETTINGS for word in ("-iex", setting)]
    script = _SCRIPT.format(addresses=wanted)
    try:
        done = subprocess.run(
            [str(gdb_path()), "--nx", "-batch", *settings, "-ex", script, str(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT,
        )
    except (OSError, ToolchainError, subprocess.TimeoutExpired):
        return {}
    return {int(address): (file, int(line)) for address, line, file in _ANSWER.findall(done.stdout)}
