"""What the Go runtime's own variables say about a stopped program, read from its memory without a debugger."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_cgosafe.binary.elf import read_elf
from pytest_cgosafe.binary.structs import field_offsets
from pytest_cgosafe.watch import procfs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_cgosafe.binary.elf import Elf
    from pytest_cgosafe.watch.procfs import Memory

_MOST_THREADS = (
    20_000  # a bound on the walk of a list in memory that may be damaged; twice Go's own limit
)


@dataclass(frozen=True, slots=True)
class GoThread:
    """An OS thread as the runtime knows it (`m` in runtime2.go)."""

    in_callback: bool
    """Go code that runs here was called by C, whose frames stand between it and the thread's start."""
    goroutine: int
    """The address of the goroutine (`g`) that the thread is running; 0 where it runs none."""
    goroutine_stack: range
    """Its stack; empty where the thread runs none."""
    thread_sp: int
    """Where the thread's own stack was left for the goroutine's: C's frames, in a callback; 0 where not known."""


class GoImage:
    """What is looked up once in the file that holds the Go runtime: symbols and struct layouts, as linked."""

    def __init__(self, elf: Elf) -> None:
        self.elf = elf

    @cached_property
    def text(self) -> range | None:
        """The code that the Go linker laid out; None where the symbols are stripped."""
        return self.elf.go_text

    @cached_property
    def panicking(self) -> int | None:
        """The address of the runtime's count of threads that are printing a last report."""
        return self._address("runtime.panicking")

    @cached_property
    def allm(self) -> int | None:
        """The address of the head of the runtime's list of threads."""
        return self._address("runtime.allm")

    @cached_property
    def m(self) -> Mapping[str, int]:
        """The offsets of the fields of a thread."""
        return field_offsets(self.elf.path, "runtime.m")

    @cached_property
    def g(self) -> Mapping[str, int]:
        """The offsets of the fields of a goroutine."""
        return field_offsets(self.elf.path, "runtime.g")

    def _address(self, name: str) -> int | None:
        symbol = self.elf.symbol(name)
        return symbol.address if symbol else None


@dataclass(frozen=True, slots=True)
class GoState:
    """The Go part of a stopped process."""

    memory: Memory
    image: GoImage
    bias: int
    """What to add to addresses as linked."""

    def is_go_code(self, pc: int) -> bool | None:
        """Whether `pc` lies in code that the Go linker laid out; None where the symbols are stripped."""
        return None if self.image.text is None else pc - self.bias in self.image.text

    @property
    def panicking(self) -> bool | None:
        """Whether the runtime is printing its last report; None where that can't be read.

        True to the end when a signal killed the program; a panic or a fatal error counts itself off before it exits
        (`dopanic_m` in panic.go).
        """
        address = self.image.panicking
        count = None if address is None else self._number(address + self.bias, "<I")
        return None if count is None else count != 0

    def thread(self, tid: int) -> GoThread | None:
        """The thread, or None: the runtime doesn't know it, or where it keeps what it knows can't be found out."""
        m = self._find_m(tid)
        if m is None:
            return None
        curg, calls = self._field(m, "curg"), self._field(m, "ncgo", "<i")
        extra = self._field(m, "isextra", "<B")  # made for a thread that C created
        if curg is None or calls is None or extra is None:
            return None
        stack = self._stack(curg)
        if stack is None:
            return None
        return GoThread(calls > 0 or extra != 0, curg, stack, self._thread_sp(m))

    def _thread_sp(self, m: int) -> int:
        g0, sched = self._field(m, "g0"), self.image.g.get("sched")  # sp comes first in it
        return (g0 and sched and self._number(g0 + sched)) or 0

    def _find_m(self, tid: int) -> int | None:
        head = self.image.allm
        m = None if head is None else self._number(head + self.bias)
        for _ in range(_MOST_THREADS):
            if not m or self._field(m, "procid") == tid:
                break
            m = self._field(m, "alllink")
        return m or None

    def _stack(self, g: int) -> range | None:
        if not g:
            return range(0)
        at = self.image.g.get("stack")
        low, high = (None, None) if at is None else (self._number(g + at), self._number(g + at + 8))
        return None if low is None or high is None else range(low, high)

    def _field(self, m: int, name: str, form: str = "<Q") -> int | None:
        offset = self.image.m.get(name)
        return None if offset is None else self._number(m + offset, form)

    def _number(self, address: int, form: str = "<Q") -> int | None:
        raw = self.memory.read(address, struct.calcsize(form))
        return int(struct.unpack(form, raw)[0]) if len(raw) == struct.calcsize(form) else None


class GoFinder:
    """Finds the Go part of one program: its executable, or a library that it loads sooner or later."""

    def __init__(self, program: Elf | None) -> None:
        self._program = GoImage(program) if program and program.is_go else None
        self._library: tuple[GoImage, int] | None = None

    def find(self, pid: int, memory: Memory) -> GoState | None:
        """The Go part of process `pid`, or None where there is none, or none yet."""
        if self._program:
            entry = procfs.entry_point(pid)
            return (
                None
                if entry is None
                else GoState(memory, self._program, entry - self._program.elf.entry)
            )
        if self._library is None:
            self._library = _find_library(pid)
        return GoState(memory, *self._library) if self._library else None


def _find_library(pid: int) -> tuple[GoImage, int] | None:
    for mapping in procfs.mappings(pid):
        if mapping.offset == 0 and mapping.path.startswith("/") and ".so" in mapping.path:
            library = read_elf(Path(mapping.path))
            if library and library.is_go:
                return GoImage(library), mapping.start
    return None
