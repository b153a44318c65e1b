"""The instruction at fault: what it is, and the addresses that its operands name.

Read from gdb's disassembly in AT&T syntax, x86-64 only: elsewhere nothing is said rather than guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import gdb

from . import memory

_MEMORY = re.compile(r"(-?0x[0-9a-f]+|-?\d+)?\((%\w+)?(?:,(%\w+),?(\d)?)?\)")
_REGISTER = re.compile(r"%(\w+)")
_MASK = 0xFFFF_FFFF_FFFF_FFFF
_WIDTHS = {"b": 1, "w": 2, "l": 4, "q": 8}
_USER_END, _KERNEL_START = 1 << 47, (1 << 64) - (1 << 47)
_UD2 = b"\x0f\x0b"


@dataclass(frozen=True)
class Instruction:
    """The instruction at a thread's pc."""

    mnemonic: str
    operands: str
    bases: tuple[int, ...]
    """The values of the registers that its memory operands start from."""

    @property
    def misses_the_address_space(self) -> bool:
        """Whether it goes through an address that no x86-64 program can have: not canonical."""
        return any(_USER_END <= base < _KERNEL_START for base in self.bases)


def at_pc(frame: gdb.Frame) -> Instruction | None:
    """The instruction at which `frame`, a thread's innermost one, stands; None where it can't be told."""
    try:
        text: str = frame.architecture().disassemble(frame.pc())[0]["asm"]
    except (gdb.error, IndexError):
        return None
    mnemonic, _, operands = text.partition(" ")
    bases = [_register(frame, match[2]) for match in _MEMORY.finditer(operands) if match[2]]
    if mnemonic in ("ret", "retq"):
        bases.append(memory.word(_register(frame, "%rsp") or 0))
    return Instruction(mnemonic, operands.strip(), tuple(b for b in bases if b is not None))


def is_trap(pc: int) -> bool:
    """Whether the instruction at `pc` is ud2, which compilers emit where control must not come."""
    return memory.read(pc, 2) == _UD2


def divisor(frame: gdb.Frame) -> int | None:
    """The divisor of the division at which `frame` stands; None where it can't be told."""
    instruction = at_pc(frame)
    if instruction is None or not re.match(r"i?div[bwlq]?$", instruction.mnemonic):
        return None
    width = _WIDTHS.get(instruction.mnemonic[-1], 0)
    match = _MEMORY.search(instruction.operands)
    if match and width:
        data = memory.read(_address(frame, match), width)
        return None if data is None else int.from_bytes(data, "little")
    name = _REGISTER.match(instruction.operands)
    return _register(frame, name[0]) if name else None


def _address(frame: gdb.Frame, match: re.Match[str]) -> int:
    base = _register(frame, match[2]) or 0
    index = (_register(frame, match[3]) or 0) * int(match[4] or 1)
    return (int(match[1] or "0", 0) + base + index) & _MASK


def _register(frame: gdb.Frame, name: str | None) -> int | None:
    if not name:
        return None
    try:
        return int(frame.read_register(name.lstrip("%"))) & _MASK
    except (gdb.error, ValueError):
        return None
