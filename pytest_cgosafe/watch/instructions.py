"""Whether an instruction does the same wherever it stands, so that a copy can be run in its place.

Only instructions that are known to do so count. What begins a function mostly does: it saves registers, makes room on
the stack, or reads an argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_cgosafe.watch.machine import Machine

_LEGACY_PREFIXES = b"\x26\x2e\x36\x3e\x64\x65\x66\xf2\xf3"
_REX = range(0x40, 0x50)
_PLAIN = frozenset((*range(0x50, 0x60), 0x68, 0x6A, 0x90, 0x98, 0x99, *range(0xB0, 0xC0), 0xC3))
"""push, pop, nop, cltq, cqto, mov of a constant, ret."""
_WITH_OPERAND = frozenset(
    (0x63, 0x69, 0x6B, 0x80, 0x81, 0x83, *range(0x84, 0x8C), 0x8D, 0xC0, 0xC1, 0xD1)
)
"""movslq, imul, arithmetic with a constant, test, xchg, mov, lea, shifts."""
_WITH_OPERAND_0F = frozenset(
    (
        *(0x10, 0x11, 0x12, 0x13, 0x16, 0x17, 0x1E, 0x1F, 0x28, 0x29, 0x2A, 0x2E, 0x2F, 0x57, 0x5A),
        *(0x6E, 0x6F, 0x7E, 0x7F, 0xAF, 0xB6, 0xB7, 0xBE, 0xBF, 0xD6, 0xEF),
    )
)
"""Moves and conversions of SSE registers, endbr64, nop, imul, movzx, movsx."""


def runs_anywhere(machine: Machine, code: bytes) -> bool:
    """Whether the instruction that `code` begins with is known not to depend on its address.

    `code` is as long as the machine's longest instruction, at least.
    """
    return _runs_anywhere_arm64(code) if machine.name == "aarch64" else _runs_anywhere_amd64(code)


def _runs_anywhere_amd64(code: bytes) -> bool:
    """By Intel's manual, volume 2, chapter 2 and appendix A."""
    at = len(code[:4]) - len(code[:4].lstrip(_LEGACY_PREFIXES))
    if code[at] in _REX:
        at += 1
    opcode, at = code[at], at + 1
    if opcode == 0x0F:
        return code[at] in _WITH_OPERAND_0F and not _is_relative(code[at + 1])
    if opcode < 0x40 and opcode & 7 < 6:  # add, or, adc, sbb, and, sub, xor, cmp
        return opcode & 7 >= 4 or not _is_relative(code[at])
    return opcode in _PLAIN or (opcode in _WITH_OPERAND and not _is_relative(code[at]))


def _is_relative(modrm: int) -> bool:
    """Whether a ModRM byte names memory by its distance from the program counter."""
    return modrm & 0xC7 == 0x05


def _runs_anywhere_arm64(code: bytes) -> bool:
    """By the Arm Architecture Reference Manual, C4.1: all but what is relative to the program counter."""
    word = int.from_bytes(code[:4], "little")
    relative = (
        (0x1F000000, 0x10000000),  # adr, adrp
        (0x7C000000, 0x14000000),  # b, bl
        (0xFE000000, 0x54000000),  # b.cond, bc.cond
        (0x7C000000, 0x34000000),  # cbz, cbnz, tbz, tbnz
        (0x3B000000, 0x18000000),  # ldr of a literal
        (0xFE000000, 0xD6000000),  # br, blr, ret and their kin
    )
    return not any(word & mask == value for mask, value in relative)
