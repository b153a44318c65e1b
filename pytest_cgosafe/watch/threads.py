"""The threads of a watched program, and what is found out about their stacks."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_cgosafe.results import ThreadStack
from pytest_cgosafe.watch import procfs, ptrace, stacks

if TYPE_CHECKING:
    from pytest_cgosafe.watch.remains import RemainsKeeper
    from pytest_cgosafe.watch.stacks import StackRange

_NO_STACK = "the C library did not make this thread: where its stack ends is not known"
_UNREADABLE = "the thread was gone before its stack could be read"
_RELEASED = "at least: the thread's end could not be seen, and gives the stack back"
_REUSED = "at most: what used this memory before reached as far"
_FIRST_FRAME = 256  # bytes below a new thread's sp that its creator may have written


@dataclass(frozen=True, slots=True)
class Resent:
    """A signal that was held back while the program was stopped for a debugger, and then queued again."""

    info: bytes
    """The siginfo_t that it really has."""
    examined: bool
    """It is what the debugger was asked for."""


@dataclass(slots=True)
class Thread:
    """A thread of the watched program."""

    tid: int
    main: bool
    name: str = ""
    stack: StackRange | None = None
    entry_sp: int | None = None
    """Its stack pointer before its first instruction."""
    slots: tuple[int | None, ...] | None = None
    """The breakpoints that were last set on it, or tried to."""
    end_seen: bool = False
    """Its end will be seen while the stack is whole."""
    used_from: int | None = None
    """The lowest byte of its stack that was written before the thread began, where that is below its first frame."""
    before: stacks.Snapshot | None = None
    """What stood there then; on the main thread's, when the program's own work began."""
    marked: bool = False
    """What stood there was changed, so that writing the same again shows."""
    predecessor: int | None = None
    """How deep earlier threads used the same memory."""
    deepest: stacks.Depth | None = None
    deepest_own: int | None = None
    """The lowest byte that the program itself wrote there: by a main thread, since its own work began."""
    ending: bool = False
    """It runs no more code of the program; a main thread may stay so until the others end."""
    in_group_stop: bool = False
    """It reported a group-stop, and has not been let go since."""
    resent: dict[int, Resent] = field(default_factory=dict)
    """Signals that were queued to it again, by number."""

    def result(self) -> ThreadStack:
        """What is known of its stack."""
        limit = self.stack.limit if self.stack else None
        peak = self.stack.high - self.deepest.address if self.stack and self.deepest else None
        top, own = self.entry_sp, self.deepest_own
        return ThreadStack(
            self.tid,
            self.name,
            self.main,
            limit,
            peak,
            self._note(),
            initial=self.stack.high - top if self.stack and top else None,
            used=max(0, top - own) if top and own else None,
        )

    def _note(self) -> str | None:
        if not self.stack:
            return _NO_STACK
        if not self.deepest:
            return _UNREADABLE
        if not self.main and not self.end_seen:
            return _RELEASED
        if self.stack.limit is None:
            return "RLIMIT_STACK is unlimited"
        return self.deepest.note


class StackKeeper:
    """Finds and measures the thread stacks of one program image."""

    def __init__(self, pid: int, remains: RemainsKeeper | None = None) -> None:
        """To be made when the program has just been loaded. Raises OSError when it is gone."""
        self._pid = pid
        self._remains = remains
        self.memory = procfs.Memory(pid)
        self._deepest: dict[int, int] = {}
        """The lowest byte that any thread used, by the top of the stack."""
        self.read_before = False
        """A debugger has looked at the program."""

    def close(self) -> None:
        """Let go of the program's memory."""
        self.memory.close()

    def locate(self, thread: Thread) -> None:
        """Find the stack of a thread at its first stop."""
        now = ptrace.registers(thread.tid)
        thread.entry_sp = now.sp
        if thread.main:
            thread.stack = stacks.main_stack(self._pid, self.memory, now.sp)
            return
        pointer = ptrace.thread_pointer(thread.tid, now)
        thread.stack = stacks.thread_stack(self.memory, now.sp, pointer)
        if thread.stack:
            thread.name = procfs.thread_name(self._pid, thread.tid) or ""
            thread.deepest = stacks.Depth(now.sp)  # in case it gets no further
            thread.deepest_own = now.sp
            used = stacks.lowest_touched(self.memory, thread.stack)
            if used and used.address < now.sp - _FIRST_FRAME:
                thread.used_from = used.address
                thread.before = stacks.snapshot(self.memory, used.address, now.sp)
                thread.predecessor = self._deepest.get(thread.stack.high)
                if thread.stack.owned and thread.before:
                    self._mark(thread, now.sp - _FIRST_FRAME)

    def _mark(self, thread: Thread, end: int) -> None:
        """Have every write below `end` show, on a stack that the C library hands on from a finished thread.

        The next thread mostly does the same and writes the same, byte for byte. Nobody may read what is changed here.
        """
        if not thread.before:
            return
        start = thread.before.start
        marked = stacks.mark(thread.before.data[: end - start])
        try:
            memory = procfs.Code(self._pid)
        except OSError:
            return
        with closing(memory):
            memory.write(start, marked)
        thread.before = stacks.Snapshot(start, marked + thread.before.data[end - start :])
        thread.marked = True

    def enter(self, thread: Thread) -> None:
        """Take note of what loader and runtime left on the main thread's stack when the program's own work begins."""
        if thread.stack and thread.entry_sp:
            used = stacks.lowest_touched(self.memory, stacks.grown(self.memory, thread.stack))
            if used and used.address < thread.entry_sp:
                thread.before = stacks.snapshot(self.memory, used.address, thread.entry_sp)

    def measure(self, thread: Thread) -> None:
        """See how deep the thread's stack was used; never less deep than seen before."""
        thread.name = procfs.thread_name(self._pid, thread.tid) or thread.name
        if not thread.stack:
            return
        mapped = stacks.grown(self.memory, thread.stack) if thread.main else thread.stack
        depth = stacks.lowest_touched(self.memory, mapped, read_before=self.read_before)
        if depth and thread.used_from is not None and depth.address >= thread.used_from:
            depth = self._since_begin(thread, depth)
        if depth and (not thread.deepest or depth.address < thread.deepest.address):
            thread.deepest = depth
            earlier = self._deepest.get(mapped.high, depth.address)
            self._deepest[mapped.high] = min(earlier, depth.address)
        own = self._own(thread, depth) if depth else None
        if own is not None and (thread.deepest_own is None or own < thread.deepest_own):
            thread.deepest_own = own
            if self._remains:
                self._remains.take(thread.tid, self.memory, mapped, own)

    def _own(self, thread: Thread, depth: stacks.Depth) -> int:
        """The lowest byte that the program itself wrote, when `depth` was measured."""
        if not thread.main or not thread.before or depth.address < thread.before.start:
            return depth.address
        changed = thread.before.first_change(self.memory)
        return thread.before.end if changed is None else changed

    def _since_begin(self, thread: Thread, depth: stacks.Depth) -> stacks.Depth:
        """How deep a stack was used that was not fresh when its thread began."""
        if not thread.before:
            return stacks.Depth(depth.address, _REUSED)
        changed = thread.before.first_change(self.memory)
        if changed is None:
            changed = thread.before.end
        if thread.marked:
            return stacks.Depth(changed)
        # Threads that do the same write the same: what an earlier one left may have been written again unseen.
        if (
            thread.predecessor is not None
            and max(thread.predecessor, thread.before.start) < changed
        ):
            return stacks.Depth(max(thread.predecessor, thread.before.start), _REUSED)
        return stacks.Depth(changed)
