"""What /proc tells of a process (proc(5)): its mappings, memory, limits and threads."""

from __future__ import annotations

import errno
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096

_AT_ENTRY = 9
_STACK_LIMIT = re.compile(r"^Max stack size +(\d+|unlimited)", re.MULTILINE)
_HUGE_PAGES = re.compile(r"^AnonHugePages: +(\d+) kB", re.MULTILINE)

# The top byte of a pagemap entry: bit 63 present, 62 swapped, 58 a guard that only looks like a swapped page
# (Documentation/admin-guide/mm/pagemap.rst).
_TOUCHED = bytes(bool(top & 0xC0) and not top & 0x04 for top in range(256))


@dataclass(frozen=True, slots=True)
class Mapping:
    """A line of ``/proc/PID/maps``."""

    start: int
    end: int
    offset: int
    path: str
    """A file, ``[stack]`` and its like, or empty."""


def parse_mappings(text: str) -> tuple[Mapping, ...]:
    """The mappings that the text of ``/proc/PID/maps`` lists, lowest first."""
    found = []
    for line in text.splitlines():
        fields = line.split(None, 5)
        start, _, end = fields[0].partition("-")
        path = fields[5] if len(fields) > 5 else ""
        found.append(Mapping(int(start, 16), int(end, 16), int(fields[2], 16), path))
    return tuple(found)


def mappings(pid: int) -> tuple[Mapping, ...]:
    """The mappings of a process, lowest first."""
    return parse_mappings(os.fsdecode(Path(f"/proc/{pid}/maps").read_bytes()))


def entry_point(pid: int) -> int | None:
    """Where the program's entry point was loaded: AT_ENTRY of the auxiliary vector (getauxval(3))."""
    raw = Path(f"/proc/{pid}/auxv").read_bytes()
    pairs = struct.iter_unpack("<QQ", raw[: len(raw) // 16 * 16])
    return next((value for kind, value in pairs if kind == _AT_ENTRY), None)


def parse_stack_limit(text: str) -> int | None:
    """The soft RLIMIT_STACK that the text of ``/proc/PID/limits`` gives, in bytes; None where it is unlimited."""
    match = _STACK_LIMIT.search(text)
    return int(match[1]) if match and match[1] != "unlimited" else None


def stack_limit(pid: int) -> int | None:
    """The soft RLIMIT_STACK of a process, in bytes; None where it is unlimited."""
    return parse_stack_limit(Path(f"/proc/{pid}/limits").read_text())


def thread_name(pid: int, tid: int) -> str | None:
    """The thread's name, or None when it is gone."""
    try:
        return os.fsdecode(Path(f"/proc/{pid}/task/{tid}/comm").read_bytes()).removesuffix("\n")
    except OSError:
        return None


def thread_ids(pid: int) -> tuple[int, ...]:
    """The threads of a process; none when it is gone."""
    try:
        return tuple(int(entry) for entry in os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208 (three times as fast)
    except OSError:
        return ()


def is_thread_of(pid: int, tid: int) -> bool:
    """Whether `tid` is a thread of process `pid`."""
    return os.access(f"/proc/{pid}/task/{tid}", os.F_OK)


def any_running(pid: int) -> bool:
    """Whether any thread of a process is neither stopped nor ended."""
    return any(_state(pid, tid) not in "TZX" for tid in thread_ids(pid))


def _state(pid: int, tid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/task/{tid}/stat").read_bytes()
    except OSError:
        return "X"
    return chr(stat[stat.rindex(b")") + 2])


def has_huge_pages(smaps: str, address: int) -> bool:
    """Whether ``/proc/PID/smaps`` tells of transparent huge pages in the mapping that holds `address`."""
    for block in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", smaps, flags=re.MULTILINE)[1:]:
        low, high = (int(part, 16) for part in block.split(None, 1)[0].split("-"))
        if low <= address < high:
            match = _HUGE_PAGES.search(block)
            return bool(match and match[1] != "0")
    return False


class Memory:
    """The memory of the program that a process runs now; by what is open, even when its first thread is gone."""

    def __init__(self, pid: int) -> None:
        self._files: list[int] = []
        self._mem, self._pagemap, self._maps, self._smaps = (
            self._open(f"/proc/{pid}/{name}") for name in ("mem", "pagemap", "maps", "smaps")
        )

    def _open(self, path: str) -> int:
        self._files.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        return self._files[-1]

    def close(self) -> None:
        """Let go of it."""
        while self._files:
            os.close(self._files.pop())

    def mappings(self) -> tuple[Mapping, ...]:
        """What is mapped, lowest first; nothing when the last thread is gone."""
        return parse_mappings(_read_again(self._maps))

    def has_huge_pages(self, address: int) -> bool:
        """Whether transparent huge pages are in the mapping that holds `address`: one touch then fills 2 MiB."""
        return has_huge_pages(_read_again(self._smaps), address)

    def read(self, address: int, size: int) -> bytes:
        """Up to `size` bytes; fewer where the next page can't be read, none where the first can't."""
        try:
            return os.pread(self._mem, size, address)
        except (OSError, OverflowError):
            return b""

    def lowest_page(self, low: int, high: int) -> int | None:
        """The lowest address of a page between `low` and `high` that was ever touched; None where there is none.

        Raises OSError where the kernel does not show it.
        """
        first, last = low // PAGE, -(-high // PAGE)
        entries = os.pread(self._pagemap, 8 * (last - first), 8 * first)
        page = entries[7::8].translate(_TOUCHED).find(1)
        return None if page < 0 else (first + page) * PAGE


class Code:
    """The code of a process, to be written: also where its pages may not be (ptrace(2)'s FOLL_FORCE)."""

    def __init__(self, pid: int) -> None:
        """Raises OSError where that is forbidden."""
        self._file = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._file)

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes. Raises OSError where they can't all be read."""
        data = os.pread(self._file, size, address)
        if len(data) < size:
            raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))
        return data

    def write(self, address: int, data: bytes) -> None:
        """Replace what stands there. Raises OSError where it can't be."""
        if os.pwrite(self._file, data, address) < len(data):
            raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))


def _read_again(file: int) -> str:
    os.lseek(file, 0, os.SEEK_SET)
    return os.fsdecode(b"".join(iter(lambda: os.read(file, 1 << 16), b"")))
