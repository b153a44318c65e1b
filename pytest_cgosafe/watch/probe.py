"""Whether programs can be watched here."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from threading import Thread

from pytest_cgosafe.watch import ptrace
from pytest_cgosafe.watch.launch import Alarm

_SECCOMP_FILTER = re.compile(r"^Seccomp:\s*2$", re.MULTILINE)


def ptrace_forbidden() -> str | None:
    """Why ptrace(2) can't be used on a child of this process, in a clause; None when it can: it was tried.

    Raises ToolchainError when there is no C compiler to try it with.
    """
    if sys.platform != "linux":
        return f"there is no such thing on {sys.platform}"
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


def why_forbidden() -> str:
    """The likely reason for an EPERM from ptrace(2), in a clause."""
    scope = _read("/proc/sys/kernel/yama/ptrace_scope").strip()
    if scope in {"2", "3"}:
        return f"kernel.yama.ptrace_scope is {scope}"
    if _SECCOMP_FILTER.search(_read("/proc/self/status")):
        return "by a seccomp filter, perhaps the container's: run it with --cap-add=SYS_PTRACE"
    return "the kernel answers EPERM: a security module, or a tracer that is there already"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
