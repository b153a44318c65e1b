"""The inventory of a program that allocates in many ways: every "want" in its source is what the analyzer says."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from pytest_cgosafe.build import Builder, BuildFlags
from pytest_cgosafe.cli import main
from pytest_cgosafe.crossings.inventory import (
    CCall,
    CrossingType,
    Direction,
    Export,
    Fate,
    take_inventory,
)
from pytest_cgosafe.crossings.listing import render_inventory
from pytest_cgosafe.results import Profile
from tests.conftest import PROGRAMS

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_cgosafe.crossings.inventory import Allocation, Inventory

SOURCE = PROGRAMS / "inventory" / "main.go"
LINES = SOURCE.read_text().splitlines()
WANTED = [number for number, line in enumerate(LINES, 1) if "// want" in line]


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    builder = Builder(tmp_path_factory.mktemp("store"), SOURCE.parent)
    return take_inventory(builder, [(".", SOURCE.parent)], BuildFlags(profile=Profile.RELEASE))


def wanted(number: int) -> list[str]:
    """What a line's comment says: the fates in order, then what leaks: "round", or the line of each lettered return."""
    words = LINES[number - 1].partition("// want ")[2].split()
    end = next(at for at in range(number, len(LINES)) if LINES[at].startswith("}"))
    leaks = [
        str(at + 1)
        for at in range(number - 1, end + 1)
        if (mark := re.search(r"// ([A-Z])$", LINES[at])) and mark[1] in words
    ]
    return [word for word in words if not word.isupper()] + leaks


def found(allocations: list[Allocation]) -> list[str]:
    rounds = ["round" for one in allocations if one.note == "lost when the loop comes round"]
    lines = [str(line) for one in allocations for line in one.leaking_lines]
    return [*(one.fate for one in allocations), *rounds, *lines]


@pytest.mark.parametrize("number", WANTED, ids=lambda number: LINES[number - 1].strip())
def test_what_becomes_of_each_allocation_is_told(number: int, inventory: Inventory) -> None:
    assert found([one for one in inventory.allocations if one.line == number]) == wanted(number)


def test_nothing_else_is_an_allocation(inventory: Inventory) -> None:
    assert {one.line for one in inventory.allocations} == set(WANTED)


def line_of(text: str) -> int:
    (number,) = (number for number, line in enumerate(LINES, 1) if text in line)
    return number


def test_a_call_is_told_with_its_types_on_both_sides_and_its_caller(inventory: Inventory) -> None:
    (call,) = (one for one in inventory.calls if one.function == "destroy")
    assert call == CCall(
        file=str(SOURCE),
        line=line_of("defer C.destroy("),
        caller="destroyed",
        function="destroy",
        arguments=(CrossingType(go="*C.char", c="unsafe.Pointer"),),
        results=(),
    )


def test_a_call_that_asks_for_errno_has_two_results(inventory: Inventory) -> None:
    (call,) = (one for one in inventory.calls if one.caller == "twoResults" and one.results)
    assert [result.go for result in call.results] == ["C.int", "error"]


def test_a_typedef_of_a_struct_without_a_name_keeps_its_own(inventory: Inventory) -> None:
    (call,) = (one for one in inventory.calls if one.caller == "structOfC" and one.results)
    assert [argument.c for argument in call.arguments] == ["*C.pair", "C.int"]


def test_what_c_may_call_is_told_and_where_c_gets_its_address(inventory: Inventory) -> None:
    assert inventory.exports == (
        Export(
            file=str(SOURCE),
            line=line_of("func goVisit("),
            caller="goVisit",
            function="goVisit",
            arguments=(
                CrossingType("C.int", "C.int"),
                CrossingType("unsafe.Pointer", "unsafe.Pointer"),
            ),
            results=(CrossingType("C.int", "C.int"),),
        ),
    )
    (pointer,) = inventory.function_pointers
    assert (pointer.function, pointer.given_to) == ("goVisit", "each")


def test_each_copy_is_told_with_its_direction(inventory: Inventory) -> None:
    copies = {one.function: one.direction for one in inventory.copies if one.caller == "atOnce"}
    assert copies == {"CBytes": Direction.TO_C, "GoString": Direction.TO_GO}


def test_the_text_fits_80_columns_and_counts_what_there_is(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(SOURCE.parent)
    lines = list(render_inventory(inventory))
    assert max(map(len, lines)) <= 80
    assert lines[0] == "main.go"
    leaked = sum(one.fate is Fate.LEAKED for one in inventory.allocations)
    assert f"{leaked} leaked" in " ".join(lines[-3:])


def test_a_line_tells_the_call_with_what_becomes_of_its_memory(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(SOURCE.parent)
    text = "\n".join(render_inventory(inventory))
    at = line_of("func early(") + 1
    assert (
        f"  early\n{at:>8}  C.CString copies to C; LEAKED at the return in line {at + 2}\n"
        f"{at + 1:>8}  C.lookup(*C.char) C.int\n"
    ) in text


def test_the_command_gives_the_inventory_as_text_and_beside_the_crossings_in_json(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    inventory: Inventory,
) -> None:
    monkeypatch.chdir(SOURCE.parent)
    report = tmp_path / "report.json"
    main(["vet", "--inventory", "--json", str(report), "."])
    assert "allocations (" in capsys.readouterr().out
    document = json.loads(report.read_text())
    assert isinstance(document["crossings"], list)
    assert len(document["inventory"]["calls"]) == len(inventory.calls)
    fates = {one["fate"] for one in document["inventory"]["allocations"]}
    assert fates == {"freed", "leaked", "escapes"}
