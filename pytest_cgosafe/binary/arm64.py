"""What arm64 instructions do to the stack pointer and to the flow, from Capstone's text of them."""

from __future__ import annotations

import re
from typing import Final

from pytest_cgosafe.binary.stackpointer import STOP, Architecture, Flow, StackPointer, Transfer

_CFA_ALIGNMENT: Final = 16
"""The stack pointer is a multiple of 16 (AAPCS64, 6.4.5.1)."""
_CALLEE_SAVED: Final = frozenset({f"x{number}" for number in range(19, 30)})
_STOPS: Final = frozenset({"ret", "retaa", "retab", "eret", "udf", "brk", "hlt"})
_CALLS: Final = frozenset({"blr", "blraa", "blrab", "blraaz", "blrabz"})
_JUMPS: Final = frozenset({"br", "braa", "brab", "braaz", "brabz"})
_TESTS: Final = frozenset({"cbz", "cbnz", "tbz", "tbnz"})
_READS_ONLY: Final = ("st", "cmp", "cmn", "tst", "ccmp", "prfm")
_NUMBER: Final = r"#(-?(?:0x[0-9a-f]+|\d+))"
_SUM: Final = re.compile(rf"(\w+), (\w+), {_NUMBER}(?:, lsl #(\d+))?")
_BEFORE: Final = re.compile(rf"\[(\w+), {_NUMBER}\](!?)")
_BEHIND: Final = re.compile(rf"\[(\w+)\], {_NUMBER}")
_TARGET: Final = re.compile(r"#(0x[0-9a-f]+)$")
_OFFSET_INTO_CODE: Final = re.compile(r"(\w+), \w+, \w+, (?:sxt|uxt|lsl)")


def _step(sp: StackPointer, mnemonic: str, operands: str, _after: int) -> Transfer | None:
    if mnemonic == "bl" or mnemonic in _CALLS:
        sp.keep(_CALLEE_SAVED)
        sp.constants.clear()
        return Transfer(Flow.CALL, _target(operands))
    if mnemonic == "b":
        return Transfer(Flow.JUMP, _target(operands))
    if mnemonic in _JUMPS:
        register = operands.partition(", ")[0]
        table = 0 if register == sp.table else None
        return Transfer(Flow.JUMP, slot=sp.constants.get(register), table=table)
    if mnemonic in _STOPS:
        return STOP
    if mnemonic.startswith("b.") or mnemonic in _TESTS:
        sp.constants.clear()  # another path may join with other values
        return Transfer(Flow.BRANCH, _target(operands))
    _plain(sp, mnemonic, operands)
    return None


def _plain(sp: StackPointer, mnemonic: str, operands: str) -> None:
    if before := _BEFORE.search(operands):
        _address(sp, before[1], int(before[2], 0), writes_back=bool(before[3]))
    elif behind := _BEHIND.search(operands):
        _add(sp, behind[1], behind[1], int(behind[2], 0))
    if mnemonic.startswith(_READS_ONLY):
        return
    register, _, source = operands.partition(", ")
    total = _SUM.fullmatch(operands)
    if mnemonic in {"add", "sub"} and total:
        value = int(total[3], 0) << int(total[4] or 0)
        _add(sp, total[1], total[2], value if mnemonic == "add" else -value)
    elif register == "sp":
        _set_stack_pointer(sp, mnemonic, source)
    elif mnemonic == "mov" and source == "sp":
        sp.copies[register] = sp.depth
    elif mnemonic in {"adrp", "adr"} and (target := _target(operands)) is not None:
        sp.forget(register)
        sp.constants[register] = target
    elif mnemonic == "ldr" and before and before[1] in sp.constants:
        slot = sp.constants[before[1]] + int(before[2], 0)
        sp.forget(register)
        sp.constants[register] = slot  # the word's address: what `br` then goes by
    elif mnemonic == "add" and _OFFSET_INTO_CODE.match(operands):
        sp.forget(register)
        sp.table = register
    else:
        _write(sp, mnemonic, operands)


def _write(sp: StackPointer, mnemonic: str, operands: str) -> None:
    written = operands.split(", ")[: 2 if mnemonic.startswith(("ldp", "ldnp", "ldxp")) else 1]
    for name in written:
        sp.forget(f"x{name[1:]}" if name.startswith("w") else name)


def _address(sp: StackPointer, base: str, offset: int, *, writes_back: bool) -> None:
    if writes_back:
        _add(sp, base, base, offset)
    elif base == "sp" or base in sp.copies:
        sp.touch((sp.depth if base == "sp" else sp.copies[base]) - offset)


def _add(sp: StackPointer, register: str, base: str, value: int) -> None:
    """``register = base + value``."""
    depth = sp.depth if base == "sp" else sp.copies.get(base)
    constant = sp.constants.get(base)
    if register == "sp":
        if depth is None:
            sp.lost = True
        else:
            sp.move(depth - value - sp.depth)
        return
    sp.forget(register)
    if depth is not None:
        sp.copies[register] = depth - value
    elif constant is not None and register != "x16":  # a PLT entry leaves the slot's address there
        sp.constants[register] = constant + value


def _set_stack_pointer(sp: StackPointer, mnemonic: str, source: str) -> None:
    if mnemonic == "mov":
        sp.back_to(source)
    elif mnemonic == "and":
        mask = _TARGET.search(source)
        sp.align((1 << 64) - int(mask[1], 16) if mask else 0, _CFA_ALIGNMENT)
    else:
        sp.dynamic = True


def _target(operands: str) -> int | None:
    match = _TARGET.search(operands)
    return int(match[1], 16) if match else None


ARM64: Final = Architecture(
    name="arm64",
    capstone=("ARM64", "ARM"),
    entry=0,
    stack_register=31,
    step=_step,
)
