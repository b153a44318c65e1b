"""What happened, in one line: from the signal, the registers, the memory and the frames.

Each explanation answers only where what it says is certain; the last one says what is known.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import gdb

from . import aborts, freed, gomaps, memory, operands, overflows

if TYPE_CHECKING:
    from collections.abc import Callable

    from .evidence import MapVariable, Pointer
    from .facts import Facts

_NULL_LIMIT = 1 << 16
"""What lies below is never mapped (vm.mmap_min_addr, and the first page of any struct at NULL)."""
_SEGV_ACCERR, _SI_KERNEL, _FPE_INTDIV, _BUS_ADRERR = 2, 0x80, 1, 2


def explain(facts: Facts) -> str | None:
    """The cause in one line; None where only Go's own report can tell."""
    if facts.code <= 0 and facts.signal != "SIGABRT":  # sigaction(2): SI_USER, SI_TKILL, SI_QUEUE
        return f"{facts.signal} sent by a process, not raised by a fault, in {facts.place}"
    if facts.signal in ("SIGSEGV", "SIGBUS"):
        steps: tuple[Callable[[Facts], str | None], ...] = (
            overflows.thread_overflow,
            _no_code,
            _go_map,
            _freed,
            _null,
            _end_of_file,
            _bad_pointer,
        )
        return next((text for step in steps if (text := step(facts))), None)
    by_signal: dict[str, Callable[[Facts], str | None]] = {
        "SIGFPE": _division,
        "SIGILL": _illegal,
        "SIGABRT": _abort,
        "SIGTRAP": lambda facts: f"a breakpoint instruction in {facts.function}",
        "SIGSYS": lambda facts: f"a system call that a seccomp filter forbids, in {facts.function}",
    }
    step = by_signal.get(facts.signal)
    return step(facts) if step else None


def _no_code(facts: Facts) -> str | None:
    if facts.mappings.is_code(facts.pc):
        return None
    caller = facts.caller(lambda name: name is None)
    if facts.pc < _NULL_LIMIT:
        return f"call through a null function pointer in {caller}"
    mapping = facts.mappings.at(facts.pc)
    what = "memory that is data, not code" if mapping else "an address that is not mapped"
    return f"call through a wild function pointer in {caller}: {facts.pc:#x} is {what}"


def _go_map(facts: Facts) -> str | None:
    if facts.in_go:
        return None
    for pointer in facts.evidence.pointers:
        for variable in facts.evidence.maps:
            if pointer.value and pointer.value in (variable.value, variable.address):
                return _map_text(facts, pointer, variable, memory.word(variable.value))
    for pointer in facts.evidence.pointers:
        direct = gomaps.length_of_map(pointer.value)
        inner = memory.word(pointer.value) if direct is None else None
        length = gomaps.length_of_map(inner) if inner else direct
        if length is not None:
            return _map_text(facts, pointer, None, length)
    return None


def _map_text(
    facts: Facts, pointer: Pointer, variable: MapVariable | None, length: int | None
) -> str:
    entries = "" if length is None else f"{length} entries" if length != 1 else "1 entry"
    if variable:
        details = ", ".join(filter(None, (variable.type_name, entries)))
        held = f"the Go map `{variable.name}` of {variable.function} ({details})"
    else:
        held = f"a Go map ({entries})"
    crossed = ""
    if facts.evidence.caller:
        function, file, line = facts.evidence.caller
        crossed = f", given to C by {function}"
        crossed += f" at {file.rpartition('/')[2]}:{line}" if file and line else ""
    return f"a Go map read as C memory: `{pointer.name}` in `{pointer.function}` is {held}{crossed}"


def _freed(facts: Facts) -> str | None:
    here = [p for p in facts.evidence.pointers if p.frame == facts.culprit]
    expression = None if facts.in_go else freed.freed_expression(here)
    if expression is None:
        return None
    return f"use of freed memory in {facts.place}: `{expression}` was freed"


def _null(facts: Facts) -> str | None:
    address = facts.address
    if address is None or address >= _NULL_LIMIT or facts.code == _SI_KERNEL:
        return None
    text = f"null dereference at {address:#x} in {facts.place}"
    if facts.in_go:
        return text.replace("null dereference", "nil dereference")
    pointer = _pointer_at_fault(facts, lambda value: value <= address)
    if pointer is None:
        return text
    if pointer.value or facts.culprit > facts.evidence.first:
        return f"{text}: `{pointer.name}` is {pointer.value:#x}, which is no valid pointer"
    member = _member(pointer.target, address)
    return f"{text}: `{pointer.name}` is NULL" + (f" (reaching for `{member}`)" if member else "")


