"""What differs between the architectures: register sets, system calls, breakpoints, the thread pointer.

One table each, from the kernel's ``arch/*/include/uapi/asm/ptrace.h`` and ``asm/unistd.h``.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache

from pytest_cgosafe.errors import CgosafeError


@dataclass(frozen=True, slots=True)
class Machine:
    """Where an architecture keeps what the watcher reads. Register numbers count 8-byte words of NT_PRSTATUS."""

    name: str
    words: int
    pc: int
    sp: int
    syscall: int
    """The number of the system call that the thread is in."""
    arguments: tuple[int, int]
    """The first two arguments of a function."""
    thread_pointer: int | None
    """None where it has a register set of its own, NT_ARM_TLS."""
    sys_exit: int
    """The system call that ends one thread."""
    sys_exit_group: int
    """The system call that ends the program."""
    debug_registers: int | None
    """``offsetof(struct user, u_debugreg)``; None where hardware breakpoints are the set NT_ARM_HW_BREAK."""
    flags: int
    """The register that holds `resume_flag`."""
    resume_flag: int
    """Set by the kernel when an execution breakpoint was hit, so that it is passed then; 0: there is none."""
    trap: bytes
    """The instruction that raises SIGTRAP."""
    trap_code: int
    """si_code of that SIGTRAP."""
    trap_advance: int
    """How far the program counter is beyond the trap by then, in bytes."""
    longest_instruction: int
    """Bytes."""
    g: int
    """The register that holds the goroutine's `g` in Go code (cmd/compile/abi-internal.md)."""
    go_arguments: tuple[int, int, int]
    """The first three arguments of a Go function, where they are integers or pointers (the same)."""
    pthread_span: range
    """Where ``struct pthread`` of glibc and musl lies, in bytes from the thread pointer."""


_AMD64 = Machine(
    name="x86_64",
    words=27,
    pc=16,
    sp=19,
    syscall=15,
    arguments=(14, 13),
    thread_pointer=21,
    sys_exit=60,
    sys_exit_group=231,
    debug_registers=848,
    flags=18,
    resume_flag=1 << 16,
    trap=b"\xcc",  # int3
    trap_code=0x80,  # SI_KERNEL: do_int3 in the kernel's arch/x86/kernel/traps.c
    trap_advance=1,
    longest_instruction=15,
    g=1,
    go_arguments=(10, 5, 11),
    pthread_span=range(0, 0x900),
)
# TLS variant I: the thread pointer is at the end of struct pthread (glibc's TLS_PRE_TCB_SIZE, musl's TLS_ABOVE_TP).
_ARM64 = Machine(
    name="aarch64",
    words=34,
    pc=32,
    sp=31,
    syscall=8,
    arguments=(0, 1),
    thread_pointer=None,
    sys_exit=93,
    sys_exit_group=94,
    debug_registers=None,
    flags=33,
    resume_flag=0,
    trap=b"\x00\x00\x20\xd4",  # brk #0
    trap_code=1,  # TRAP_BRKPT: arch/arm64/kernel/debug-monitors.c
    trap_advance=0,
    longest_instruction=4,
    g=28,
    go_arguments=(0, 1, 2),
    pthread_span=range(-0x900, 0),
)


@cache
def this_machine() -> Machine:
    """The machine that this process runs on. Raises CgosafeError for one that has no table."""
    name = platform.machine()
    for machine in (_AMD64, _ARM64):
        if machine.name == name:
            return machine
    raise CgosafeError(
        f"programs can't be watched on {name}",
        next_step="run on linux/amd64 or linux/arm64",
    )
