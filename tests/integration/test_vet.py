"""Crossings found in source, by the command, the fixture and the marker."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jsonschema
import pytest

from pytest_cgosafe.build import Builder, BuildFlags
from pytest_cgosafe.cli import main
from pytest_cgosafe.crossings.rules import RULES
from pytest_cgosafe.crossings.tool import analyzer_for
from pytest_cgosafe.crossings.vet import vet
from pytest_cgosafe.errors import BuildError
from pytest_cgosafe.results import Crossing, CrossingKind, Origin, Profile
from pytest_cgosafe.session import Session

pytest_plugins = ["pytester"]

PROGRAMS = Path(__file__).parents[1] / "programs"
SCHEMA = Path(__file__).parents[1] / "unit" / "data" / "sarif-schema-2.1.0.json"
WAYS = range(1, 7)
GO_VET, CGOCHECK = {2}, {1, 2, 3}
"""The ways of programs/sixways that Go's own tools find; go vet in source, cgocheck when they run."""
UNSAFE = """package {package}

// static int take(unsigned long n) {{ return n != 0; }}
import "C"
import "unsafe"

func Take() {{
	m := map[string]int{{}}
	C.take(C.ulong(*(*uintptr)(unsafe.Pointer(&m))))
}}
"""
LINE = 9
"""The line of UNSAFE in which C gets the map."""
SAFE = """package {package}

// static int take(unsigned long n) {{ return n != 0; }}
import "C"

func Take() {{
	m := map[string]int{{}}
	C.take(C.ulong(len(m)))
}}
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return Session(Builder(tmp_path_factory.mktemp("store"), PROGRAMS), bases=[PROGRAMS])


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """An empty module, example.com/m."""
    directory = tmp_path / "module"
    directory.mkdir()
    (directory / "go.mod").write_text("module example.com/m\n\ngo 1.21\n")
    return directory


def write(path: Path, template: str, **more: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(template.format(package=more.get("package", path.parent.name)))
    return path


@dataclass(frozen=True)
class Done:
    stdout: str
    stderr: str


def cgosafe(*args: str, cwd: Path, status: int = 1, **env: str) -> Done:
    """The command ``vet``, without another Python: it is run often here."""
    out, err = io.StringIO(), io.StringIO()
    with chdir(cwd), patch.dict(os.environ, env), redirect_stdout(out), redirect_stderr(err):
        try:
            returned: object = main(["vet", *args])
        except SystemExit as usage_error:
            returned = usage_error.code
    assert returned == status, out.getvalue() + err.getvalue()
    return Done(out.getvalue(), err.getvalue())


def found(*args: str, cwd: Path, status: int = 1, **env: str) -> list[dict[str, Any]]:
    """The crossings in the command's JSON."""
    document = json.loads(cgosafe(*args, "--json", "-", cwd=cwd, status=status, **env).stdout)
    assert document["schema"] == "cgosafe/1"
    crossings: list[dict[str, Any]] = document["crossings"]
    return crossings


def places(*args: str, cwd: Path, **env: str) -> list[tuple[str, int]]:
    """Where crossings are, with files relative to `cwd`."""
    crossings = found(*args, cwd=cwd, status=1, **env)
    return [(os.path.relpath(each["file"], cwd), each["line"]) for each in crossings]


def line_of(way: int) -> int:
    lines = (PROGRAMS / "sixways" / "main.go").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"// way {way}"))


@pytest.fixture(scope="module")
def vetted(session: Session) -> dict[int, Crossing]:
    """What is found in programs/sixways, by line."""
    crossings = session.vet("sixways")
    assert len(crossings) == len(WAYS)
    return {crossing.line or 0: crossing for crossing in crossings}


@pytest.mark.parametrize("way", WAYS)
def test_each_of_the_six_ways_is_found_in_source_at_its_line(
    vetted: dict[int, Crossing], way: int
) -> None:
    crossing = vetted[line_of(way)]
    assert (crossing.kind, crossing.origin) == (CrossingKind.MAP, Origin.STATIC)
    assert crossing.rule == ("CGS001" if way <= 3 else "CGS002")
    assert crossing.c_function == (
        "take_number" if way > 3 else "take_pointer" if way == 2 else "take_table"
    )
    assert (crossing.flow[-1].line, crossing.flow[-1].note) == (line_of(way), "C gets it here")


def test_of_the_six_ways_go_vet_finds_the_second_only() -> None:
    command = ["go", "vet", "-cgocall", "."]
    done = subprocess.run(
        command, cwd=PROGRAMS / "sixways", capture_output=True, text=True, check=False
    )
    told = [line for line in (done.stdout + done.stderr).splitlines() if "main.go:" in line]
    assert [int(line.split("main.go:")[1].split(":")[0]) for line in told] == [
        line_of(way) for way in GO_VET
    ]


