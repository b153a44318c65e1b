"""ptrace(2) by ctypes: one function per request, each about one tracee (a thread id).

All raise OSError; ProcessLookupError (ESRCH) says that the thread is gone, or is not stopped. A tracee can be spoken to
only by the thread that seized it.
"""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from functools import cache

from pytest_cgosafe.watch.machine import Machine, this_machine

WAIT_OPTIONS = 0x40000000 | 0x20000000
"""``__WALL | __WNOTHREAD``: every kind of child, but of the calling thread only."""

TRAP_TRACE = 2
"""si_code of the SIGTRAP after a single step."""

TRAP_HWBKPT = 4
"""si_code of a SIGTRAP that a hardware breakpoint raised."""

STOPPED_AT_EXIT = 6 << 8 | 5
"""si_code of a thread that is stopped by PTRACE_EVENT_EXIT."""

_NT_PRSTATUS, _NT_ARM_TLS, _NT_ARM_HW_BREAK = 1, 0x401, 0x402
_SIGINFO_SIZE = 128


class Event(IntEnum):
    """What ``status >> 16`` of a stopped tracee says; 0 is a signal about to be delivered."""

    SIGNAL = 0
    FORK = 1
    VFORK = 2
    CLONE = 3
    EXEC = 4
    EXIT = 6
    STOP = 128


class Option(IntFlag):
    """``PTRACE_O_*``."""

    TRACE_FORK = 1 << 1
    TRACE_VFORK = 1 << 2
    TRACE_CLONE = 1 << 3
    TRACE_EXEC = 1 << 4
    TRACE_EXIT = 1 << 6
    EXIT_KILL = 1 << 20


class _Request(IntEnum):
    POKE_USER = 6
    CONT = 7
    SINGLE_STEP = 9
    DETACH = 17
    SET_OPTIONS = 0x4200
    GET_EVENT_MESSAGE = 0x4201
    GET_SIGINFO = 0x4202
    SET_SIGINFO = 0x4203
    GET_REGISTER_SET = 0x4204
    SET_REGISTER_SET = 0x4205
    SEIZE = 0x4206
    INTERRUPT = 0x4207
    LISTEN = 0x4208
    PEEK_SIGINFO = 0x4209


@dataclass(frozen=True, slots=True)
class Registers:
    """The general registers of a stopped thread."""

    words: tuple[int, ...]
    machine: Machine

    @property
    def pc(self) -> int:
        """The program counter."""
        return self.words[self.machine.pc]

    @property
    def sp(self) -> int:
        """The stack pointer."""
        return self.words[self.machine.sp]

    @property
    def syscall(self) -> int:
        """The number of the system call that the thread is in."""
        return self.words[self.machine.syscall]

    @property
    def arguments(self) -> tuple[int, int]:
        """The first two arguments, at a function's entry."""
        first, second = self.machine.arguments
        return self.words[first], self.words[second]

    @property
    def go_arguments(self) -> tuple[int, int, int]:
        """The first three arguments at a Go function's entry, where they are integers or pointers."""
        first, second, third = self.machine.go_arguments
        return self.words[first], self.words[second], self.words[third]

    @property
    def g(self) -> int:
        """The address of the goroutine's `g`, in Go code."""
        return self.words[self.machine.g]

    def at(self, pc: int) -> Registers:
        """The same registers with another program counter."""
        number = self.machine.pc
        return Registers((*self.words[:number], pc, *self.words[number + 1 :]), self.machine)


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


@cache
def _libc() -> ctypes.PyDLL:
    # PyDLL keeps the interpreter's lock: the calls never block, and handing the lock over would cost more than they do.
    libc = ctypes.PyDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    libc.ptrace.restype = ctypes.c_long
    libc.tgkill.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int)
    return libc


def _call(request: _Request, tid: int, address: int = 0, data: int = 0) -> None:
    if _libc().ptrace(request, tid, address, data) == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace {request.name} of {tid}: {os.strerror(error)}")


def seize(tid: int, options: Option) -> None:
    """Trace the thread without stopping it."""
    _call(_Request.SEIZE, tid, 0, options)


def set_options(tid: int, options: Option) -> None:
    """Replace the options given to `seize`, for this tracee and those it creates."""
    _call(_Request.SET_OPTIONS, tid, 0, options)


def cont(tid: int, signal: int = 0) -> None:
    """Let the thread run on, with `signal` delivered."""
    _call(_Request.CONT, tid, 0, signal)


def single_step(tid: int) -> None:
    """Let the thread run one instruction."""
    _call(_Request.SINGLE_STEP, tid)


def listen(tid: int) -> None:
    """Leave the thread in its group-stop, and hear of the SIGCONT that ends it."""
    _call(_Request.LISTEN, tid)


def interrupt(tid: int) -> None:
    """Stop the thread, soon."""
    _call(_Request.INTERRUPT, tid)


