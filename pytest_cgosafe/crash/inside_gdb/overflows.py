"""Stacks that ran over: of a thread, or of a goroutine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .facts import Facts
    from .trace import Trace

_REACH = 1 << 20
_NEAR_THE_END = 1 << 16


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


def thread_overflow(facts: Facts) -> str | None:
    """That the fault is below the end of the stack that the thread stood on, and near it; else None."""
    address, sp = facts.address, facts.sp
    if address is None or not sp - _REACH <= address < sp + _REACH:
        return None
    here = facts.mappings.at(sp)
    stack = here if here and here.writable else facts.mappings.above(sp)
    if stack is None or not stack.writable or address >= stack.start:
        return None
    if sp - stack.start > _NEAR_THE_END or facts.mappings.is_writable(address):
        return None
    kind = facts.trace.frames[facts.evidence.first]["stack"]
    where = f"the {kind} stack of thread {facts.tid}"
    cycle = facts.trace.cycle
    if not cycle:
        largest = max(facts.trace.frames, key=lambda frame: frame["size"] or 0)
        detail = f": its frame takes {bytes_text(largest['size'])}" if largest["size"] else ""
        name = f"`{largest['function']}`" if largest["function"] else "code without a name"
        return f"stack overflow in {name} on {where}{detail}"
    name = facts.function
    if cycle["functions"] and name.strip("`") not in cycle["functions"]:
        name = f"`{cycle['functions'][0]}`"  # what it called last is not what fills the stack
    return f"stack overflow in {name} on {where}{_levels(cycle)}"


def _levels(cycle: dict[str, Any] | None) -> str:
    if cycle is None:
        return ""
    size = cycle["bytes_per_level"]
    each = f" of {bytes_text(size)}" if size else " of varying size"
    others = ", ".join(f"`{name}`" for name in cycle["functions"])
    through = f" through {others}" if len(cycle["functions"]) > 1 else ""
    return f": {cycle['levels']:,} levels{each}{through}"
