"""What a walk up a stack found: frames, and why it went no further."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_cgosafe.binary.loaded import Loaded


class Link(Enum):
    """What ties a return address to the function that is to return there."""

    PROVED = auto()
    """The call before it leads to that function."""
    POSSIBLE = auto()
    """The call before it goes through a pointer; or it is a later call by a function that calls that one too."""
    WRONG = auto()
    """It follows no call, or a call that has nothing to do with that function."""


class End(Enum):
    """Why a walk went no further."""

    OUTERMOST = auto()
    """No one called the last function: a thread or a goroutine began there."""
    SWITCH = auto()
    """Go's runtime came from another stack."""
    OVERWRITTEN = auto()
    """Later calls used the place where the next return address was."""
    LOST = auto()
    """Nothing tells where the next return address is."""
    BEYOND = auto()
    """The next return address is beyond what was copied."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Frames of one function in a row, all of the same size."""

    name: str | None
    """None for an innermost one that was called through a pointer."""
    low: int
    """The lowest address of the innermost one."""
    size: int
    """Bytes that each takes; that it used, for the innermost of all."""
    count: int = 1
    function: Loaded | None = None
    """None where only its name is known."""


@dataclass(frozen=True, slots=True)
class Trail:
    """One walk."""

    frames: tuple[Frame, ...]
    end: End
    sp: int
    """The stack pointer of the last function, where it stands in its call."""
    last: Loaded | None
    """The function that no caller was found of; not in `frames`."""
    pc: int
    """Where it stands."""
    proved: int
    """How many of the steps were proved."""
    innermost: int
    """The innermost return address."""
