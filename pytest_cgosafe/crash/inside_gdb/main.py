"""The script's entry: reads a request, looks at the program, writes what it found as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gdb

from . import arch, memory
from .boundaries import Boundaries
from .goruntime import Goroutine, GoRuntime
from .walker import Walker

_WORDS = 20
_PR_SET_PDEATHSIG = 1


def run(request_path: str) -> None:
    """Answers the request in `request_path`; see `debugger.py` for its fields and the answer's."""
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    answer = _Answer(Path(request["answer"]))
    look_at_program(request, answer)


class _Answer:
    """The answer so far; it is written after every step, so that a later step that fails costs nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.fields: dict[str, Any] = {"notes": []}

    def put(self, **fields: Any) -> None:
        self.fields.update(fields)
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(self.fields), encoding="utf-8")
        part.replace(self._path)

    def note(self, text: str) -> None:
        self.fields["notes"].append(text)


def look_at_program(request: dict[str, Any], answer: _Answer) -> None:
    table = arch.current()
    if table is None:
        answer.put(
            error=f"no table for the architecture {gdb.selected_inferior().architecture().name()}"
        )
        return
    thread = _select_thread(request.get("tid"))
    tid = thread.ptid[1]
    answer.put(tid=tid, **_registers(table))
    live = request["live"]
    mappings = memory.live_mappings(gdb.selected_inferior().pid) if live else memory.core_mappings()
    runtime = GoRuntime()
    answer.put(backtrace=_backtrace(table, mappings, runtime, tid, full=request["full"]))


def _backtrace(
    table: arch.Arch, mappings: memory.Mappings, runtime: GoRuntime, tid: int, *, full: bool
) -> dict[str, Any]:
    boundaries = Boundaries(table, mappings, runtime, runtime.machine_of_thread(tid))
    trace = Walker(boundaries, full=full).walk()
    goroutine = boundaries.goroutine
    return {
        "tid": tid,
        "goroutine": goroutine.goid if goroutine else None,
        "frames": trace.frames,
        "gaps": trace.gaps,
        "created_by": _created_by(goroutine),
    }


def _created_by(goroutine: Goroutine | None) -> dict[str, Any] | None:
    if goroutine is None or not goroutine.gopc:
        return None
    block = gdb.block_for_pc(goroutine.gopc - 1)
    while block is not None and block.function is None:
        block = block.superblock
    if block is None:
        return None
    sal = gdb.find_pc_line(goroutine.gopc - 1)
    return {
        "function": block.function.name,
        "file": sal.symtab.filename if sal.symtab else None,
        "line": sal.line or None,
        "goroutine": goroutine.parent or None,
    }


def _select_thread(tid):
    for thread in gdb.selected_inferior().threads():
        if thread.ptid[1] == tid:
            thread.switch()
            return thread
    return gdb.selected_thread()


def _registers(table: arch.Arch) -> dict[str, Any]:
    frame = gdb.newest_frame()
    values: list[dict[str, Any]] = []
    for name in table.registers:
        values.append(
            {"name": name, "value": int(frame.read_register(name)) & 0xFFFF_FFFF_FFFF_FFFF}
        )
    return {"registers": values, "words": memory.words(int(frame.read_register(table.sp)), _WORDS)}
