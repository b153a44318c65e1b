"""The threads of a watched program, and what is found out about their stacks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_cgosafe.results import ThreadStack
from pytest_cgosafe.watch import procfs, ptrace, stacks

if TYPE_CHECKING:
    from pytest_cgosafe.watch.stacks import StackRange

_NO_STACK = "the C library did not make this thread: where its stack ends is not known"
_UNREADABLE = "the thread was gone before its stack could be read"
_RELEASED = "at least: the thread's end could not be seen, and gives the stack back"
_FIRST_FRAME = 256  # bytes below a new thread's sp that its creator may have written


@dataclass(slots=True)
class Thread:
    """A thread of the watched program."""

    tid: int
    main: bool
    name: str = ""
    stack: StackRange | None = None
    armed: bool = False
    """Its breakpoints are set."""
    used_from: int | None = None
    """The lowest byte of its stack that was written before the thread began, where that is below its first frame."""
    before: stacks.Snapshot | None = None
    """What stood there then."""
    deepest: stacks.Depth | None = None
    ending: bool = False
    """It runs no more code of the program; a main thread may stay so until the others end."""
    in_group_stop: bool = False
    """It reported a group-stop, and has not been let go since."""
    idle_stops: int = 0
    """Stops at the release breakpoint that had nothing to do with its stack."""
    examined_at: tuple[int, int] | None = None
    """The pc and sp of the breakpoint that the observer saw last: it may be hit again on the way out."""
    resent: dict[int, bytes] = field(default_factory=dict)
    """Signals queued to it again, with the siginfo_t that they really have."""

    def result(self) -> ThreadStack:
        """What is known of its stack."""
        limit = self.stack.limit if self.stack else None
        peak = self.stack.high - self.deepest.address if self.stack and self.deepest else None
        return ThreadStack(self.tid, self.name, self.main, limit, peak, self._note())

    def _note(self) -> str | None:
        if not self.stack:
            return _NO_STACK
        if not self.deepest:
            return _UNREADABLE
        if not self.main and not self.armed:
            return _RELEASED
        if self.stack.limit is None:
            return "RLIMIT_STACK is unlimited"
        return self.deepest.note


class StackKeeper:
    """Finds and measures the thread stacks of one program image."""

    def __init__(self, pid: int) -> None:
        """To be made when the program has just been loaded. Raises OSError when it is gone."""
        self._pid = pid
        self.memory = procfs.Memory(pid)
        self.read_before = False
        """A debugger has looked at the program."""

    def close(self) -> None:
        """Let go of the program's memory."""
        self.memory.close()

    def locate(self, thread: Thread) -> None:
        """Find the stack of a thread at its first stop."""
        now = ptrace.registers(thread.tid)
        if thread.main:
            thread.stack = stacks.main_stack(self._pid, now.sp)
            return
        pointer = ptrace.thread_pointer(thread.tid, now)
        thread.stack = stacks.thread_stack(self.memory, now.sp, pointer)
        if thread.stack:
            used = stacks.lowest_touched(self._pid, self.memory, thread.stack)
            if used and used.address < now.sp - _FIRST_FRAME:
                thread.used_from = used.address
                thread.before = stacks.snapshot(self.memory, used.address, now.sp)

    def measure(self, thread: Thread) -> None:
        """See how deep the thread's stack was used; never less deep than seen before."""
        thread.name = procfs.thread_name(self._pid, thread.tid) or thread.name
        if not thread.stack:
            return
        mapped = stacks.grown(self._pid, thread.stack) if thread.main else thread.stack
        depth = stacks.lowest_touched(self._pid, self.memory, mapped, read_before=self.read_before)
        if depth and thread.used_from is not None and depth.address >= thread.used_from:
            depth = self._since_begin(thread, depth)
        if depth and (not thread.deepest or depth.address < thread.deepest.address):
            thread.deepest = depth

    def _since_begin(self, thread: Thread, depth: stacks.Depth) -> stacks.Depth:
        """How deep a stack was used that was not fresh when its thread began."""
        if not thread.before:
            return stacks.Depth(
                depth.address, "at most: an earlier use of the same memory reached as far"
            )
        changed = thread.before.first_change(self.memory)
        return stacks.Depth(
            thread.before.start + len(thread.before.data) if changed is None else changed
        )
