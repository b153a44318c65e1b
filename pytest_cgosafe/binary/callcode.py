"""How calls and what belongs to them are encoded on amd64."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

LONGEST_CALL = 7
BRANCH: Final = re.compile(rb"[\xe8\xe9]")  # call and jmp, with the distance in 32 bits
ALLOCATES: Final = re.compile(
    rb"[\x48\x4c]\x29[\xc4\xcc\xd4\xdc\xec\xf4\xfc]"
)  # sub %register,%rsp
STUB: Final = re.compile(rb"(?:\xf3\x0f\x1e\xfa)?\xf2?\xff\x25(.{4})", re.DOTALL)
"""An entry of the procedure linkage table: ``[endbr64] [bnd] jmp *slot(%rip)``."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call instruction."""

    target: int | None
    """Where it leads, as linked; None where that is known at run time only."""
    symbol: str | None = None
    """The name that the dynamic linker looks up for it."""


def is_indirect_call(code: bytes) -> bool:
    """Whether `code` is exactly one ``call`` by a register or by memory: ff /2 (Intel SDM, volume 2, CALL)."""
    mod, rm = code[1] >> 6, code[1] & 7
    if code[1] >> 3 & 7 != 2:
        return False
    length = 2
    if mod != 3:
        has_base = rm == 4
        length += has_base
        if mod == 1:
            length += 1
        elif mod == 2 or rm == 5 or (has_base and len(code) > 2 and code[2] & 7 == 5):
            length += 4
    return length == len(code)
