"""The goroutines that stand on no thread, grouped by equal stacks.

There may be thousands, so gdb does not unwind them: Go keeps frame pointers on amd64 and arm64, and
each stack is read once and followed along them.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import TYPE_CHECKING, Any

import gdb

from . import memory
from .goruntime import Goroutine, GoRuntime, symbol_address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .symbols import Code, Symbols

_MAX_GOROUTINES = 10_000
_MAX_FRAMES = 50
_MAX_STACK = 1 << 20
_LONGEST_REASON = 100  # bytes
_SCAN = 0x1000
# runtime/runtime2.go; the numbers have not changed from Go 1.21 to 1.27.
_RUNNING, _SYSCALL, _WAITING = 2, 3, 4
_STATES = {1: "runnable", _RUNNING: "running", _SYSCALL: "syscall", 8: "copystack", 9: "preempted"}


class Goroutines:
    """The goroutines of the program."""

    def __init__(self, runtime: GoRuntime, symbols: Symbols) -> None:
        self._runtime = runtime
        self._symbols = symbols
        self._functions: dict[int, Code | None] = {}
        self._reasons = _wait_reasons()
        goexit = symbols.at(symbol_address("runtime.goexit") or 0)
        root = goexit.file.rpartition("runtime/")[0] if goexit else ""
        # Where the standard library's sources were; unknown after -trimpath.
        self._standard = root if root.startswith("/") else ""

    def groups(self, shown: Iterable[int]) -> list[dict[str, Any]]:
        """Those whose g is not among `shown`, as groups of equal stacks, the largest first."""
        hidden = set(shown)
        counts: Counter[tuple[str, tuple[int, ...]]] = Counter()
        for goroutine in self._runtime.goroutines(_MAX_GOROUTINES):
            state = self._state(goroutine)
            if state is not None and goroutine.address not in hidden:
                counts[state, self._stack(goroutine)] += 1
        return [
            {"count": count, "state": state, "function": self._user_function(stack)}
            for (state, stack), count in counts.most_common()
        ]

    def _state(self, goroutine: Goroutine) -> str | None:
        status = (goroutine.status or 0) & ~_SCAN
        if status != _WAITING:
            return _STATES.get(status)
        reason = goroutine.waitreason or 0
        return (self._reasons[reason] if reason < len(self._reasons) else "") or "waiting"

    def _stack(self, goroutine: Goroutine) -> tuple[int, ...]:
        if (goroutine.status or 0) & ~_SCAN == _RUNNING or not goroutine.holds(goroutine.sp):
            return ()
        size = min(goroutine.hi - goroutine.sp, _MAX_STACK)
        data = memory.read(goroutine.sp, size)
        pcs = [goroutine.pc]
        fp = goroutine.fp
        while data is not None and len(pcs) < _MAX_FRAMES:
            if not goroutine.sp <= fp <= goroutine.sp + size - 16:
                break
            saved, back = struct.unpack_from("<QQ", data, fp - goroutine.sp)
            pcs.append(back)
            if saved <= fp:
                break
            fp = saved
        return tuple(pcs)

    def _user_function(self, stack: Iterable[int]) -> str | None:
        functions = filter(None, map(self._function, stack))
        return next((f.name for f in functions if not self._is_standard(f)), None)

    def _is_standard(self, function: Code) -> bool:
        if function.name.startswith(("runtime.", "_cgo", "main.main.func")) or not function.file:
            return function.name.startswith(("runtime.", "_cgo"))
        if self._standard:
            return function.file.startswith(self._standard)
        first = function.name.partition("/")[0]
        return "/" in function.name and "." not in first

    def _function(self, pc: int) -> Code | None:
        if pc not in self._functions:
            self._functions[pc] = self._symbols.at(pc - 1)
        return self._functions[pc]


def _wait_reasons() -> list[str]:
    symbol = gdb.lookup_global_symbol("runtime.waitReasonStrings")
    if symbol is None:
        return []
    value = symbol.value()
    low, high = value.type.range()
    headers = memory.words(int(value.address), 2 * (high - low + 1))
    pairs = zip(headers[::2], headers[1::2])
    texts = (memory.read(at, size) if size <= _LONGEST_REASON else None for at, size in pairs)
    return [(text or b"").decode(errors="replace") for text in texts]