@pytest.mark.parametrize("way", WAYS)
def test_of_the_six_ways_cgocheck_stops_the_pointers_and_lets_the_integers_pass(
    session: Session, way: int
) -> None:
    run = session.run("sixways", str(way), check=False)
    assert [crossing.origin for crossing in run.crossings] == ["cgocheck"] * (way in CGOCHECK)


@pytest.mark.parametrize("way", WAYS)
def test_with_the_trace_each_of_the_six_ways_is_caught_when_it_runs(
    session: Session, way: int
) -> None:
    (crossing,) = session.run("sixways", str(way), check=False, trace_crossings=True).crossings
    assert crossing.origin == ("cgocheck" if way in CGOCHECK else "trace")
    assert crossing.line == line_of(way)


def test_each_rule_is_found_where_it_is_broken_and_nowhere_else(session: Session) -> None:
    lines = (PROGRAMS / "rules" / "main.go").read_text().splitlines()
    broken = [
        (number, rule[1])
        for number, line in enumerate(lines, 1)
        if (rule := re.search(r"// (CGS\d+)$", line))
    ]
    ignored = {line.strip(): number for number, line in enumerate(lines, 1) if "ignore" in line}
    (no_reason,) = [number for line, number in ignored.items() if line.endswith("CGS001")]
    (for_nothing,) = [number for line, number in ignored.items() if line.endswith("once needed")]
    comments = [(no_reason, "CGS001"), (no_reason, "CGS090"), (for_nothing, "CGS091")]
    found = [(crossing.line, crossing.rule) for crossing in session.vet("rules")]
    assert sorted(found) == sorted(broken + comments)
    assert {rule.id for rule in RULES} == {rule for _, rule in found} | {"CGS080"}


def test_the_text_fits_a_terminal_and_shows_the_way_with_the_fix() -> None:
    done = cgosafe("./sixways", cwd=PROGRAMS)
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    (last,) = [
        at for at, line in enumerate(lines) if line.startswith(f"  sixways/main.go:{line_of(6)}")
    ]
    assert lines[last].endswith("C gets it here")
    assert lines[last + 1] == "      C.take_number(C.size_t(number)) // way 6"
    assert lines[last + 2].startswith("  fix: copy keys and values into C memory")
    assert lines[-1] == "6 unsafe crossings"
    assert sum(line.endswith("[map, CGS002]") for line in lines) == 3


def test_only_forbidden_kinds_are_told(module: Path) -> None:
    write(module / "a" / "a.go", UNSAFE)
    assert found("./a", "--forbid", "chan,func", cwd=module, status=0) == []
    assert len(found("./a", "--forbid", "chan,map", cwd=module)) == 1


def test_an_unknown_kind_is_a_usage_error(module: Path) -> None:
    done = cgosafe("./a", "--forbid", "maps", cwd=module, status=2)
    assert "valid are: map, chan" in done.stderr


def test_sarif_is_valid_and_names_files_relative_to_the_directory(module: Path) -> None:
    write(module / "a+b" / "a.go", UNSAFE, package="a")
    log = json.loads(cgosafe("./a+b", "--sarif", "-", cwd=module).stdout)
    jsonschema.Draft4Validator(json.loads(SCHEMA.read_text())).validate(log)
    (run,) = log["runs"]
    (result,) = run["results"]
    rules = run["tool"]["driver"]["rules"]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "CGS002"
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "a%2Bb/a.go", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": LINE},
    }
    (flow,) = result["codeFlows"]
    steps = [step["location"] for step in flow["threadFlows"][0]["locations"]]
    assert [step["physicalLocation"]["region"]["startLine"] for step in steps][-1] == LINE
    assert steps[-1]["message"]["text"] == "C gets it here"


def test_sarif_of_a_clean_package_has_no_results(module: Path, tmp_path: Path) -> None:
    write(module / "a" / "a.go", SAFE)
    file = tmp_path / "log.sarif"
    done = cgosafe("./a", "--sarif", str(file), cwd=module, status=0)
    assert done.stdout == "no unsafe crossings found\n"
    log = json.loads(file.read_text())
    jsonschema.Draft4Validator(json.loads(SCHEMA.read_text())).validate(log)
    assert log["runs"][0]["results"] == []


def test_a_package_that_does_not_type_check_gives_the_compilers_words(module: Path) -> None:
    (module / "a.go").write_text('package a\n\nimport "C"\n\nvar x int = "one"\nvar y = missing\n')
    done = cgosafe(".", cwd=module, status=2)
    assert re.findall(r"^\./a\.go:(\d+:\d+): ", done.stderr, re.MULTILINE) == ["5:13", "6:9"]
    assert "cannot use" in done.stderr
    assert "try: cd " in done.stderr


