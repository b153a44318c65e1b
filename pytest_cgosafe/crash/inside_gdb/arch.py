"""Registers and stack layouts of each architecture: one table for each.

The layouts are those of Go's assembly: runtime/asm_GOARCH.s (asmcgocall, cgocallback) and
runtime/cgo/asm_GOARCH.s with abi_GOARCH.h (crosscall2), read in Go 1.21.13, 1.24.11, 1.26.8 and 1.27.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import gdb

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Slots:
    """Where asmcgocall keeps, relative to its stack pointer during the call, the way back to the goroutine."""

    depth: int
    """The distance from the top of the goroutine's stack down to where it was left, in bytes."""
    goroutine: int
    """The address of its g; 0 where asmcgocall was called on a system stack, and `depth` is that stack pointer."""
    frame: int
    """Bytes that asmcgocall takes from the scheduling stack pointer, before it is aligned to 16."""


@dataclass(frozen=True)
class Arch:
    """One architecture, with gdb's names of its registers."""

    name: str
    pc: str
    sp: str
    fp: str
    link: str | None
    """The register that holds the return address at a function's entry; None where it is on the stack."""
    g: str
    """The register that holds the g in Go code (cmd/compile/abi-internal.md)."""
    registers: tuple[str, ...]
    """The general registers, in the order in which they are shown."""
    callee_saved: tuple[str, ...]
    asmcgocall: tuple[Slots, ...]
    """Candidates, the newest Go first: what stands there decides."""
    cgocallback_saved_sp: int
    """Where cgocallback keeps the previous ``m.g0.sched.sp``, relative to its own stack pointer."""
    cgocallback_return: int
    """Where the return address from cgocallback into crosscall2 is, relative to the same."""
    crosscall2_saved: Mapping[str, int]
    """Where crosscall2 keeps C's callee-saved registers, relative to its stack pointer during the call."""
    crosscall2_sizes: tuple[int, ...]
    """Candidates for the distance from there to its caller's stack pointer."""
    lowest_arena: int
    """The lowest address that Go's heap can have, as an int64 (arenaBaseOffset in runtime/malloc.go)."""
    siginfo: int
    """Where the siginfo_t of a signal frame is, relative to the stack pointer on return from the handler
    (Linux, arch/ARCH/include/asm/sigframe.h: struct rt_sigframe)."""


AMD64 = Arch(
    name="amd64",
    pc="rip",
    sp="rsp",
    fp="rbp",
    link=None,
    g="r14",
    registers=(
        *("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"),
        *("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip", "eflags"),
    ),
    callee_saved=("rbx", "rbp", "r12", "r13", "r14", "r15"),
    asmcgocall=(Slots(depth=0, goroutine=8, frame=16), Slots(depth=40, goroutine=48, frame=64)),
    cgocallback_saved_sp=0,
    cgocallback_return=0x20,
    crosscall2_saved={"rbx": 0x18, "r12": 0x20, "r13": 0x28, "r14": 0x30, "r15": 0x38},
    # From Go 1.27 on the assembler adds a push of rbp in front: rbp is always right below the return address.
    crosscall2_sizes=(0x50, 0x58),
    lowest_arena=-(1 << 47),
    siginfo=304,  # behind the struct ucontext
)

# From Go's sources alone: no arm64 machine was at hand to prove it on.
ARM64 = Arch(
    name="arm64",
    pc="pc",
    sp="sp",
    fp="x29",
    link="x30",
    g="x28",
    registers=(*(f"x{number}" for number in range(31)), "sp", "pc", "cpsr"),
    callee_saved=tuple(f"x{number}" for number in range(19, 30)),
    asmcgocall=(Slots(depth=8, goroutine=0, frame=16),),
    cgocallback_saved_sp=16,
    cgocallback_return=0,
    crosscall2_saved={f"x{number}": 8 * (number - 15) for number in range(19, 29)},
    crosscall2_sizes=(8 * 24,),
    lowest_arena=0,
    siginfo=0,
)

_BY_GDB_NAME = {"i386:x86-64": AMD64, "aarch64": ARM64}


def current() -> Arch | None:
    """The architecture of the program at hand, or None for one without a table."""
    return _BY_GDB_NAME.get(gdb.selected_inferior().architecture().name())
