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
    goroutine_stack: range
    """The stack of the goroutine that the thread is running; empty where it runs none."""


@dataclass(frozen=True)
class GoState:
    """The Go part of a process, in the program itself or in a library that it loaded."""

    memory: Memory
    elf: Elf
    bias: int
    """What to add to addresses as linked."""

    def is_go_code(self, pc: int) -> bool | None:
        """Whether `pc` lies in code that the Go linker laid out; None where the symbols are stripped."""
        text = self.elf.go_text
        return None if text is None else pc - self.bias in text

    @property
    def panicking(self) -> bool | None:
        """Whether the runtime is printing its last report; None where that can't be read.

        True to the end when a signal killed the program; a panic or a fatal error counts itself off before it exits
        (`dopanic_m` in panic.go).
        """
        symbol = self.elf.symbol("runtime.panicking")
        count = self._number(symbol.address + self.bias, "<I") if symbol else None
        return None if count is None else count != 0

    def thread(self, tid: int) -> GoThread | None:
        """The thread, or None: the runtime doesn't know it, or where it keeps what it knows can't be found out."""
        m = self._find_m(tid)
        curg = m and self._field(m, "curg")
        calls = m and self._field(m, "ncgo", "<i")
        extra = m and self._field(m, "isextra", "<B")  # made for a thread that C created
        if curg is None or calls is None or extra is None:
            return None
        stack = self._stack(curg)
        return (
            None
            if stack is None
            else GoThread(in_callback=calls > 0 or extra != 0, goroutine_stack=stack)
        )

    @cached_property
    def _m(self) -> Mapping[str, int]:
        return field_offsets(self.elf.path, "runtime.m")

    @cached_property
    def _g(self) -> Mapping[str, int]:
        return field_offsets(self.elf.path, "runtime.g")

    def _find_m(self, tid: int) -> int | None:
        symbol = self.elf.symbol("runtime.allm")
        m = self._number(symbol.address + self.bias) if symbol else None
        for _ in range(_MOST_THREADS):
            if not m or self._field(m, "procid") == tid:
                break
            m = self._field(m, "alllink")
        return m or None

    def _stack(self, g: int) -> range | None:
        if not g:
            return range(0)
        at = self._g.get("stack")
        low, high = (None, None) if at is None else (self._number(g + at), self._number(g + at + 8))
        return None if low is None or high is None else range(low, high)

    def _field(self, m: int, name: str, form: str = "<Q") -> int | None:
        offset = self._m.get(name)
        return None if offset is None else self._number(m + offset, form)

    def _number(self, address: int, form: str = "<Q") -> int | None:
        raw = self.memory.read(address, struct.calcsize(form))
        return int(struct.unpack(form, raw)[0]) if len(raw) == struct.calcsize(form) else None


def find_go(pid: int, memory: Memory, program: Elf | None) -> GoState | None:
    """The Go part of process `pid`, whose executable is `program`; None where there is none, or none yet."""
    if program and program.is_go:
        entry = procfs.entry_point(pid)
        return None if entry is None else GoState(memory, program, entry - program.entry)
    for mapping in procfs.mappings(pid):
        if mapping.offset == 0 and mapping.path.startswith("/") and ".so" in mapping.path:
            library = read_elf(Path(mapping.path))
            if library and library.is_go:
                return GoState(memory, library, mapping.start)
    return None
