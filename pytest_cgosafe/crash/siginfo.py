"""What the numbers in a siginfo_t mean (sigaction(2); the kernel's include/uapi/asm-generic/siginfo.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_cgosafe.watch.stops import SignalInfo

_SENT: Final = {
    0: "SI_USER",
    -1: "SI_QUEUE",
    -2: "SI_TIMER",
    -3: "SI_MESGQ",
    -4: "SI_ASYNCIO",
    -5: "SI_SIGIO",
} | {
    -6: "SI_TKILL",
    0x80: "SI_KERNEL",
}
_SI_KERNEL = 0x80

CODES: Final[Mapping[str, tuple[str, ...]]] = {
    "SIGABRT": (),
    "SIGBUS": ("BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR", "BUS_MCEERR_AR", "BUS_MCEERR_AO"),
    "SIGFPE": (
        "FPE_INTDIV", "FPE_INTOVF", "FPE_FLTDIV", "FPE_FLTOVF", "FPE_FLTUND", "FPE_FLTRES", "FPE_FLTINV", "FPE_FLTSUB",
    ),
    "SIGILL": (
        "ILL_ILLOPC", "ILL_ILLOPN", "ILL_ILLADR", "ILL_ILLTRP", "ILL_PRVOPC", "ILL_PRVREG", "ILL_COPROC", "ILL_BADSTK",
    ),
    "SIGSEGV": (
        "SEGV_MAPERR", "SEGV_ACCERR", "SEGV_BNDERR", "SEGV_PKUERR", "SEGV_ACCADI", "SEGV_ADIDERR", "SEGV_ADIPERR",
        "SEGV_MTEAERR", "SEGV_MTESERR", "SEGV_CPERR",
    ),
    "SIGSYS": ("SYS_SECCOMP", "SYS_USER_DISPATCH"),
    "SIGTRAP": ("TRAP_BRKPT", "TRAP_TRACE", "TRAP_BRANCH", "TRAP_HWBKPT", "TRAP_UNK", "TRAP_PERF"),
}  # fmt: skip
"""The signals that a crash raises, and the names of their codes, from 1 up."""


def code_name(signal: SignalInfo) -> str | None:
    """``"SEGV_MAPERR"``; None for a code that has no name here."""
    names = CODES.get(signal.name, ())
    return names[signal.code - 1] if 0 < signal.code <= len(names) else _SENT.get(signal.code)


def fault_address(signal: SignalInfo) -> int | None:
    """The address at fault; None where there is none, or the kernel can't tell (SI_KERNEL: one that can't exist)."""
    return None if signal.code <= 0 or signal.code == _SI_KERNEL else signal.address
