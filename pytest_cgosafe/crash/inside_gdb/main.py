"""The script's entry: reads a request, looks at the program, writes what it found as JSON."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gdb

from . import arch, causes, memory, overflows, siginfo
from .boundaries import Boundaries
from .facts import Facts
from .gopclntab import find_function_table
from .goroutines import Goroutines
from .goruntime import Goroutine, GoRuntime, Machine, has_debug_information
from .symbols import Symbols
from .walker import Walker

_LIFETIME = 300
_WORDS = 20
_MASK = 0xFFFF_FFFF_FFFF_FFFF
_MAX_THREADS_SEARCHED = 64
_FAULTS = {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS"}


def run(request_path: str) -> None:
    """Answers the request in `request_path`; `debugger.py` says what it asks and what it gets."""
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    answer = _Answer(Path(request["answer"]))
    signal.alarm(_LIFETIME)  # if nobody is left to end this gdb, it ends by itself
    gdb.execute("set language c")  # else expressions are read in the language of the frame at hand
    gdb.execute("set print null-stop on")
    table = arch.current()
    if table is None:
        name = gdb.selected_inferior().architecture().name()
        raise gdb.GdbError(f"Error: mixed backtraces are not known for the architecture {name}")
    _Examination(request, table, answer).run()


class _Answer:
    """The answer so far; it is written at every step, so that a later one that fails costs nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fields: dict[str, Any] = {"notes": []}

    def put(self, **fields: Any) -> None:
        self._fields.update(fields)
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self._fields), encoding="utf-8")
        part.replace(self._path)

    def note(self, text: str) -> None:
        self._fields["notes"].append(text)


@dataclass(frozen=True)
class _Look:
    """One thread, looked at."""

    tid: int
    boundaries: Boundaries
    walker: Walker

    @property
    def goroutine(self) -> Goroutine | None:
        """The goroutine whose frames were met; a thread may hold one that it has not run."""
        met = any(frame["stack"] == "goroutine" for frame in self.walker.trace.frames)
        return self.boundaries.goroutine if met else None

    @property
    def handled(self) -> dict[str, Any] | None:
        """The signal that Go's own handler was at work on."""
        return self.walker.evidence.handled

    def backtrace(self) -> dict[str, Any]:
        frames, gaps = self.walker.trace.told()
        return {
            "tid": self.tid,
            "goroutine": (self.goroutine.goid or None) if self.goroutine else None,
            "frames": frames,
            "gaps": gaps,
            "created_by": _created_by(self.boundaries.symbols, self.goroutine),
        }


class _Examination:
    """One look at the program."""

    def __init__(self, request: dict[str, Any], table: arch.Arch, answer: _Answer) -> None:
        self._request = request
        self._arch = table
        self._answer = answer
        self._live = request["live"]
        pid = gdb.selected_inferior().pid
        self._mappings = memory.live_mappings(pid) if self._live else memory.core_mappings()
        functions = None if has_debug_information() else find_function_table()
        self._symbols = Symbols(functions)
        self._runtime = GoRuntime(functions)

    def run(self) -> None:
        """Answers step by step, the most important first."""
        thread = self._thread()
        if self._symbols.table:
            self._answer.note(
                "the program has no debug information: Go's functions are named by its own table; "
                "goroutine numbers, arguments and C functions are not known"
            )
        look = self._look(thread)
        met = self._request["signal"] or (None if self._live else siginfo.of_core())
        if not self._live and (look.handled or met or {}).get("name") not in _FAULTS:
            look = self._search_fault() or look
        self._tell(look, look.handled or met)
        looks = [look]
        if self._request["all_threads"]:
            others = (t for t in gdb.selected_inferior().threads() if t.ptid[1] != look.tid)
            looks += [self._look(other) for other in others]
            self._answer.put(threads=[each.backtrace() for each in looks])
        shown = [each.goroutine.address for each in looks if each.goroutine]
        self._answer.put(others=Goroutines(self._runtime, self._symbols).groups(shown))

    def _thread(self) -> gdb.InferiorThread:
        threads = gdb.selected_inferior().threads()
        wanted = self._request["tid"]
        found = next((t for t in threads if t.ptid[1] == wanted), None)
        if wanted is not None and found is None:
            self._answer.note(f"there is no thread {wanted} any more: another one is shown")
        return found or gdb.selected_thread()

    def _look(self, thread: gdb.InferiorThread) -> _Look:
        thread.switch()
        tid = thread.ptid[1]
        machine = self._runtime.machine_of_thread(tid) or self._machine_by_registers()
        boundaries = Boundaries(self._arch, self._mappings, self._symbols, self._runtime, machine)
        walker = Walker(boundaries, full=self._request["full"])
        walker.walk()
        return _Look(tid, boundaries, walker)

    def _machine_by_registers(self) -> Machine | None:
        """The m of the selected thread without debug information: Go code keeps its g in a register."""
        if self._symbols.table is None:
            return None
        frame = gdb.newest_frame()
        if frame.pc() not in self._symbols.table.text:
            return None
        return self._runtime.machine_of_g(int(frame.read_register(self._arch.g)) & _MASK)

    def _search_fault(self) -> _Look | None:
        """The thread that met a fault: GOTRACEBACK=crash sends SIGQUIT and SIGABRT to others after it."""
        for thread in gdb.selected_inferior().threads()[:_MAX_THREADS_SEARCHED]:
            look = self._look(thread)
            if look.handled and look.handled["name"] in _FAULTS:
                return look
        return None

    def _tell(self, look: _Look, met: dict[str, Any] | None) -> None:
        trace, evidence = look.walker.trace, look.walker.evidence
        registers = evidence.registers or look.boundaries.general_registers(gdb.newest_frame())
        sp = next(r["value"] for r in registers if r["name"] == self._arch.sp)
        self._answer.put(
            registers=registers,
            words=memory.words(sp, _WORDS),
            signal=met,
            backtrace=look.backtrace(),
            recursion=trace.cycle if trace.cycle and trace.cycle["functions"] else None,
        )
        if evidence.handled:
            self._answer.note(
                f"Go's own signal handler had it in hand: the first {evidence.first} frames are its"
            )
        self._answer.put(cause=self._cause(look, met))

    def _cause(self, look: _Look, met: dict[str, Any] | None) -> str | None:
        trace, evidence, goroutine = look.walker.trace, look.walker.evidence, look.goroutine
        overflow = overflows.goroutine_overflow(
            trace, goroutine.hi - goroutine.lo if goroutine else None
        )
        fault = next(iter(trace.frames[evidence.first :]), None)
        in_go = fault is not None and look.boundaries.in_go_text(fault["pc"])
        if overflow or fault is None or (evidence.death and (in_go or not met)):
            return overflow or evidence.death
        if not met:
            return None
        return causes.explain(
            Facts(
                tid=look.tid,
                signal=met["name"],
                code=met["code"],
                address=met["address"],
                pc=fault["pc"],
                sp=fault["sp"],
                in_go=in_go,
                trace=trace,
                evidence=evidence,
                mappings=self._mappings,
            )
        )


def _created_by(symbols: Symbols, goroutine: Goroutine | None) -> dict[str, Any] | None:
    if goroutine is None or not goroutine.gopc or goroutine.goid == 1:
        return None
    code = symbols.at(goroutine.gopc - 1)
    if code is None:
        return None
    return {
        "function": code.name,
        "file": code.file or None,
        "line": code.line,
        "goroutine": goroutine.parent or None,
    }
