"""What the analyzer finds in the packages under tests/crossings, beside what their comments want.

A comment ``// want CGS002/map/sum`` says that a finding with this category stands on its line; several are separated by
blanks. Lines without one must have no finding: each package has safe look-alikes beside what is unsafe.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_cgosafe.build import Builder, BuildFlags
from pytest_cgosafe.crossings.vet import vet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.results import Crossing

ROOT = Path(__file__).parents[1] / "crossings"
PACKAGES = sorted(str(path.parent.relative_to(ROOT)) for path in ROOT.rglob("*.go"))

_WANT = re.compile(r"// want (.+)$")


@pytest.fixture(scope="module")
def crossings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Crossing, ...]:
    """All findings in all packages, from one go vet."""
    builder = Builder(tmp_path_factory.mktemp("store"), ROOT)
    return vet(builder, "./...", BuildFlags(), base=ROOT)


def wanted(directory: Path) -> Iterator[tuple[str, int, str]]:
    for path in sorted(directory.glob("*.go")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if want := _WANT.search(line):
                yield from ((path.name, number, category) for category in want[1].split())


def found(directory: Path, crossings: tuple[Crossing, ...]) -> Iterator[tuple[str, int, str]]:
    for crossing in crossings:
        path = ROOT / (crossing.file or "")
        if path.parent == directory:
            kind = "" if (crossing.rule or "") >= "CGS090" else crossing.kind
            yield (
                path.name,
                crossing.line or 0,
                f"{crossing.rule}/{kind}/{crossing.c_function or ''}",
            )


@pytest.mark.parametrize("package", sorted(set(PACKAGES)))
def test_what_is_unsafe_is_found_on_its_line_and_nothing_else(
    package: str, crossings: tuple[Crossing, ...]
) -> None:
    directory = ROOT / package
    assert sorted(set(found(directory, crossings))) == sorted(wanted(directory))


def test_a_finding_tells_the_way_of_the_value_from_its_birth_to_c(
    crossings: tuple[Crossing, ...],
) -> None:
    [crossing] = (c for c in crossings if c.message == "Go map `told` reaches C as an integer")
    assert [step.note for step in crossing.flow] == ["told: map[string]int", "C gets it here"]
    assert crossing.flow[-1].line == crossing.line
