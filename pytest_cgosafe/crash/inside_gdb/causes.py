"""What happened, in one line: from the signal, the registers, the memory and the frames.

Each explanation answers only where what it says is certain; the last one says what is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gdb

from . import aborts, gomaps, memory, operands

if TYPE_CHECKING:
    from collections.abc import Callable

    from .evidence import Evidence, MapVariable, Pointer
    from .memory import Mappings
    from .trace import Trace

_NULL_LIMIT = 1 << 16
"""What lies below is never mapped (vm.mmap_min_addr, and the first page of any struct at NULL)."""
_LIBRARY = re.compile(r"/(libc|libm|libpthread|libstdc\+\+|libgcc_s|ld-\w[\w-]*)[.-][^/]*$")
_CGO_CALL = re.compile(r"_cgo_[0-9a-f]+_Cfunc_(\w+)")
_STACK_REACH = 1 << 20
_SEGV_ACCERR, _SI_KERNEL, _FPE_INTDIV, _BUS_ADRERR = 2, 0x80, 1, 2


@dataclass(frozen=True)
class Facts:
    """What is known when a cause is asked for."""

    tid: int
    signal: str
    code: int
    address: int | None
    pc: int
    sp: int
    in_go: bool
    """Whether `pc` is Go code."""
    trace: Trace
    evidence: Evidence
    mappings: Mappings

    @property
    def culprit(self) -> int:
        """The number of the innermost frame that is not the C library's."""
        first = self.evidence.first
        frames = enumerate(self.trace.frames[first:], start=first)
        return next((i for i, frame in frames if not _is_library(frame["pc"])), first)

    @property
    def place(self) -> str:
        """The innermost function, and who called it when it is the C library's."""
        culprit = self.culprit
        caller = self.trace.frames[culprit]["function"] if culprit > self.evidence.first else None
        return f"{self.function}, called by `{caller}`" if caller else self.function

    @property
    def function(self) -> str:
        """The function at fault, in backquotes."""
        name = self.trace.frames[self.evidence.first]["function"]
        called = _CGO_CALL.fullmatch(name or "")
        if called:  # gcc moves a function's first loads into its only caller
            return f"cgo's call of `{called[1]}`"
        return f"`{name}`" if name else "code without a name"

    def caller(self, passed: Callable[[str | None], bool]) -> str:
        """The first function outside those that are `passed` over, in backquotes."""
        names = (frame["function"] for frame in self.trace.frames[self.evidence.first :])
        name = next((name for name in names if not passed(name)), None)
        glue = name is None or name.startswith("runtime.")
        return "code without a name" if glue else f"`{name}`"


def explain(facts: Facts) -> str | None:
    """The cause in one line; None where only Go's own report can tell."""
    if facts.signal in ("SIGSEGV", "SIGBUS"):
        steps: tuple[Callable[[Facts], str | None], ...] = (
            _stack_overflow,
            _no_code,
            _go_map,
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


def goroutine_overflow(trace: Trace, size: int | None) -> str | None:
    """That a goroutine's stack, `size` bytes large, reached its limit; None where it was something else."""
    names = [frame["function"] for frame in trace.frames]
    if "runtime.newstack" not in names or "runtime.throw" not in names:
        return None
    after = names[names.index("runtime.newstack") + 1 :]
    name = next((n for n in after if n and not n.startswith("runtime.morestack")), None)
    if not name:
        return None
    much = f" of {bytes_text(size)}" if size else ""
    return (
        f"goroutine stack overflow in `{name}`: a stack{much} may not double{_levels(trace.cycle)}"
    )


def bytes_text(size: int) -> str:
    """``512.0 MiB``."""
    number, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            break
        number /= 1024
    return f"{size} B" if unit == "B" else f"{number:.1f} {unit}"


def _stack_overflow(facts: Facts) -> str | None:
    address, sp = facts.address, facts.sp
    if address is None or not sp - _STACK_REACH <= address < sp + _STACK_REACH:
        return None
    here = facts.mappings.at(sp)
    stack = here if here and here.writable else facts.mappings.above(sp)
    if stack is None or not stack.writable or address >= stack.start:
        return None
    if sp - stack.start > _NULL_LIMIT or facts.mappings.is_writable(address):
        return None
    kind = facts.trace.frames[facts.evidence.first]["stack"]
    where = f"the {kind} stack of thread {facts.tid}"
    detail = _levels(facts.trace.cycle)
    if not detail:
        largest = max(facts.trace.frames, key=lambda frame: frame["size"] or 0)
        detail = f": its frame takes {bytes_text(largest['size'])}" if largest["size"] else ""
        name = f"`{largest['function']}`" if largest["function"] else "code without a name"
        return f"stack overflow in {name} on {where}{detail}"
    return f"stack overflow in {facts.function} on {where}{detail}"


def _is_library(pc: int) -> bool:
    return bool(_LIBRARY.search(gdb.solib_name(pc) or ""))


def _levels(cycle: dict[str, Any] | None) -> str:
    if cycle is None:
        return ""
    size = cycle["bytes_per_level"]
    each = f" of {bytes_text(size)}" if size else " of varying size"
    others = ", ".join(f"`{name}`" for name in cycle["functions"])
    through = f" through {others}" if len(cycle["functions"]) > 1 else ""
    return f": {cycle['levels']:,} levels{each}{through}"


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
        mine = [p for p in mine if p.value in instruction.bases] or mine
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
        what = "at an address that is none (not canonical)"
        address = None
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
    names = [frame["function"] for frame in facts.trace.frames[facts.evidence.first :]]
    if any(name in ("runtime.raise", "runtime.dieFromSignal", "runtime.crash") for name in names):
        return None
    thrown = aborts.thrown_exception(facts.trace.frames[facts.evidence.first :])
    if thrown:
        return f"uncaught C++ exception: {thrown}"
    message = aborts.libc_message()
    caller = facts.caller(lambda name: not name or name in aborts.GLUE or name.startswith("_"))
    if message:
        return f"{aborts.kind_of(message)}: {message}"
    return f"abort() called by {caller}" if "abort" in names else f"SIGABRT in {facts.function}"
