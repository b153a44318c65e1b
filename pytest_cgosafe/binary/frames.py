"""The stack that one function takes, and what it calls: its code, followed along every path.

The stack pointer is followed through the instructions. Where the call frame information gives its depth, that is
held against it; of two depths the deeper one counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.binary.stackpointer import Flow, StackPointer

if TYPE_CHECKING:
    from pytest_cgosafe.binary.cfi import StackDepths
    from pytest_cgosafe.binary.disassembler import Disassembler, Instruction
    from pytest_cgosafe.binary.image import Image
    from pytest_cgosafe.binary.stackpointer import Architecture, Transfer

_MOST_INSTRUCTIONS: Final = 200_000  # of one function; sqlite3VdbeExec, a giant, has 15,000
_MOST_RETURNS: Final = (
    4  # to one instruction, deeper each time: a loop that makes room on the stack
)
_PADDING: Final = frozenset({"nop", "int3", "endbr64", "ud2", "udf"})


@dataclass(frozen=True, slots=True)
class CallSite:
    """A call. Neither target nor slot: it goes where a register or a pointer in memory says."""

    address: int
    depth: int
    """Bytes from the caller's CFA to the callee's: what is on the stack when the callee starts, less what the call
    itself pushes."""
    target: int | None
    slot: int | None
    tail: bool = False
    """A jump that leaves nothing of the caller on the stack."""


@dataclass(frozen=True, slots=True)
class FunctionFrame:
    """What one function does to the stack."""

    address: int
    size: int
    """Bytes from its CFA to the deepest byte it uses itself, its return address included."""
    depth: int
    """Bytes from its CFA to the deepest that it moves the stack pointer: less than `size` where it uses bytes below."""
    calls: tuple[CallSite, ...]
    dynamic: int | None
    """Where it moves the stack pointer by a number of bytes that only the run knows (alloca, VLA); else None."""
    switches: int | None
    """Where it sets the stack pointer to a value that can't be followed; else None."""
    incomplete: int | None
    """Where its code could not be followed further; else None."""


class FrameReader:
    """Reads the frames of one file's functions."""

    def __init__(
        self, image: Image, code: Disassembler, depths: StackDepths, architecture: Architecture
    ) -> None:
        self._image = image
        self._code = code
        self._depths = depths
        self._architecture = architecture

    def read(self, address: int) -> FunctionFrame:
        """The frame of the function that starts at `address`."""
        return _Walk(self._image, self._code, self._depths, self._architecture, address).walk()


