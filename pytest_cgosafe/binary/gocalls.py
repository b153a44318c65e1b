"""Where Go called C: the goroutine stacks that the frames on a thread stack belong to."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.binary.elf import read_elf
from pytest_cgosafe.watch.remains import Copy, Link

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_cgosafe.watch.procfs import Mapping, Memory

_SYMBOLS: Final = ("runtime.asmcgocall.abi0", "runtime.asmcgocall")
_DEPTHS: Final = (0, 40)
"""Where `asmcgocall` keeps the depth at which it left the goroutine's stack, and next to it the goroutine: bytes from
its stack pointer, from Go 1.22 on and before (runtime/asm_amd64.s)."""
_CALL: Final = re.compile(rb"\xe8....|\xff\xd0", re.DOTALL)
_MOST = 16
_LARGEST_COPY = 16 << 10
_LARGEST_STACK = 1 << 30
"""The default of debug.SetMaxStack on 64-bit machines."""


def go_calls(memory: Memory, stack: Copy, files: Sequence[Mapping]) -> tuple[Link, ...]:
    """The goroutine stacks from which calls came whose frames stand on `stack`, as they are now."""
    found: list[Link] = []
    for site in _return_addresses(memory, files):
        for slot in _occurrences(stack, site):
            if len(found) == _MOST:
                break
            sp = slot + 8
            copies = (_goroutine(memory, stack, sp + offset) for offset in _DEPTHS)
            copy = next(filter(None, copies), None)
            if copy:
                found.append(Link(sp, copy))
    return tuple(found)


def _return_addresses(memory: Memory, files: Sequence[Mapping]) -> Iterator[int]:
    """Where C functions return to in `asmcgocall`."""
    for mapping in files:
        if mapping.offset:
            continue
        elf = read_elf(Path(mapping.path))
        for name in _SYMBOLS if elf and elf.is_go else ():
            symbol = elf and elf.symbol(name)
            if elf and symbol:
                start = symbol.address + mapping.start - elf.base
                code = memory.read(start, symbol.size)
                yield from (start + match.end() for match in _CALL.finditer(code))


def _occurrences(stack: Copy, word: int) -> Iterator[int]:
    wanted = struct.pack("<Q", word)
    at = stack.data.find(wanted)
    while at >= 0:
        if at % 8 == 0:
            yield stack.start + at
        at = stack.data.find(wanted, at + 1)


def _goroutine(memory: Memory, stack: Copy, at: int) -> Copy | None:
    """The goroutine's stack from where it was left; None where what stands at `at` describes none."""
    depth, g = stack.word(at), stack.word(at + 8)
    raw = memory.read(g, 16) if g else b""
    if not depth or len(raw) < 16:
        return None
    low, high = struct.unpack("<QQ", raw)  # g.stack, its first field (runtime/runtime2.go)
    size = high - low
    if not depth < size <= _LARGEST_STACK:
        return None
    return Copy(high - depth, memory.read(high - depth, min(depth, _LARGEST_COPY)))
