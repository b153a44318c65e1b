"""What amd64 instructions do to the stack pointer and to the flow, from Capstone's text of them (Intel's syntax)."""

from __future__ import annotations

import re
from typing import Final

from pytest_cgosafe.binary.stackpointer import STOP, Architecture, Flow, StackPointer, Transfer

_WORD: Final = 8
_CFA_ALIGNMENT: Final = 16
"""The CFA of a function is a multiple of 16 (System V psABI for AMD64, 3.2.2)."""
_CALLEE_SAVED: Final = frozenset({"rbx", "rbp", "r12", "r13", "r14", "r15"})
_STOPS: Final = frozenset({"ret", "retf", "iretq", "hlt", "ud2", "ud1", "int3"})
_PUSHES: Final = frozenset({"push", "pushfq"})
_POPS: Final = frozenset({"pop", "popfq"})
_READS_ONLY: Final = frozenset({"cmp", "test", "push", "bt"})
_BRANCHES: Final = ("j", "loop")
_NUMBER: Final = r"(-?(?:0x[0-9a-f]+|\d+))"
_IMMEDIATE: Final = re.compile(rf"rsp, {_NUMBER}")
_ADDRESS: Final = re.compile(rf"\[(r\w+)(?: ([+-]) {_NUMBER})?\]")
_BELOW: Final = re.compile(rf"\[(r\w+)(?: \+ \w+\*\d)? - {_NUMBER}\]")
_RIP: Final = re.compile(rf"\[rip ([+-]) {_NUMBER}\]")
_TABLE: Final = re.compile(rf"\[(?:(r\w+) \+ )?(r\w+)\*8(?: \+ {_NUMBER})?\]")
_FULL: Final = {
    **{f"e{name}": f"r{name}" for name in ("ax", "bx", "cx", "dx", "si", "di", "bp")},
    **{f"r{number}d": f"r{number}" for number in range(8, 16)},
}


def _step(sp: StackPointer, mnemonic: str, operands: str, after: int) -> Transfer | None:
    if " " in mnemonic:  # bnd, notrack, rep
        prefix, _, mnemonic = mnemonic.rpartition(" ")
        if prefix == "notrack" and mnemonic == "jmp":
            return Transfer(Flow.JUMP, table=0)
    if mnemonic == "call":
        sp.keep(_CALLEE_SAVED)
        return _call(operands, after)
    if mnemonic == "jmp":
        return _jump(sp, operands, after)
    if mnemonic in _STOPS:
        return STOP
    if mnemonic.startswith(_BRANCHES):
        return Transfer(Flow.BRANCH, int(operands, 16)) if operands.startswith("0x") else None
    _move(sp, mnemonic, operands, after)
    return None


def _move(sp: StackPointer, mnemonic: str, operands: str, after: int) -> None:
    if mnemonic in _PUSHES:
        sp.move(_WORD)
    elif mnemonic in _POPS:
        sp.depth -= _WORD
        sp.lost = sp.lost or operands == "rsp"
        _write(sp, operands)
    elif mnemonic == "leave":
        sp.back_to("rbp")
        sp.depth -= _WORD
        sp.forget("rbp")
    elif operands.startswith("rsp"):
        _set_stack_pointer(sp, mnemonic, operands)
    else:
        _plain(sp, mnemonic, operands, after)


def _call(operands: str, after: int) -> Transfer:
    if operands.startswith("0x"):
        return Transfer(Flow.CALL, int(operands, 16))
    return Transfer(Flow.CALL, slot=_rip(operands, after))


def _jump(sp: StackPointer, operands: str, after: int) -> Transfer:
    if operands.startswith("0x"):
        return Transfer(Flow.JUMP, int(operands, 16))
    if sp.table is not None and operands == sp.table:
        return Transfer(Flow.JUMP, table=sp.table_address)
    if table := _table(sp, operands):
        return Transfer(Flow.JUMP, table=table)
    return Transfer(Flow.JUMP, slot=_rip(operands, after))


