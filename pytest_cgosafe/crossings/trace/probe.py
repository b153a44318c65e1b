"""The trace: what C is given at run time, looked at when C is entered.

On the paths that are executed, it finds what no reading of the source can follow. It looks at the first calls of each C
function and then lets go of it, so that a function which is called a million times costs little.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.binary.elf import read_elf
from pytest_cgosafe.crossings.fixes import fix_for
from pytest_cgosafe.crossings.trace.callers import calls_c, go_caller, read_functions
from pytest_cgosafe.crossings.trace.gomemory import GoMemory, read_layout
from pytest_cgosafe.crossings.trace.judgement import judge
from pytest_cgosafe.crossings.trace.signatures import read_stubs
from pytest_cgosafe.results import (
    Crossing,
    CrossingKind,
    FlowStep,
    Origin,
    TracedFunction,
    TraceSummary,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_cgosafe.crash.inside_gdb.functable import FunctionTable
    from pytest_cgosafe.crossings.trace.callers import Caller
    from pytest_cgosafe.crossings.trace.gomemory import Layout
    from pytest_cgosafe.crossings.trace.judgement import Finding
    from pytest_cgosafe.crossings.trace.signatures import Stub
    from pytest_cgosafe.watch.images import Image
    from pytest_cgosafe.watch.traps import Entry

CALLS: Final = 32
"""How many calls of each C function are looked at."""
_UNWATCHED: Final = "nothing was traced: nobody could watch the program"
_NAMED: Final = 5
"""How many C functions are named that can't be traced."""
_INTEGER_FIX: Final = (
    "give C the pointer as a pointer, for the time of the call, or a runtime/cgo.Handle; "
    f"see docs/crossings.md#{CrossingKind.POINTER}"
)


@dataclass(frozen=True, slots=True)
class _File:
    """What was read from the file that holds the Go runtime; addresses as linked."""

    stubs: tuple[Stub, ...]
    layout: Layout | None
    functions: FunctionTable | None
    calls_c: bool


@lru_cache(maxsize=8)
def _read(path: Path, _mtime_ns: int, _size: int) -> _File | None:
    elf = read_elf(path)
    if elf is None or not elf.is_go:
        return None
    return _File(read_stubs(path), read_layout(elf), read_functions(elf), calls_c(elf))


def _read_now(path: Path) -> _File | None:
    try:
        status = path.stat()
        return _read(path, status.st_mtime_ns, status.st_size)
    except OSError:
        return None


class CrossingTrace:
    """Looks at what one program gives to C; a `Probe` of its watch."""

    def __init__(self, program: Path) -> None:
        """`program` is read at once, because later it would wait for that."""
        _read_now(program)
        self._file: _File | None = None
        self._bias = 0
        self._memory: GoMemory | None = None
        self._stubs: dict[int, Stub] = {}
        self._calls: Counter[int] = Counter()
        self._found: dict[tuple[object, ...], Crossing] = {}
        self._watched = False
        self._missing: list[str] = []
        self._nameless = False

    def places(self, image: Image) -> Iterable[int]:
        """Probe."""
        self._watched = True
        file = _read_now(image.path)
        if file is None or not file.calls_c:
            return ()
        if file.layout is None or file.functions is None:
            why = "it has no symbols or no DWARF (built with -ldflags=-s or -w)"
            self._missing.append(f"what {image.path.name} gives to C could not be traced: {why}")
            return ()
        self._file, self._bias, self._memory = file, image.bias, None
        self._stubs |= {stub.address + image.bias: stub for stub in file.stubs if stub.words}
        untyped = sorted(stub.function for stub in file.stubs if stub.words is None)
        if untyped:
            some = ", ".join(untyped[:_NAMED]) + (", ..." if len(untyped) > _NAMED else "")
            why = "the DWARF does not tell their arguments (is it built with -g?)"
            self._missing.append(f"{len(untyped)} C functions could not be traced ({some}): {why}")
        return tuple(self._stubs)

    def hit(self, entry: Entry) -> bool:
        """Probe."""
        self._calls[entry.place] += 1
        stub, go = self._stubs[entry.place], self._go_memory(entry)
        found = judge(go, entry.registers.arguments[0], stub.words or ()) if go else ()
        if go and found:
            caller = go_caller(go, entry.registers.sp)
            for finding in found:
                self._tell(finding, stub, caller)
        return self._calls[entry.place] < CALLS

    def _go_memory(self, entry: Entry) -> GoMemory | None:
        file, machine = self._file, entry.registers.machine.name
        if self._memory is None and file and file.layout and file.functions:
            self._memory = GoMemory(entry.memory, file.layout, file.functions, self._bias, machine)
        return self._memory

    def _tell(self, finding: Finding, stub: Stub, caller: Caller | None) -> None:
        file, line = (caller.file, caller.line) if caller else (None, None)
        self._nameless |= file is None
        step = f"C gets it here, in {caller.function}" if caller else ""
        crossing = Crossing(
            kind=finding.kind,
            origin=Origin.TRACE,
            file=file,
            line=line,
            c_function=stub.function,
            message=f"when C was called, {finding.what}",
            fix=_INTEGER_FIX if finding.plain else fix_for(finding.kind),
            flow=(FlowStep(file, line, step),) if file and line else (),
        )
        # a call site that is run often is told of once
        self._found.setdefault((file, line, stub.function, finding.kind, finding.where), crossing)

    @property
    def crossings(self) -> tuple[Crossing, ...]:
        """What was found so far, one for each argument of each call site."""
        return tuple(self._found.values())

    @property
    def summary(self) -> TraceSummary:
        """What was looked at, and what could not be."""
        calls: Counter[str] = Counter()
        let_go = set()
        for place, count in self._calls.items():
            calls[self._stubs[place].function] += count
            if count >= CALLS:
                let_go.add(self._stubs[place].function)
        return TraceSummary(
            tuple(TracedFunction(name, calls[name], name in let_go) for name in sorted(calls)),
            (*self._missing, *(() if self._watched else (_UNWATCHED,))),
            ("the Go code of some calls of C could not be found",) if self._nameless else (),
        )
