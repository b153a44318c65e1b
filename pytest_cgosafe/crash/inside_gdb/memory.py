"""The memory of the program at hand: words, text, and which parts of it are code."""

from __future__ import annotations

import bisect
import mmap
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import gdb

if TYPE_CHECKING:
    from collections.abc import Sequence


# Bytes: Go's largest stack. gdb aborts when it cannot allocate what it is asked for.
_LARGEST_READ = 1 << 30


def read(address: int, size: int) -> bytes | None:
    """`size` bytes at `address`, or None where not all of them can be read."""
    if address <= 0 or not 0 < size <= _LARGEST_READ:
        return None
    try:
        return bytes(gdb.selected_inferior().read_memory(address, size))
    except (gdb.error, OverflowError, ValueError):
        return None


def word(address: int) -> int | None:
    """The 64-bit word at `address`, or None."""
    data = read(address, 8)
    return None if data is None else struct.unpack("<Q", data)[0]


def words(address: int, count: int) -> list[int]:
    """Up to `count` words from `address` up, as many as can be read."""
    while count > 0:
        data = read(address, 8 * count)
        if data is not None:
            return list(struct.unpack(f"<{count}Q", data))
        count -= 1
    return []


def text(address: int, limit: int = 512) -> str | None:
    """The C string at `address`, cut at `limit` bytes, or None where it cannot be read."""
    taken = b""
    while len(taken) < limit:
        size = min(64 - (address + len(taken)) % 64, limit - len(taken))
        data = read(address + len(taken), size)
        if data is None:
            return taken.decode(errors="replace") if taken else None
        end = data.find(b"\0")
        if end >= 0:
            return (taken + data[:end]).decode(errors="replace")
        taken += data
    return taken.decode(errors="replace")


@dataclass(frozen=True)
class Mapping:
    """One mapping of the program's memory."""

    start: int
    end: int
    readable: bool
    writable: bool
    executable: bool
    name: str


class Mappings:
    """The program's mappings, lowest first."""

    def __init__(self, mappings: Sequence[Mapping]) -> None:
        self.all = sorted(mappings, key=lambda mapping: mapping.start)
        self._starts = [mapping.start for mapping in self.all]

    def at(self, address: int) -> Mapping | None:
        """The mapping that holds `address`, or None."""
        index = bisect.bisect_right(self._starts, address) - 1
        found = self.all[index] if index >= 0 else None
        return found if found and address < found.end else None

    def above(self, address: int) -> Mapping | None:
        """The first mapping that starts above `address`, or None."""
        index = bisect.bisect_right(self._starts, address)
        return self.all[index] if index < len(self.all) else None

    def is_writable(self, address: int) -> bool:
        """Whether `address` may be written."""
        mapping = self.at(address)
        return mapping is not None and mapping.writable

    def is_code(self, address: int) -> bool:
        """Whether `address` may be executed."""
        mapping = self.at(address)
        return mapping is not None and mapping.executable


_PROC_LINE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (....) \S+ \S+ \S+ *(.*)")
_SECTION_LINE = re.compile(r"\s*\[\d+\]\s+0x([0-9a-f]+)->0x([0-9a-f]+) at \S+ (\S+) (.*)")


def live_mappings(pid: int) -> Mappings:
    """The mappings of a living process, from ``/proc/PID/maps`` (proc(5))."""
    lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    limit = _stack_limit(pid)
    found = (_PROC_LINE.match(line) for line in lines)
    return Mappings([_mapping(m, limit) for m in found if m])


def _mapping(line: re.Match[str], stack_limit: int) -> Mapping:
    start, end, rights, name = int(line[1], 16), int(line[2], 16), line[3], line[4]
    if name == "[stack]":
        # A debugger's reading below it makes it grow, by the debugger's limit (expand_stack in the kernel's mm/).
        start = max(start, end - stack_limit // mmap.PAGESIZE * mmap.PAGESIZE)
    return Mapping(start, end, rights[0] == "r", rights[1] == "w", rights[2] == "x", name)


def _stack_limit(pid: int) -> int:
    """Bytes of the soft RLIMIT_STACK; as good as endless where it is unlimited or can't be read."""
    try:
        text = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
    except OSError:
        text = ""
    match = re.search(r"^Max stack size +(\d+)", text, re.MULTILINE)
    return int(match[1]) if match else 1 << 63


def core_mappings() -> Mappings:
    """The mappings that a core file tells of: its load segments, as gdb names and flags them."""
    listing = gdb.execute("maintenance info sections", to_string=True)
    core = listing[listing.find("Core file:") :]
    found = (_SECTION_LINE.match(line) for line in core.splitlines())
    return Mappings(
        [
            Mapping(int(m[1], 16), int(m[2], 16), True, "READONLY" not in m[4], " CODE" in m[4], "")
            for m in found
            if m and m[3].startswith("load") and m[1] != m[2]
        ]
    )
