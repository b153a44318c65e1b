"""Measured peaks beside static bounds: a peak above its bound is a defect, in one of the two."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_cgosafe.binary.stackreport import StackBound, StackReport
    from pytest_cgosafe.results import Call, CallChain, RunResult

_OF_GO: Final = re.compile(r".+\.(?!so\b)[^+]+")
"""``main.load``; but not ``libc.so.6+0x5c400``, nor the ``parse.part.0`` and ``parse.cold`` of gcc."""
_OF_GCC: Final = re.compile(r"\w+(\.(part|cold|isra|constprop|lto_priv)(\.\d+)?)+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one thread's deepest call into C took, beside its bound."""

    bound: StackBound
    tid: int
    measured: int
    """Bytes that the calls from the entry on took; what lies above it on the thread's stack is not in it."""
    doubt: str | None
    """Why the measured number may be wrong; None where every frame of it was proved."""

    @property
    def is_above(self) -> bool:
        """Whether more was measured than can be: one of the two numbers is wrong."""
        return (
            self.bound.bound is not None and self.measured > self.bound.bound and self.doubt is None
        )


def compare(report: StackReport, runs: Iterable[RunResult]) -> Iterator[Comparison]:
    """Every thread stack whose peak was made by calls from an entry of `report`, where that could be found out."""
    entries = {bound.entry: bound for bound in report.bounds}
    for run in runs:
        for stack in run.stacks:
            calls = _c_calls(stack.chain) if stack.chain else []
            known = [at for at, call in enumerate(calls) if call.function in entries]
            sizes = [call.size for call in calls[: known[-1] + 1]] if known else [None]
            if stack.chain and None not in sizes:
                measured = sum(call.count * (call.size or 0) for call in calls[: known[-1] + 1])
                entry = entries[calls[known[-1]].function]
                yield Comparison(entry, stack.tid, measured, stack.chain.doubt)


def _c_calls(chain: CallChain) -> list[Call]:
    """The calls of the C functions that Go called, innermost first."""
    return list(takewhile(lambda call: not _is_go(call.function), chain.calls))


def _is_go(function: str) -> bool:
    return bool(_OF_GO.fullmatch(function)) and not _OF_GCC.fullmatch(function)