def _set_stack_pointer(sp: StackPointer, mnemonic: str, operands: str) -> None:
    immediate = _IMMEDIATE.fullmatch(operands)
    value = _signed(immediate[1]) if immediate else None
    if mnemonic in {"sub", "add"}:
        if value is None:
            sp.dynamic = True
        else:
            sp.move(value if mnemonic == "sub" else -value)
    elif mnemonic == "and":
        sp.align(-value if value is not None else 0, _CFA_ALIGNMENT)
    elif mnemonic == "cmp":
        sp.limit = sp.copies.get(operands.partition(", ")[2])
        sp.move(max(0, (sp.limit or 0) - sp.depth))
    elif mnemonic == "mov":
        sp.back_to(operands.partition(", ")[2])
    elif mnemonic == "lea":
        depth = _depth_of(sp, operands)
        if depth is None:
            sp.lost = True
        else:
            sp.move(depth - sp.depth)
    elif mnemonic not in _READS_ONLY:
        sp.lost = True


def _plain(sp: StackPointer, mnemonic: str, operands: str, after: int) -> None:
    if "rsp" in operands or sp.copies:
        below = _BELOW.search(operands)
        if below and (below[1] == "rsp" or below[1] in sp.copies):
            base = sp.depth if below[1] == "rsp" else sp.copies[below[1]]
            sp.touch(base + int(below[2], 0))
    if mnemonic in _READS_ONLY:
        return
    register, _, source = operands.partition(", ")
    if mnemonic == "mov" and source == "rsp":
        _write(sp, register)
        sp.copies[register] = sp.depth
    elif mnemonic == "lea" and (depth := _depth_of(sp, operands)) is not None:
        _write(sp, register)
        sp.copies[register] = depth
    elif mnemonic == "lea" and (address := _rip(operands, after)):
        _write(sp, register)
        sp.constants[register] = address
    elif mnemonic == "add" and (register in sp.constants or source in sp.constants):
        _is_table(sp, register, 0)  # an offset into the function was added to the table's address
    elif mnemonic == "mov" and (table := _table(sp, source)):
        _is_table(sp, register, table)
    else:
        _write(sp, register)
        if mnemonic == "xchg":
            _write(sp, source)


def _table(sp: StackPointer, operand: str) -> int | None:
    """The address of the array of addresses that an operand like ``[rdx*8 + 0x4020]`` picks from."""
    match = _TABLE.search(operand)
    if not match:
        return None
    base = sp.constants.get(match[1]) if match[1] else 0
    offset = int(match[3], 0) if match[3] else 0
    return None if base is None else base + offset or None


def _is_table(sp: StackPointer, register: str, address: int) -> None:
    sp.forget(register)
    sp.table, sp.table_address = register, address


def _write(sp: StackPointer, register: str) -> None:
    sp.forget(_FULL.get(register, register))


def _depth_of(sp: StackPointer, operands: str) -> int | None:
    """How deep the address of an operand like ``[rbp - 0x20]`` lies."""
    address = _ADDRESS.search(operands)
    if not address:
        return None
    base = sp.depth if address[1] == "rsp" else sp.copies.get(address[1])
    if base is None:
        return None
    offset = int(address[3], 0) if address[3] else 0
    return base + offset if address[2] == "-" else base - offset


def _rip(operands: str, after: int) -> int | None:
    match = _RIP.search(operands)
    if not match:
        return None
    return after + int(match[2], 0) * (1 if match[1] == "+" else -1)


def _signed(text: str) -> int:
    """Capstone prints negative immediates in either way."""
    value = int(text, 0)
    return value - (1 << 64) if value >= 1 << 63 else value


AMD64: Final = Architecture(
    name="amd64",
    capstone=("X86", "64"),
    entry=_WORD,
    stack_register=7,
    step=_step,
)