def detach(tid: int) -> None:
    """Trace the thread no more; in a group-stop it stays stopped."""
    _call(_Request.DETACH, tid)


def event_message(tid: int) -> int:
    """What the event is about: the new thread's id, the exit status, the former thread id of an exec."""
    message = ctypes.c_ulong()
    _call(_Request.GET_EVENT_MESSAGE, tid, 0, ctypes.addressof(message))
    return message.value


def signal_info(tid: int) -> bytes:
    """The raw siginfo_t of the signal about to be delivered."""
    buffer = ctypes.create_string_buffer(_SIGINFO_SIZE)
    _call(_Request.GET_SIGINFO, tid, 0, ctypes.addressof(buffer))
    return buffer.raw


def set_signal_info(tid: int, info: bytes) -> None:
    """Replace the siginfo_t of the signal about to be delivered."""
    buffer = ctypes.create_string_buffer(info, _SIGINFO_SIZE)
    _call(_Request.SET_SIGINFO, tid, 0, ctypes.addressof(buffer))


def pending_signals(tid: int) -> tuple[bytes, ...]:
    """The siginfo_t of the first signals that wait for this thread alone."""
    most = 8
    question = struct.pack("<QIi", 0, 0, most)  # struct ptrace_peeksiginfo_args
    buffer = ctypes.create_string_buffer(most * _SIGINFO_SIZE)
    asked = ctypes.create_string_buffer(question, len(question))
    place, answer = ctypes.addressof(asked), ctypes.addressof(buffer)
    count = _libc().ptrace(_Request.PEEK_SIGINFO, tid, place, answer)
    starts = range(0, max(count, 0) * _SIGINFO_SIZE, _SIGINFO_SIZE)
    return tuple(buffer.raw[start : start + _SIGINFO_SIZE] for start in starts)


def registers(tid: int) -> Registers:
    """The general registers."""
    machine = this_machine()
    return Registers(_register_set(tid, _NT_PRSTATUS, machine.words), machine)


def set_registers(tid: int, general: Registers) -> None:
    """Replace the general registers."""
    words = general.words
    _set_register_set(tid, _NT_PRSTATUS, struct.pack(f"<{len(words)}Q", *words))


def thread_pointer(tid: int, general: Registers) -> int:
    """Where the C library keeps the thread's own data: fs_base, tpidr_el0."""
    number = general.machine.thread_pointer
    return general.words[number] if number is not None else _register_set(tid, _NT_ARM_TLS, 1)[0]


def pass_breakpoint(tid: int, *, by: bool) -> None:
    """Whether a thread that stands at a hardware breakpoint passes by it, or is stopped by it (again)."""
    now = registers(tid)
    flag, words = now.machine.resume_flag, list(now.words)
    words[now.machine.flags] = words[now.machine.flags] & ~flag | (flag if by else 0)
    if flag:
        set_registers(tid, Registers(tuple(words), now.machine))


def set_breakpoints(tid: int, addresses: tuple[int | None, ...]) -> None:
    """Make these addresses the thread's hardware breakpoints, by slot; they stop it before the instruction runs.

    Nothing is written to the program's memory; a thread or process that it creates does not inherit them. Raises
    OSError where the machine has no debug registers to give, or too few.
    """
    base = this_machine().debug_registers
    if base is None:
        # enable | EL0 only | execute | four bytes: arch/arm64/include/asm/hw_breakpoint.h
        pairs = [word for address in addresses for word in (address or 0, 0x1E5 if address else 0)]
        _set_register_set(tid, _NT_ARM_HW_BREAK, struct.pack(f"<{1 + len(pairs)}Q", 0, *pairs))
        return
    enabled = 0
    for slot, address in enumerate(addresses):
        if address is not None:
            _call(_Request.POKE_USER, tid, base + 8 * slot, address)
            enabled |= 1 << 2 * slot  # DR7's L bits; length and kind 0 mean execution
    _call(_Request.POKE_USER, tid, base + 8 * 7, enabled)


def send(pid: int, tid: int, signal: int) -> None:
    """tgkill(2): queue `signal` to one thread."""
    if _libc().tgkill(pid, tid, signal) == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"tgkill {tid}: {os.strerror(error)}")


def _register_set(tid: int, kind: int, words: int) -> tuple[int, ...]:
    buffer = ctypes.create_string_buffer(8 * words)
    vector = _Iovec(ctypes.addressof(buffer), len(buffer))
    _call(_Request.GET_REGISTER_SET, tid, kind, ctypes.addressof(vector))
    return struct.unpack(f"<{words}Q", buffer.raw)


def _set_register_set(tid: int, kind: int, raw: bytes) -> None:
    buffer = ctypes.create_string_buffer(raw, len(raw))
    vector = _Iovec(ctypes.addressof(buffer), len(buffer))
    _call(_Request.SET_REGISTER_SET, tid, kind, ctypes.addressof(vector))
