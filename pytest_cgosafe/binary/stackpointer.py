"""The stack pointer of a function, followed from instruction to instruction; what an instruction does to it.

The instruction sets themselves are in modules of their own, `amd64` and `arm64`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Flow(Enum):
    """Where the processor goes after an instruction that is not a plain one."""

    CALL = auto()
    JUMP = auto()
    BRANCH = auto()
    """To its target or to the next instruction."""
    STOP = auto()
    """Back to the caller, or nowhere."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """An instruction that goes elsewhere. Neither target, slot nor table: it goes where a register says."""

    flow: Flow
    target: int | None = None
    slot: int | None = None
    """The address of the word that holds the target."""
    table: int | None = None
    """The address of the array of addresses that holds the target; 0 where there is one, and its place is unknown."""


STOP = Transfer(Flow.STOP)


@dataclass(slots=True)
class StackPointer:
    """The stack pointer at one instruction, in bytes below the CFA: what it was in the caller before the call.

    With the return address on the stack, it is 8 at an amd64 function's first instruction.
    """

    depth: int
    copies: dict[str, int] = field(default_factory=dict)
    """Registers that point into the frame, with how deep."""
    constants: dict[str, int] = field(default_factory=dict)
    """Registers that hold a known address of code or data."""
    table: str | None = None
    """The register that a jump table's entry was loaded into."""
    table_address: int = 0
    touched: int = 0
    """The deepest byte that was read or written, or whose address was taken, so far."""
    limit: int | None = None
    """Where a loop ends that moves it page by page, to touch each (gcc's ``-fstack-clash-protection``)."""
    dynamic: bool = False
    """Moved by a number of bytes that only the run knows."""
    lost: bool = False
    """Set to a value from memory or from a register that is not known."""

    def fork(self) -> StackPointer:
        """The same, to go another way with."""
        return replace(self, copies=dict(self.copies), constants=dict(self.constants))

    def move(self, size: int) -> None:
        """Go `size` bytes deeper."""
        self.depth += size
        if self.limit is not None:
            self.depth = min(self.depth, self.limit)
        self.touched = max(self.touched, self.depth)

    def touch(self, depth: int) -> None:
        """A byte at `depth` is used."""
        self.touched = max(self.touched, depth)

    def align(self, alignment: int, known: int) -> None:
        """Round down to a multiple of `alignment`; the CFA is known to be one of `known`. The worst case is taken."""
        if alignment > 1 and alignment & (alignment - 1) == 0:
            step = min(alignment, known)
            self.move(-self.depth % step + max(alignment - known, 0))
        else:
            self.dynamic = True

    def back_to(self, register: str) -> None:
        """Set to a register's value."""
        if register in self.copies:
            self.depth = self.copies[register]
            self.touched = max(self.touched, self.depth)
        else:
            self.lost = True

    def keep(self, registers: frozenset[str]) -> None:
        """Forget all registers but these: a call may have written them."""
        for register in (self.copies.keys() | self.constants.keys()) - registers:
            self.forget(register)

    def forget(self, register: str) -> None:
        """A register was written with something that is not known."""
        self.copies.pop(register, None)
        self.constants.pop(register, None)
        if self.table == register:
            self.table = None


@dataclass(frozen=True, slots=True)
class Architecture:
    """How code of one architecture is read."""

    name: str
    """Go's name, ``amd64``."""
    capstone: tuple[str, str]
    """Capstone's names of the architecture and the mode."""
    entry: int
    """The depth at a function's first instruction: what the call itself pushed."""
    stack_register: int
    """The DWARF number of the stack pointer, from the architecture's psABI."""
    step: Callable[[StackPointer, str, str, int], Transfer | None]
    """What an instruction (mnemonic, operands, address of the next one) does."""
