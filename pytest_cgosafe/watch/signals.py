"""Signals: their names, which of them kill with a core, what a siginfo_t says (signal(7), sigaction(2))."""

from __future__ import annotations

import signal
import struct

from pytest_cgosafe.watch.stops import SignalInfo

CORE = frozenset(
    getattr(signal, name)
    for name in ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGTRAP", "SIGSYS", "SIGQUIT")
    if hasattr(signal, name)
)
"""Signals whose default action is to kill and to dump core, the two about resource limits left out."""

FAULTS = frozenset(
    getattr(signal, name)
    for name in ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP")
    if hasattr(signal, name)
)
"""Signals that the kernel raises for what an instruction does."""


def signal_name(number: int) -> str:
    """``"SIGSEGV"``, ``"SIGRTMIN+3"``."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return (
            f"SIGRTMIN+{number - signal.SIGRTMIN}" if number > signal.SIGRTMIN else f"SIG{number}"
        )


def signal_code(raw: bytes) -> int:
    """si_code: above 0 for a fault that the kernel raised, else how the signal was sent."""
    return int(struct.unpack_from("<i", raw, 8)[0])


def sender(raw: bytes) -> int:
    """si_pid, for a signal that was sent."""
    return int(struct.unpack_from("<i", raw, 16)[0])


def decode(raw: bytes) -> SignalInfo:
    """The signal that a raw siginfo_t describes."""
    number, _, code = struct.unpack_from("<iii", raw)
    name = signal_name(number)
    # SI_KERNEL (0x80) comes with no address: an int3, or on x86-64 an address that is not canonical.
    fault = number in FAULTS and 0 < code < 0x80
    return SignalInfo(name, code, struct.unpack_from("<Q", raw, 16)[0] if fault else None)
