"""The trace: what C is given at run time, looked at when C is entered.

On the paths that are executed, it finds what no reading of the source can follow. It looks at the first calls of each C
function and then lets go of it, so that a function which is called a million times costs little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.binary.elf import read_elf
from pytest_cgosafe.crossings.fixes import fix_for
from pytest_cgosafe.crossings.trace.callers import go_caller, read_functions
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

    from pytest_cgosafe.crash.inside_gdb.functable import FunctionTable
    from pytest_cgosafe.crossings.trace.callers import Caller
    from pytest_cgosafe.crossings.trace.gomemory import Layout
    from pytest_cgosafe.crossings.trace.judgement import Finding
    from pytest_cgosafe.crossings.trace.signatures import Stub
    from pytest_cgosafe.watch.images import Image
    from pytest_cgosafe.watch.traps import Entry

CALLS: Final = 32
"""How many calls of each C function are looked at."""


@dataclass(frozen=True, slots=True)
class _Go:
    """What was read from the file that holds the Go runtime."""

    layout: Layout
    functions: FunctionTable
    bias: int


class CrossingTrace:
    """Looks at what one program gives to C; a `Probe` of its watch."""

    def __init__(self) -> None:
        self._go: _Go | None = None
        self._stubs: dict[int, Stub] = {}
        self._calls: dict[int, int] = {}
        self._found: dict[tuple[object, ...], Crossing] = {}
        self._untyped: set[str] = set()
        self._notes: list[str] = []
        self._memory: GoMemory | None = None

    def places(self, image: Image) -> Iterable[int]:
        """Probe."""
        elf = read_elf(image.path)
        if elf is None or not elf.is_go:
            return ()
        layout, functions = read_layout(elf), read_functions(elf)
        if layout is None or functions is None:
            without = "DWARF" if elf.symbol("runtime.mheap_") else "symbols"
            why = f"it has no {without} (built with -ldflags -s or -w)"
            self._note(f"what {image.path.name} gives to C could not be traced: {why}")
            return ()
        self._go, self._memory = _Go(layout, functions, image.bias), None
        for stub in read_stubs(image.path):
            if stub.words is None:
                self._untyped.add(stub.function)
            elif stub.words:
                self._stubs[stub.address + image.bias] = stub
        return tuple(self._stubs)

    def hit(self, entry: Entry) -> bool:
        """Probe."""
        calls = self._calls[entry.place] = self._calls.get(entry.place, 0) + 1
        stub, go = self._stubs[entry.place], self._go
        if go and stub.words:
            machine = entry.registers.machine.name
            if self._memory is None:
                self._memory = GoMemory(entry.memory, go.layout, go.bias, machine)
            found = judge(self._memory, entry.registers.arguments[0], stub.words)
            if found:
                caller = go_caller(self._memory, go.functions, go.bias, entry.registers.sp, machine)
                for finding in found:
                    self._tell(finding, stub, caller)
        return calls < CALLS

    def _tell(self, finding: Finding, stub: Stub, caller: Caller | None) -> None:
        file, line = (caller.file, caller.line) if caller else (None, None)
        if file is None:
            self._note("the Go code of some calls of C could not be found")
        message = f"{finding.what}; seen when C was called"
        step = f"C.{stub.function} is called by {caller.function}" if caller else ""
        crossing = Crossing(
            kind=finding.kind,
            origin=Origin.TRACE,
            file=file,
            line=line,
            c_function=stub.function,
            message=message,
            fix=_INTEGER_FIX if finding.plain else fix_for(finding.kind),
            flow=(FlowStep(file, line, step),) if file and line else (),
        )
        # by whatever way a call site gives it: once
        self._found.setdefault((file, line, stub.function, finding.kind, finding.where), crossing)

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)

    @property
    def crossings(self) -> tuple[Crossing, ...]:
        """What was found so far, one for each argument of each call site."""
        return tuple(self._found.values())

    @property
    def summary(self) -> TraceSummary:
        """What was looked at, and what could not be."""
        calls: dict[str, int] = {}
        for place, count in self._calls.items():
            name = self._stubs[place].function
            calls[name] = calls.get(name, 0) + count
        full = {self._stubs[place].function for place, n in self._calls.items() if n >= CALLS}
        functions = tuple(TracedFunction(name, calls[name], name in full) for name in sorted(calls))
        return TraceSummary(functions, tuple(sorted(self._untyped)), tuple(self._notes))


_INTEGER_FIX: Final = (
    "give C the pointer as a pointer, for the time of the call, or a runtime/cgo.Handle; "
    f"see docs/crossings.md#{CrossingKind.POINTER}"
)
