"""Reads many small pieces of a process's memory at once: process_vm_readv(2)."""

from __future__ import annotations

import ctypes
from array import array
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_cgosafe.watch.procfs import Memory

_MOST = 1024  # pieces a call: UIO_MAXIOV of the kernel's include/uapi/linux/uio.h


def read_each(pid: int, memory: Memory, addresses: array[int], size: int) -> bytes | None:
    """`size` bytes from each of `addresses`, one after the other; None where one of them can't be read.

    The program may run meanwhile. `memory` is asked where the kernel doesn't let us have them at once (a seccomp
    profile, a process whose first thread is gone).
    """
    read = b"".join(
        _at_once(pid, addresses[start : start + _MOST], size)
        for start in range(0, len(addresses), _MOST)
    )
    if len(read) < len(addresses) * size:
        read = b"".join(memory.read(address, size) for address in addresses)
    return read if len(read) == len(addresses) * size else None


def _at_once(pid: int, addresses: array[int], size: int) -> bytes:
    remote = array("Q", bytes(16 * len(addresses)))  # struct iovec: address, size
    remote[::2] = addresses
    remote[1::2] = array("Q", [size]) * len(addresses)
    buffer = ctypes.create_string_buffer(len(addresses) * size)
    local = array("Q", [ctypes.addressof(buffer), len(buffer)])
    read = _process_vm_readv()(
        pid, local.buffer_info()[0], 1, remote.buffer_info()[0], len(addresses), 0
    )
    return buffer.raw[: max(read, 0)]


@cache
def _process_vm_readv() -> Callable[..., int]:
    function = ctypes.CDLL(None, use_errno=True).process_vm_readv
    pointer, count = ctypes.c_void_p, ctypes.c_ulong
    function.argtypes = (ctypes.c_int, pointer, count, pointer, count, count)
    function.restype = ctypes.c_ssize_t
    return function