def test_tests_that_do_not_type_check_are_told_too(module: Path) -> None:
    write(module / "a" / "a.go", SAFE)
    (module / "a" / "a_test.go").write_text("package a\n\nvar x = missing\n")
    done = cgosafe("./a", cwd=module, status=2)
    assert re.search(r"^\S*a_test\.go:3:9: undefined: missing$", done.stderr, re.MULTILINE)


def test_a_vet_that_fails_keeps_nothing_back_of_what_a_program_did(module: Path) -> None:
    text = SAFE + '\nfunc main() {{ Take(); println("done") }}\n'
    write(module / "main.go", text, package="main")
    (module / "main_test.go").write_text("package main\n\nvar x = missing\n")
    command = [sys.executable, "-m", "pytest_cgosafe", "run", "."]
    done = subprocess.run(command, cwd=module, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("done\n")
    assert "main_test.go:3:9: undefined: missing" in done.stderr
    assert ".: the program exited with status 0" in done.stdout


def test_one_bad_package_of_many_fails_the_whole_vet(module: Path) -> None:
    write(module / "a" / "a.go", UNSAFE)
    (module / "b").mkdir()
    (module / "b" / "b.go").write_text("package b\n\nvar x = undefined\n")
    builder = Builder(module / "store", module)
    with pytest.raises(BuildError, match=r"undefined: undefined"):
        vet(builder, "./...", BuildFlags(profile=Profile.RELEASE))


def test_all_packages_of_a_pattern_are_vetted_with_their_tests(module: Path) -> None:
    write(module / "a" / "a.go", UNSAFE)
    write(module / "b" / "b.go", UNSAFE)
    (module / "b" / "b_test.go").write_text(
        'package b\n\nimport "testing"\n\nfunc TestIt(t *testing.T) { Take() }\n'
    )
    write(module / "c" / "c.go", SAFE)
    assert places("./...", cwd=module) == [("a/a.go", LINE), ("b/b.go", LINE)]
    assert places("example.com/m/b", "./a", cwd=module) == [("b/b.go", LINE), ("a/a.go", LINE)]


def test_build_tags_select_what_is_vetted(module: Path) -> None:
    (module / "a").mkdir()
    (module / "a" / "a.go").write_text("package a\n")
    write(module / "a" / "risky.go", "//go:build risky && more\n\n" + UNSAFE)
    assert found("./a", cwd=module, status=0) == []
    assert places("--tags", "risky,more", "./a", cwd=module) == [("a/risky.go", LINE + 2)]


@pytest.mark.parametrize("flags", ["-mod=mod", "-trimpath", "-buildvcs=false -p=1"])
def test_the_users_goflags_are_minded(module: Path, flags: str) -> None:
    write(module / "a" / "a.go", UNSAFE)
    assert places("./a", cwd=module, GOFLAGS=flags) == [("a/a.go", LINE)]


def test_a_copy_of_a_package_is_told_at_its_own_place(module: Path, tmp_path: Path) -> None:
    write(module / "a" / "a.go", UNSAFE)
    copy = tmp_path / "copy"
    shutil.copytree(module, copy)
    for directory in (module, copy):
        assert places("./a", cwd=directory, GOFLAGS="-trimpath") == [("a/a.go", LINE)]


def test_a_crossing_is_followed_through_a_vendored_package(module: Path) -> None:
    (module / "go.mod").write_text(
        "module example.com/m\n\ngo 1.21\n\nrequire example.com/launder v1.0.0\n"
    )
    vendor = module / "vendor" / "example.com" / "launder"
    vendor.mkdir(parents=True)
    (vendor / "launder.go").write_text(
        'package launder\n\nimport "unsafe"\n\n'
        "func Word(m map[string]int) uintptr { return *(*uintptr)(unsafe.Pointer(&m)) }\n"
    )
    (module / "vendor" / "modules.txt").write_text(
        "# example.com/launder v1.0.0\n## explicit; go 1.21\nexample.com/launder\n"
    )
    use = UNSAFE.replace('"unsafe"', '"example.com/launder"').replace(
        "*(*uintptr)(unsafe.Pointer(&m))", "launder.Word(m)"
    )
    write(module / "a" / "a.go", use)
    assert places("./a", cwd=module) == [("a/a.go", LINE)]


def test_a_workspace_is_minded(module: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write(other / "other.go", UNSAFE)
    (other / "go.mod").write_text("module example.com/other\n\ngo 1.21\n")
    (tmp_path / "go.work").write_text("go 1.21\n\nuse (\n\t./module\n\t./other\n)\n")
    assert places("example.com/other", cwd=module) == [("../other/other.go", LINE)]


def test_checks_switched_off_in_the_environment_are_a_finding(module: Path) -> None:
    write(module / "a" / "a.go", SAFE)
    (crossing,) = found("./a", cwd=module, GODEBUG="cgocheck=1,cgocheck=0,panicnil=1")
    assert (crossing["rule"], crossing["file"]) == ("CGS080", None)
    assert "GODEBUG=cgocheck=0" in crossing["message"]
    assert found("./a", cwd=module, status=0, GODEBUG="cgocheck=0,cgocheck=1") == []


@pytest.mark.parametrize("lines", ["godebug cgocheck=0\n", "godebug (\n\tcgocheck=0\n)\n"])
def test_checks_switched_off_in_go_mod_are_a_finding(module: Path, lines: str) -> None:
    """Go refuses the setting there, in every release from 1.21 to 1.27. It is told all the same."""
    write(module / "main.go", SAFE, package="main")
    (module / "go.mod").write_text(f"module example.com/m\n\ngo 1.23\n\n{lines}")
    (crossing,) = found(".", cwd=module)
    number = 5 + lines.count("(")
    assert (crossing["rule"], crossing["file"], crossing["line"]) == (
        "CGS080",
        str(module / "go.mod"),
        number,
    )
    assert "nothing else could be looked at" in crossing["message"]


def test_checks_switched_off_in_source_are_a_finding(module: Path) -> None:
    text = "// Command m.\n\n//go:debug cgocheck=0\n" + SAFE + "\nfunc main() {{ Take() }}\n"
    write(module / "main.go", text, package="main")
    (crossing,) = found(".", cwd=module)
    assert (crossing["rule"], crossing["line"]) == ("CGS080", 3)


def test_a_run_without_the_runtimes_checks_is_a_finding(session: Session) -> None:
    run = session.run("sixways", "0", env={"GODEBUG": "cgocheck=0"})
    assert [crossing.rule for crossing in run.crossings] == ["CGS080"]
    assert session.run("sixways", "0", env={"GODEBUG": "cgocheck=1"}).crossings == ()


@pytest.fixture
def project(go_pytester: pytest.Pytester) -> pytest.Pytester:
    """A module with a program that gives C a map as an integer; tests of it are to be written."""
    go_pytester.makefile(".mod", go="module example.com/m\n\ngo 1.21\n")
    write(
        Path(go_pytester.path) / "main.go", UNSAFE + "\nfunc main() {{ Take() }}\n", package="main"
    )
    return go_pytester


def test_the_marker_forbids_maps_in_what_the_test_built(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.cgosafe
        def test_default(cgosafe):
            cgosafe.run(".")

        @pytest.mark.cgosafe(forbid=("chan", "func"))
        def test_others(cgosafe):
            cgosafe.run(".")

        @pytest.mark.cgosafe(forbid=())
        def test_none(cgosafe):
            cgosafe.run(".", env={"GODEBUG": "cgocheck=0"})

        @pytest.mark.cgosafe(forbid="chan")
        def test_unchecked(cgosafe):
            cgosafe.run(".", env={"GODEBUG": "cgocheck=0"})

        def test_list(cgosafe):
            [crossing] = cgosafe.vet(".")
            assert (crossing.kind, crossing.rule, crossing.line) == ("map", "CGS002", 9)
        """
    )
    result = project.runpytest_subprocess("-p", "no:cacheprovider", "-v")
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*crossing: Go map `m` reaches C as an integer*[[]map, CGS002[]]",
            "*main.go:9*C gets it here*",
        ]
    )
    result.stdout.fnmatch_lines(["*switches the runtime's*[[]CGS080[]]"])


def test_a_package_that_is_too_much_for_the_analyzer_is_warned_of(
    module: Path, tmp_path: Path
) -> None:
    write(module / "a" / "a.go", UNSAFE)
    builder = Builder(tmp_path / "store", module)
    real = analyzer_for(builder.environment("./a", BuildFlags()), otherwise=builder.store)
    hurried = tmp_path / "hurried" / real.name
    hurried.parent.mkdir()
    hurried.write_text(f'#!/bin/sh\nexec {real} -cgosafe.work=1 "$@"\n')
    hurried.chmod(0o755)
    with patch("pytest_cgosafe.crossings.vet.analyzer_for", return_value=hurried):
        done = cgosafe("./a", cwd=module)
    assert done.stderr == (
        "cgosafe: warning: example.com/m/a is too much to follow every value in:"
        " crossings may be unseen\n"
    )
