"""The Go line that called C: up the goroutine's stack from where it was left, by Go's own function table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from pytest_cgosafe.crash.inside_gdb.functable import MAGIC, FunctionTable
from pytest_cgosafe.crash.naming import is_glue_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.binary.elf import Elf
    from pytest_cgosafe.crash.inside_gdb.functable import Function
    from pytest_cgosafe.crossings.trace.gomemory import GoMemory

_ASMCGOCALL: Final = {
    "x86_64": ((0, 8), (40, 48)),
    "aarch64": ((8, 0),),
}
"""Where runtime.asmcgocall keeps, relative to its sp during the call, how far below the top of its stack the goroutine
was left, and the goroutine (runtime/asm_GOARCH.s, the newest Go first)."""
_CALLS_C: Final = re.compile(rb"\0(?!net\.|os/user\.|plugin\.|runtime/cgo\.)[^\0]+\._C2?func_")
_MOST_FRAMES: Final = 64


@dataclass(frozen=True, slots=True)
class Caller:
    """The Go code that called C."""

    function: str
    file: str | None
    line: int | None


def read_functions(elf: Elf) -> FunctionTable | None:
    """The function table of a Go program, with addresses as linked; None where there is none that this reader knows."""
    text = elf.go_text
    try:
        data = _function_table(elf)
    except (OSError, ELFError):
        return None
    known = data is not None and int.from_bytes(data[:4], "little") == MAGIC
    return FunctionTable(data, text) if data and text and known else None


def calls_c(elf: Elf) -> bool:
    """Whether a Go program calls C, its standard library aside: also a stripped one names its functions.

    Where that can't be read, it may.
    """
    try:
        names = _function_table(elf)
    except (OSError, ELFError):
        names = None
    return names is None or _CALLS_C.search(names) is not None


def _function_table(elf: Elf) -> bytes | None:
    """Its section, or, where a linker merged that with others, what stands between its symbols."""
    start, end = elf.symbol("runtime.pclntab"), elf.symbol("runtime.epclntab")
    with elf.path.open("rb") as file:
        for part in ELFFile(file).iter_sections():
            if part.name.endswith("gopclntab"):
                return part.data()
            if start and end and 0 <= start.address - part["sh_addr"] < part["sh_size"]:
                at = part["sh_addr"]
                return part.data()[start.address - at : end.address - at]
    return None


def go_caller(go: GoMemory, sp: int) -> Caller | None:
    """Who called the C function that a thread with that `sp` is about to enter, from runtime.asmcgocall.

    The innermost frame that is neither the runtime's nor cgo's. None where the goroutine's stack can't be walked.
    """
    # amd64's call instruction has pushed the return address
    here = sp + 8 if go.machine == "x86_64" else sp
    for depth_at, goroutine_at in _ASMCGOCALL[go.machine]:
        depth, g = go.word(here + depth_at), go.word(here + goroutine_at)
        high = go.word(g + go.layout.fields["runtime.g"]["stack"] + 8) if g else None
        if depth and high and go.on_goroutine_stack(high - depth):
            return next(_callers(go, high - depth), None)
    return None


def _callers(go: GoMemory, left: int) -> Iterator[Caller]:
    # asmcgocall has saved the frame pointer, or has not
    for slot in (left + 8, left):
        frames = list(_walk(go, slot))
        if frames and frames[0].name == "runtime.cgocall":
            for frame in frames:
                if not is_glue_name(frame.name):
                    yield Caller(frame.name, frame.file, frame.line)
            return


def _walk(go: GoMemory, slot: int) -> Iterator[Function]:
    """The functions on a goroutine's stack, from the one whose return address stands at `slot` outward."""
    for _ in range(_MOST_FRAMES):
        pc = go.word(slot)
        found = go.function_at(pc - 1) if pc else None
        if found is None:
            return
        yield found
        slot += 8 + found.depth