def _pointer_at_fault(facts: Facts, possible: Callable[[int], bool]) -> Pointer | None:
    """The one pointer variable of the innermost function that the instruction at fault went through."""
    frame = gdb.newest_frame()
    instruction = operands.at_pc(frame)
    here = facts.culprit
    mine = [p for p in facts.evidence.pointers if p.frame == here and possible(p.value)]
    if here == 0 and instruction and instruction.bases:
        mine = [p for p in mine if p.value in instruction.bases] or [
            p for p in mine if p.target.code != gdb.TYPE_CODE_INT
        ]
    if len(mine) > 1:
        line = _source_line(facts)
        mine = [p for p in mine if re.search(rf"(?<![\w.]){re.escape(p.name)}\b", line)]
    if len(mine) > 1:
        mine = [p for p in mine if p.target.code != gdb.TYPE_CODE_INT]
    return mine[0] if len(mine) == 1 else None


def _source_line(facts: Facts) -> str:
    frame = facts.trace.frames[facts.culprit]
    try:
        text = Path(frame["file"]).read_text(encoding="utf-8", errors="replace")
        line: str = text.splitlines()[frame["line"] - 1]
    except (OSError, IndexError, TypeError):
        return ""
    return line


def _member(target: gdb.Type, offset: int) -> str | None:
    if target.code not in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        return None
    for member in target.fields():
        start = getattr(member, "bitpos", -8) // 8
        if member.name and start <= offset < start + max(1, member.type.sizeof):
            return str(member.name)
    return None


def _end_of_file(facts: Facts) -> str | None:
    mapping = facts.mappings.at(facts.address or 0)
    if facts.signal != "SIGBUS" or facts.code != _BUS_ADRERR or mapping is None:
        return None
    file = f" of {mapping.name}" if mapping.name.startswith("/") else ""
    return f"access in {facts.function} beyond the end of a mapped file{file}"


def _bad_pointer(facts: Facts) -> str:
    address = facts.address
    if address is None or facts.code == _SI_KERNEL:
        what, address = _protection(facts), None
    elif facts.signal == "SIGBUS":
        what = f"at address {address:#x}"
    else:
        mapping = facts.mappings.at(address)
        refused = "may not be written" if mapping and mapping.readable else "may not be accessed"
        what = f"at address {address:#x}, which {refused if mapping else 'is not mapped'}"
    near = address
    pointer = _pointer_at_fault(
        facts,
        lambda value: (
            value > _NULL_LIMIT
            and (near is None or value <= near < value + _NULL_LIMIT)
            and not facts.mappings.is_writable(value)
        ),
    )
    via = f": `{pointer.name}` is {pointer.value:#x}" if pointer else ""
    return f"{facts.signal} {what}, in {facts.place}{via}"


def _protection(facts: Facts) -> str:
    """What the processor refused without naming an address."""
    instruction = operands.at_pc(gdb.newest_frame()) if facts.evidence.first == 0 else None
    if instruction is None:
        return "by the processor's general protection, which names no address"
    if instruction.misses_the_address_space:
        return "at an address that is none (not canonical)"
    return (
        f"on the instruction `{instruction.mnemonic}`, "
        "which is not allowed or whose operand is not aligned"
    )


def _division(facts: Facts) -> str:
    if facts.code != _FPE_INTDIV:
        return f"an arithmetic error in {facts.function}"
    divisor = operands.divisor(gdb.newest_frame())
    if divisor:
        return f"a division overflowed in {facts.function}: the quotient does not fit"
    return f"division by zero in {facts.function}"


def _illegal(facts: Facts) -> str:
    if operands.is_trap(facts.pc):
        return (
            f"a trap instruction in {facts.function}: __builtin_trap, __builtin_unreachable, "
            "or a compiler's check that failed"
        )
    code = memory.read(facts.pc, 8)
    return f"an illegal instruction in {facts.function}: {code.hex(' ') if code else 'unreadable'}"


def _abort(facts: Facts) -> str | None:
    frames = facts.trace.frames[facts.evidence.first :]
    names = [frame["function"] for frame in frames]
    if any(name in ("runtime.raise", "runtime.dieFromSignal", "runtime.crash") for name in names):
        return None
    thrown = aborts.thrown_exception(frames)
    if thrown:
        return f"uncaught C++ exception: {thrown}"
    caller = facts.caller(lambda name: not name or name in aborts.GLUE or name.startswith("_"))
    if aborts.calls_pure_virtual(frames):
        return f"a pure virtual function called by {caller}"
    message = aborts.libc_message()
    if message:
        return f"{aborts.kind_of(message)}: {message}"
    return f"abort() called by {caller}" if "abort" in names else f"SIGABRT in {facts.function}"
