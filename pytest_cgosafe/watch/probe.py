"""Whether programs can be watched here."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from pytest_cgosafe.watch import ptrace
from pytest_cgosafe.watch.launch import Alarm

_SECCOMP_FILTER = re.compile(r"^Seccomp:\s*2$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Why ptrace(2) answers EPERM, as far as can be told."""

    reason: str
    """A clause."""
    next_step: str
    """What allows it."""


def ptrace_forbidden() -> Forbidden | None:
    """Why ptrace(2) can't be used on a child of this process; None when it can: it was tried.

    Raises ToolchainError when there is no C compiler to try it with.
    """
    if sys.platform != "linux":
        return Forbidden(f"there is no such thing on {sys.platform}", "run on Linux")
    failures: list[BaseException] = []
    thread = Thread(target=_try, args=(failures,), name="cgosafe-probe")
    thread.start()
    thread.join()
    for failure in failures:
        if isinstance(failure, PermissionError):
            return why_forbidden()
        raise failure
    return None


def _try(failures: list[BaseException]) -> None:
    try:
        child = Alarm()
        try:
            ptrace.seize(child.pid, ptrace.Option.EXIT_KILL)
        finally:
            child.ring()
            while not os.WIFEXITED(os.waitpid(child.pid, ptrace.WAIT_OPTIONS)[1]):
                pass
            child.ended()
    except BaseException as error:  # raised again by the caller
        failures.append(error)


def why_forbidden() -> Forbidden:
    """The likely reason for an EPERM from ptrace(2) on a child of this process."""
    return explain(_read("/proc/sys/kernel/yama/ptrace_scope"), _read("/proc/self/status"))


def explain(scope: str, status: str) -> Forbidden:
    """The likely reason, from the texts of Yama's ``ptrace_scope`` ("" without Yama) and of ``/proc/self/status``.

    Scope 1 allows a parent its children, 2 wants CAP_SYS_PTRACE, 3 forbids all and can't be changed until the next boot
    (Documentation/admin-guide/LSM/Yama.rst).
    """
    match scope.strip():
        case "2":
            return Forbidden(
                "kernel.yama.ptrace_scope is 2", "sudo sysctl kernel.yama.ptrace_scope=1"
            )
        case "3":
            return Forbidden(
                "kernel.yama.ptrace_scope is 3, until the next boot",
                "set kernel.yama.ptrace_scope=1 in /etc/sysctl.d, then reboot",
            )
    if _SECCOMP_FILTER.search(status):
        return Forbidden(
            "by a seccomp filter, perhaps the container's: run it with --cap-add=SYS_PTRACE",
            "docker run --cap-add=SYS_PTRACE",
        )
    return Forbidden(
        "the kernel answers EPERM: a security module, or a tracer that is there already",
        "run it without the tracer (strace, gdb, a sandbox)",
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
