"""The signal that a program met, as sigaction(2)'s siginfo_t tells it: in a core, or in a signal frame."""

from __future__ import annotations

import signal
import struct
from typing import Any

import gdb

from . import memory

_WITH_ADDRESS = {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP"}
_SI_KERNEL = 0x80


def of_core() -> dict[str, Any] | None:
    """The signal that a core file's selected thread died of, or None where the core does not tell."""
    try:
        info = gdb.parse_and_eval("$_siginfo")
        number, code = int(info["si_signo"]), int(info["si_code"])
        address = int(info["_sifields"]["_sigfault"]["si_addr"])
    except gdb.error:
        return None
    return _signal(number, code, address)


def at(address: int) -> dict[str, Any] | None:
    """The siginfo_t at `address`, or None where there is none that makes sense."""
    data = memory.read(address, 24)
    if data is None:
        return None
    number, _errno, code, _padding, fault = struct.unpack("<iiiiQ", data)
    return _signal(number, code, fault)


def _signal(number: int, code: int, address: int) -> dict[str, Any] | None:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return None
    told = name in _WITH_ADDRESS and 0 < code != _SI_KERNEL
    return {"name": name, "code": code, "address": address if told else None}
