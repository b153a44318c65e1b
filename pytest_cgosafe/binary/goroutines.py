"""Where a Go program keeps its goroutines: from its symbols and its DWARF."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_cgosafe.binary.elf import read_elf
from pytest_cgosafe.binary.structs import field_offsets_of
from pytest_cgosafe.watch.bounds import ThreadLayout
from pytest_cgosafe.watch.gocount import CountLayout
from pytest_cgosafe.watch.goroutines import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


_VARIABLES = ("allglen", "allgptr", "maxstacksize", "sched", "allp", "allm")
_STRUCTS = (
    "runtime.g",
    "runtime.gobuf",
    "runtime.m",
    "runtime.schedt",
    "runtime.schedt:gFree",
    "runtime.p:gFree",
    "runtime.gList",
)


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
    found = ((name, elf.symbol(f"runtime.{name}")) for name in _VARIABLES)
    at = {name: symbol.address for name, symbol in found if symbol}
    if len(at) < len(_VARIABLES):
        return None
    g, gobuf, m, schedt, sched_free, p_free, glist = field_offsets_of(path, _STRUCTS)
    try:
        return Layout(
            allglen=at["allglen"],
            allgptr=at["allgptr"],
            maxstacksize=at["maxstacksize"],
            stack=g["stack"],
            sched_sp=g["sched"] + gobuf["sp"],
            sched_pc=g["sched"] + gobuf["pc"],
            sched_bp=g["sched"] + gobuf["bp"],
            syscallsp=g["syscallsp"],
            status=g["atomicstatus"],
            goid=g["goid"],
            gopc=g["gopc"],
            startpc=g["startpc"],
            parent=g.get("parentGoid"),
            count=CountLayout(
                at["allglen"],
                at["sched"] + schedt["ngsys"],
                tuple(at["sched"] + offset for offset in _common_counts(sched_free, glist)),
                at["allp"],
                p_free["n"] if "n" in p_free else p_free["size"],
            ),
            threads=ThreadLayout(at["allm"], m["procid"], m["g0"], m["alllink"], g["stack"]),
        )
    except KeyError:
        return None


def _common_counts(sched_free: Mapping[str, int], glist: Mapping[str, int]) -> tuple[int, ...]:
    """Where ended goroutines are counted: at once up to Go 1.24, list by list from 1.25 on."""
    if "n" in sched_free:
        return (sched_free["n"],)
    return tuple(sched_free[name] + glist["size"] for name in ("stack", "noStack"))
