"""The analyzer over well-known modules of the Go module proxy: all that it finds there was judged by hand."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_cgosafe.build import Builder
from pytest_cgosafe.results import Profile
from pytest_cgosafe.session import Session

JUDGED = Path(__file__).parent / "data" / "real_modules.toml"


@dataclass(frozen=True)
class Finding:
    file: str
    line: int
    rule: str | None
    kind: str


@dataclass(frozen=True)
class Judgement:
    finding: Finding
    right: bool
    why: str


@dataclass(frozen=True)
class Module:
    path: str
    version: str
    judgements: tuple[Judgement, ...]

    def __str__(self) -> str:
        return f"{self.path}@{self.version}"


def judged(table: dict[str, str | int | bool]) -> Judgement:
    right, why = table.pop("right"), table.pop("why")
    assert isinstance(right, bool)
    assert isinstance(why, str)
    return Judgement(Finding(**table), right, why)  # type: ignore[arg-type]


def modules() -> list[Module]:
    with JUDGED.open("rb") as file:
        return [
            Module(
                path=table["path"],
                version=table["version"],
                judgements=tuple(map(judged, table.get("finding", ()))),
            )
            for table in tomllib.load(file)["module"]
        ]


def test_at_least_ten_modules_are_judged_and_no_finding_is_wrong() -> None:
    assert len({module.path for module in modules()}) >= 10
    wrong = [item for module in modules() for item in module.judgements if not item.right]
    assert wrong == []


@pytest.mark.filterwarnings("ignore::pytest_cgosafe.IncompleteVetWarning")  # of large ones
@pytest.mark.parametrize("module", modules(), ids=str)
def test_the_analyzer_finds_in_a_public_module_what_was_judged_right(
    module: Module, tmp_path: Path
) -> None:
    """The debug profile, because it compiles C without optimization, which takes most of the time."""
    sources = downloaded(module, tmp_path)
    session = Session(
        Builder(tmp_path / "store", tmp_path), bases=[tmp_path], profile=Profile.DEBUG
    )
    found = {
        Finding(str(Path(one.file).relative_to(sources)), one.line or 0, one.rule, one.kind.value)
        for one in session.vet(f"{sources}/...")
        if one.file
    }
    assert found == {item.finding for item in module.judgements}


def downloaded(module: Module, directory: Path) -> Path:
    """The module's sources, in the module cache."""
    had = subprocess.run(
        ["go", "mod", "download", "-json", str(module)],
        cwd=directory,
        check=False,
        capture_output=True,
        text=True,
    )
    if had.returncode and "CI" not in os.environ:
        pytest.skip(f"go mod download {module}: {had.stdout}{had.stderr}")
    assert had.returncode == 0, had.stdout + had.stderr
    return Path(json.loads(had.stdout)["Dir"])
