"""Traps in a program's code: every call is seen, and the program sees nothing of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_cgosafe.results import Exit
from pytest_cgosafe.watch.stops import StopReason
from tests.integration.watching import Looker, plain, run

if TYPE_CHECKING:
    from pytest_cgosafe.watch.images import Image
    from pytest_cgosafe.watch.traps import Entry

Build = Callable[..., Path]

_ALL = ("pushes", "relative", "jumps", "calls", "returns", "reads")
_ELSEWHERE = ("pushes", "returns", "reads")
"""Those whose first instruction can be run elsewhere, so that no call is missed."""


@dataclass
class Counting:
    """A probe that counts calls, `most` of each function."""

    names: tuple[str, ...]
    most: int = 1_000_000
    seen: Counter[str] = field(default_factory=Counter)
    entries: list[Entry] = field(default_factory=list)
    named: dict[int, str] = field(default_factory=dict)

    def places(self, image: Image) -> Iterable[int]:
        for name in self.names:
            if image.symbols and (symbol := image.symbols.symbol(name)):
                self.named[symbol.address + image.bias] = name
        return self.named

    def hit(self, entry: Entry) -> bool:
        name = self.named[entry.place]
        self.seen[name] += 1
        self.entries.append(entry)
        return self.seen[name] < self.most


@pytest.fixture(scope="session", params=["-no-pie", "-pie"])
def trapped(c_program: Build, request: pytest.FixtureRequest) -> Path:
    return c_program("watch/trapped", "-fPIE" if request.param == "-pie" else "-O1", request.param)


@pytest.mark.parametrize(
    ("way", "most", "expected"),
    [("crowd", 1_000_000, 401), ("crowd", 5, 5), ("storm", 1_000_000, None)],
)
def test_no_call_of_any_thread_is_missed_or_changed(
    trapped: Path, way: str, most: int, expected: int | None
) -> None:
    probe = Counting(_ALL, most)
    watched = run(trapped, way, probes=(probe,))
    assert watched.exit == Exit(0, None)
    assert watched.stdout == plain(trapped, way).stdout.decode()
    assert watched.notes == ()
    # pushes is also what jumps and calls end in
    each = {name: probe.seen[name] for name in _ELSEWHERE}
    expected = expected or probe.seen["returns"]
    assert each == {
        "pushes": expected if most == 5 else 3 * expected,
        "returns": expected,
        "reads": expected,
    }
    # run in its place: calls at the same moment by other threads may slip through
    assert all(0 < probe.seen[name] <= expected for name in _ALL if name not in _ELSEWHERE)


def test_a_single_thread_is_seen_whatever_a_function_begins_with(trapped: Path) -> None:
    probe = Counting(_ALL)
    assert run(trapped, "once", probes=(probe,)).exit == Exit(3, None)
    assert probe.seen == {name: 3 if name == "pushes" else 1 for name in _ALL}


def test_several_probes_may_look_at_one_place_each_as_long_as_it_likes(trapped: Path) -> None:
    short, long = Counting(("pushes",), 2), Counting(("pushes", "reads"))
    run(trapped, "crowd", probes=(short, long))
    assert (short.seen["pushes"], long.seen["pushes"], long.seen["reads"]) == (2, 1203, 401)


def test_an_entry_shows_the_arguments_and_the_memory(trapped: Path) -> None:
    probe = Counting(("reads", "pushes"))
    read: list[bytes] = []

    class Reading(Counting):
        def hit(self, entry: Entry) -> bool:
            read.append(entry.memory.read(entry.registers.arguments[0], 4))
            return super().hit(entry)

    run(trapped, "once", probes=(probe, Reading(("reads",))))
    pushes = [entry for entry in probe.entries if probe.named[entry.place] == "pushes"]
    assert [entry.registers.arguments[0] for entry in pushes] == [7, 7, 7]
    assert {entry.registers.pc == entry.place for entry in pushes} == {True}
    assert read == [(7).to_bytes(4, "little")]


@pytest.mark.parametrize("way", ["family", "fault", "breaks", "exec"])
@pytest.mark.parametrize("most", [1, 1_000_000])
def test_the_program_and_its_children_see_what_they_see_without_traps(
    trapped: Path, way: str, most: int
) -> None:
    expected = plain(trapped, way)
    watched = run(trapped, way, probes=(Counting(_ALL, most),))
    assert watched.stdout == expected.stdout.decode()
    assert watched.exit == Exit(expected.returncode, None)


def test_calls_of_children_are_not_counted_and_those_after_an_exec_are(trapped: Path) -> None:
    family, replaced = Counting(_ALL), Counting(_ALL)
    run(trapped, "family", probes=(family,))
    assert family.seen["reads"] == 3
    run(trapped, "exec", probes=(replaced,))
    assert replaced.seen["reads"] == 2


def test_a_debugger_finds_the_programs_own_code(trapped: Path) -> None:
    probe = Counting(_ALL)
    code: list[bytes] = []

    class Disassembling(Looker):
        def examine(self, stop: object) -> None:
            entry = probe.entries[0]
            with Path(f"/proc/{entry.pid}/mem").open("rb") as memory:
                for place in probe.named:
                    memory.seek(place)
                    code.append(memory.read(1))

    watched = run(trapped, "crash", probes=(probe,), observer=Disassembling())
    assert watched.exit == Exit(None, "SIGSEGV")
    assert len(code) == len(_ALL)
    assert b"\xcc" not in code


def test_traps_are_set_again_after_a_debugger_had_its_look(trapped: Path) -> None:
    probe, looker = Counting(_ALL), Looker()
    watched = run(trapped, "fault", probes=(probe,), observer=looker)
    assert watched.stdout == "3 faults\n"
    assert [stop.pc for stop in looker.told(StopReason.SIGNAL)] == 3 * [
        next(place for place, name in probe.named.items() if name == "reads")
    ]
    assert len(looker.examined) == 3
    assert probe.seen["reads"] == 4
    assert looker.handed_over_badly == []


def test_threads_that_are_in_traps_when_a_debugger_comes_lose_nothing(trapped: Path) -> None:
    probe, looker = Counting(_ALL), Looker()
    watched = run(trapped, "busy-fault", probes=(probe,), observer=looker)
    assert (watched.stdout, watched.exit) == ("20 faults, 0 wrong\n", Exit(0, None))
    assert len(looker.examined) == 20
    assert looker.handed_over_badly == []


def test_a_probe_that_fails_is_told_of_and_asked_no_more(trapped: Path) -> None:
    class Failing(Counting):
        def hit(self, entry: Entry) -> bool:
            super().hit(entry)
            raise RuntimeError("no idea")

    probe = Failing(("pushes",))
    watched = run(trapped, "crowd", probes=(probe,))
    assert watched.exit == Exit(0, None)
    assert probe.seen == {"pushes": 1}
    assert watched.notes == ("a probe failed: RuntimeError('no idea')",)


def test_a_trap_of_the_programs_own_is_left_to_it(trapped: Path) -> None:
    probe = Counting(("breaks",))
    watched = run(trapped, "breaks", probes=(probe,))
    assert watched.stdout == "35 2 caught\n"
    assert probe.seen == {}
    assert [note.rpartition(": ")[2] for note in watched.notes] == ["no instruction is there"]


def test_a_go_program_goes_on_as_ever_with_every_growth_of_a_stack_trapped(program: Build) -> None:
    probe = Counting(("runtime.copystack",), most=100)
    watched = run(program("watch/gcheavy"), probes=(probe,))
    assert watched.exit == Exit(0, None)
    assert 0 < probe.seen["runtime.copystack"] <= 100