class _Walk:
    """One function, followed from its first instruction."""

    def __init__(
        self,
        image: Image,
        code: Disassembler,
        depths: StackDepths,
        architecture: Architecture,
        address: int,
    ) -> None:
        self._image = image
        self._code = code
        self._depths = depths
        self._architecture = architecture
        self._address = address
        self._spans: list[range] = []
        self._add_span(address)
        self._seen: dict[int, int] = {}
        self._returns: dict[int, int] = {}
        self._calls: dict[int, CallSite] = {}
        self._size = architecture.entry
        self._body = StackPointer(architecture.entry)
        self._dynamic: int | None = None
        self._switches: int | None = None
        self._incomplete: int | None = None

    def walk(self) -> FunctionFrame:
        self._follow(self._address, StackPointer(self._architecture.entry))
        self._follow_the_rest()
        told = max((self._depths.deepest(span.start) for span in self._spans), default=0)
        return FunctionFrame(
            address=self._address,
            size=max(self._size, told),
            depth=max(self._body.depth, told),
            calls=tuple(self._calls[at] for at in sorted(self._calls)),
            dynamic=self._dynamic,
            switches=self._switches,
            incomplete=self._incomplete,
        )

    def _add_span(self, address: int) -> None:
        if self._image.is_stub(address):
            return
        symbol = self._image.function_at(address)
        span = (
            range(symbol.address, symbol.address + symbol.size)
            if symbol and symbol.size
            else self._depths.span(address)
        )
        if span:
            self._spans.append(span)

    def _span_around(self, address: int) -> range | None:
        return next((span for span in self._spans if address in span), None)

    def _follow_the_rest(self) -> None:
        """The code that only jump tables and the C++ runtime lead to: at its deepest, as far as is known."""
        for span in list(self._spans):
            at = span.start
            while at in span and (instruction := self._code.at(at, span.stop)):
                if at not in self._seen and not _is_padding(instruction):
                    self._follow(at, self._body.fork(), assumed=True)
                at += instruction.size

    def _follow(self, start: int, sp: StackPointer, *, assumed: bool = False) -> None:
        waiting = [(start, sp)]
        while waiting:
            at, sp = waiting.pop()
            self._trust_call_frames(at, sp)
            while self._is_news(at, sp, assumed=assumed):
                span = self._span_around(at)
                instruction = self._code.at(at, span.stop if span else None)
                if instruction is None or len(self._seen) > _MOST_INSTRUCTIONS:
                    self._incomplete = self._incomplete or at
                    break
                after = at + instruction.size
                transfer = self._architecture.step(
                    sp, instruction.mnemonic, instruction.operands, after
                )
                self._note(at, after, sp)
                if transfer:
                    if (target := self._go(at, after, sp, transfer)) is not None:
                        waiting.append((target, sp.fork()))
                    if transfer.flow in {Flow.JUMP, Flow.STOP}:
                        break
                    sp.limit = None
                    self._trust_call_frames(after, sp)
                if span and after >= span.stop:
                    break  # behind a call that does not return
                at = after

    def _is_news(self, at: int, sp: StackPointer, *, assumed: bool) -> bool:
        """Whether the instruction at `at` is to be followed: it is new, or reached with a deeper stack than before."""
        known = self._seen.get(at)
        if known is not None:
            if assumed or sp.depth <= known:
                return False
            times = self._returns[at] = self._returns.get(at, 0) + 1
            if times > _MOST_RETURNS:
                self._dynamic = self._dynamic or at
                return False
        self._seen[at] = sp.depth
        return True

    def _trust_call_frames(self, at: int, sp: StackPointer) -> None:
        depth = self._depths.at(at)
        if depth is not None:
            sp.depth = depth

    def _note(self, at: int, after: int, sp: StackPointer) -> None:
        self._size = max(self._size, sp.touched)
        if sp.depth > self._body.depth:
            self._body = sp.fork()
        if sp.dynamic:
            self._dynamic = self._dynamic or at
            sp.dynamic = False
        if sp.lost:
            sp.lost = False
            self._trust_call_frames(after, sp)
            if self._dynamic is None and self._depths.span(at) is None:
                self._switches = self._switches or at

    def _go(self, at: int, after: int, sp: StackPointer, transfer: Transfer) -> int | None:
        """Record a call, or return the place in this function that is gone to."""
        entry = self._architecture.entry
        target = transfer.target
        if transfer.flow is Flow.CALL:
            if target == after:  # that is how code learns its own address
                sp.move(entry)
            else:
                self._calls[at] = CallSite(at, sp.depth, target, transfer.slot)
            return None
        if target is not None:
            if self._span_around(target) or not self._leaves(target, sp):
                return target
            if sp.depth > entry:  # the frame stands: a part of this function that lies elsewhere
                self._add_span(target)
                return target
        elif transfer.flow is not Flow.JUMP or not self._calls_through(sp, transfer):
            return None
        self._calls[at] = CallSite(at, max(0, sp.depth - entry), target, transfer.slot, tail=True)
        return None

    def _leaves(self, target: int, sp: StackPointer) -> bool:
        """Whether a jump out of the known spans, if there are any, goes to another function."""
        if self._spans or sp.depth > self._architecture.entry:
            return True
        symbol = self._image.function_at(target)
        return symbol is not None and symbol.address == target

    def _calls_through(self, sp: StackPointer, transfer: Transfer) -> bool:
        """Whether a jump whose target is in a register or in memory is a call, and no jump table."""
        if sp.depth > self._architecture.entry:
            return False
        if transfer.table:
            first = self._image.word(transfer.table)
            return first is None or first == self._address or not self._span_around(first)
        return transfer.table is None


def _is_padding(instruction: Instruction) -> bool:
    return instruction.mnemonic in _PADDING or instruction.operands == "ax, ax"
