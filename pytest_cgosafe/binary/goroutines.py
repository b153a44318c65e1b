"""Where a Go program keeps its goroutines: from its symbols and its DWARF."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_cgosafe.binary.elf import read_elf
from pytest_cgosafe.binary.structs import field_offsets_of
from pytest_cgosafe.watch.bounds import ThreadLayout
from pytest_cgosafe.watch.goroutines import Layout

if TYPE_CHECKING:
    from pathlib import Path


def goroutine_layout(path: Path) -> Layout | None:
    """The layout in the file at `path`; None where that has no Go runtime, or does not tell (stripped)."""
    elf = read_elf(path)
    if elf is None or not elf.is_go:
        return None
    status = path.stat()
    return _layout(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _layout(path: Path, _mtime_ns: int, _size: int) -> Layout | None:
    elf = read_elf(path)
    if elf is None:
        return None
    names = ("allglen", "allgptr", "maxstacksize", "sched", "extraMLength", "allm")
    allglen, allgptr, maxstacksize, sched, extra, allm = (
        symbol.address if (symbol := elf.symbol(f"runtime.{name}")) else None for name in names
    )
    if allglen is None or allgptr is None or maxstacksize is None:
        return None
    g, gobuf, schedt, m = field_offsets_of(
        path, ("runtime.g", "runtime.gobuf", "runtime.schedt", "runtime.m")
    )
    ngsys = schedt.get("ngsys")
    try:
        return Layout(
            allglen=allglen,
            allgptr=allgptr,
            maxstacksize=maxstacksize,
            system=None if sched is None or ngsys is None else sched + ngsys,
            idle_extra=extra,
            stack=g["stack"],
            sched_sp=g["sched"] + gobuf["sp"],
            sched_pc=g["sched"] + gobuf["pc"],
            sched_bp=g["sched"] + gobuf["bp"] if "bp" in gobuf else None,
            syscallsp=g["syscallsp"],
            status=g["atomicstatus"],
            goid=g["goid"],
            gopc=g["gopc"],
            startpc=g["startpc"],
            parent=g.get("parentGoid"),
            threads=ThreadLayout(allm, m["procid"], m["g0"], m["alllink"], g["stack"])
            if allm is not None
            else None,
        )
    except KeyError:
        return None
