"""The analyzer's program: built by the user's own Go, once, from what the package carries."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from pytest_cgosafe.build import Builder, BuildFlags
from pytest_cgosafe.crossings import tool
from pytest_cgosafe.crossings.vet import vet
from pytest_cgosafe.errors import AnalyzerError
from pytest_cgosafe.results import Profile
from pytest_cgosafe.toolchain import GoEnv, find_go, go_env

if TYPE_CHECKING:
    from pathlib import Path

FLAGS = BuildFlags(profile=Profile.RELEASE)
ASKED_BY_A_PROCESS = """
from pathlib import Path
from pytest_cgosafe.crossings.tool import analyzer_for
from pytest_cgosafe.toolchain import find_go, go_env
here = Path.cwd()
print(analyzer_for(go_env(find_go(here).path, here), otherwise=here).stat().st_ino)
"""
ANALYZER = """package main

import (
	"errors"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/unitchecker"
)

func main() {{
	unitchecker.Main(&analysis.Analyzer{{Name: "cgosafe", Doc: "fails", Run: func(pass *analysis.Pass) (any, error) {{
		{body}
	}}}})
}}

var _ = errors.New
"""
BEGIN = """package main

// static void take(unsigned long n) {}
import "C"
import "unsafe"

func word[T any](v T) uintptr { return *(*uintptr)(unsafe.Pointer(&v)) }

"""
LANGUAGES = {
    "go1.21.13": "func main() {\n\tm := map[string]int{}\n\tclear(m)\n\tC.take(C.ulong(word(m)))\n}\n",
    "go1.24.11": (
        "type Table[V any] = map[string]V\n"
        "func keys(f func(string) bool) { f(`a`) }\n"
        "func main() {\n\tfor k := range keys {\n\t\tm := Table[int]{k: 1}\n"
        "\t\tC.take(C.ulong(word(m)))\n\t}\n}\n"
    ),
    "go1.27.3": (
        "type Maker struct{}\n"
        "func (Maker) Make[V any](v V) map[string]V { return map[string]V{`a`: v} }\n"
        "func main() {\n\tm := new(Maker{}.Make(1))\n\tC.take(C.ulong(word(*m)))\n}\n"
    ),
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, go_cache: str) -> Path:
    """A cache of our own that is empty; that of the go command stays as it is."""
    monkeypatch.setenv("GOCACHE", go_cache)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pytest-cgosafe"


@pytest.fixture
def module(tmp_path: Path) -> Path:
    directory = tmp_path / "module"
    directory.mkdir()
    (directory / "go.mod").write_text("module example.com/m\n\ngo 1.21\n")
    (directory / "main.go").write_text(BEGIN + "func main() { C.take(1) }\n")
    return directory


def environment(directory: Path) -> GoEnv:
    return go_env(find_go(directory).path, directory)


def answers(program: Path) -> str:
    done = subprocess.run([program, "-V=full"], capture_output=True, text=True, check=True)
    return done.stdout


def with_analyzer(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str = ANALYZER
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "main.go").write_text(text.format(body=body))
    monkeypatch.setattr(tool, "SOURCE", source)


def test_processes_that_want_it_at_once_build_it_once(cache: Path, module: Path) -> None:
    command = [sys.executable, "-c", ASKED_BY_A_PROCESS]
    asking = [
        subprocess.Popen(command, cwd=module, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    inodes = {process.communicate()[0] for process in asking}
    assert [process.returncode for process in asking] == [0, 0, 0]
    (program,) = cache.glob("*/cgosafe-analyzer")
    assert inodes == {f"{program.stat().st_ino}\n"}
    assert {path.name for path in program.parent.iterdir()} == {"cgosafe-analyzer", "lock"}


def test_nothing_that_is_said_about_the_users_program_reaches_it(
    cache: Path, module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = environment(module)
    said = {
        "GOFLAGS": "-mod=mod -tags=none -race",
        "GOOS": "windows",
        "GOARCH": "arm64",
        "GOWORK": "/nowhere/go.work",
        "GOPROXY": "https://127.0.0.1:1",
        "GOTOOLCHAIN": "go1.99.0",
        "GOEXPERIMENT": "cgocheck2",
        "CGO_ENABLED": "1",
        "CC": "/nowhere/cc",
        "GODEBUG": "cgocheck=0",
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    program = tool.analyzer_for(env, otherwise=cache)
    assert program.is_relative_to(cache)
    assert "buildID=" in answers(program)


@pytest.mark.parametrize("version", LANGUAGES)
def test_it_knows_the_language_of_every_release(
    module: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOTOOLCHAIN", version)
    language = ".".join(version.removeprefix("go").split(".")[:2])
    (module / "go.mod").write_text(f"module example.com/m\n\ngo {language}\n")
    text = BEGIN + LANGUAGES[version]
    (module / "main.go").write_text(text)
    (crossing,) = vet(Builder(module / "store", module), ".", FLAGS)
    (line,) = [n for n, code in enumerate(text.splitlines(), 1) if "C.take(" in code]
    assert (crossing.rule, crossing.kind, crossing.line) == ("CGS002", "map", line)


def test_a_go_that_go_mod_selects_builds_the_analyzer_too(cache: Path, module: Path) -> None:
    """The one on PATH only hands over to it, and could not read what it compiles."""
    (module / "go.mod").write_text("module example.com/m\n\ngo 1.27.3\n")
    env = go_env(find_go(module).path, module, {**os.environ, "GOTOOLCHAIN": "auto"})
    program = tool.analyzer_for(env, otherwise=cache)
    assert program.parent.name.endswith("-go1.27.3")
    version = subprocess.run(["go", "version", program], capture_output=True, text=True, check=True)
    assert "go1.27.3" in version.stdout


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("1.21.0", "v0.24.1"),
        ("1.24.11", "v0.24.1"),
        ("1.25rc1", "v0.49.0"),
        ("1.30.1", "v0.49.0"),
        ("devel go1.28-3d9f2e1 Thu Nov 19 2026", "v0.49.0"),
    ],
)
def test_each_go_gets_the_newest_xtools_that_it_can_build(version: str, release: str) -> None:
    assert tool.module_for(version).name == release


def test_a_go_that_is_too_old_is_told() -> None:
    with pytest.raises(AnalyzerError, match=r"can't be built with Go 1\.20\.3"):
        tool.module_for("1.20.3")


def test_where_nothing_can_be_kept_it_is_built_into_the_sessions_own_place(
    cache: Path, module: Path, tmp_path: Path
) -> None:
    cache.parent.write_text("a file, where the cache directory should be")
    program = tool.analyzer_for(environment(module), otherwise=tmp_path / "store")
    assert program.is_relative_to(tmp_path / "store")
    assert "buildID=" in answers(program)


def test_programs_that_nobody_ran_for_a_month_are_removed(
    cache: Path, module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_analyzer("return nil, nil", tmp_path, monkeypatch)
    for name, days in (("old", 31), ("young", 29)):
        (cache / name).mkdir(parents=True)
        (cache / name / "cgosafe-analyzer").touch()
        then = time.time() - days * 24 * 3600
        os.utime(cache / name, (then, then))
    kept = tool.analyzer_for(environment(module), otherwise=tmp_path).parent
    assert {path.name for path in cache.iterdir()} == {"young", kept.name}


def test_an_analyzer_that_does_not_compile_is_told_in_the_compilers_words(
    cache: Path, module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_analyzer("return undefined, nil", tmp_path, monkeypatch)
    with pytest.raises(AnalyzerError, match=r"main\.go:12:10: undefined: undefined"):
        tool.analyzer_for(environment(module), otherwise=tmp_path)
    assert list(cache.glob("*/cgosafe-analyzer")) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('panic("lost")', r"the analyzer of crossings failed(.|\n)*panic: lost"),
        (
            'return nil, errors.New("lost")',
            r"the analyzer of crossings failed on example\.com/m: lost",
        ),
    ],
    ids=["panic", "error"],
)
def test_a_failure_of_the_analyzer_is_told_with_the_command_that_repeats_it(
    cache: Path,
    module: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    body: str,
    said: str,
) -> None:
    with_analyzer(body, tmp_path, monkeypatch)
    with pytest.raises(AnalyzerError, match=said) as caught:
        vet(Builder(module / "store", module), ".", FLAGS)
    assert caught.value.next_step is not None
    assert f"-vettool={cache}" in caught.value.next_step


def test_the_package_carries_all_that_the_build_needs_and_its_licences() -> None:
    module_line = (tool.SOURCE / "go.mod").read_text().splitlines()[0]
    for release in ("v0.24.1", "v0.49.0"):
        carried = tool.XTOOLS / release
        assert (carried / "go.mod").read_text().splitlines()[0] == module_line
        assert f"golang.org/x/tools {release}" in (carried / "vendor" / "modules.txt").read_text()
        licence = (carried / "vendor" / "golang.org" / "x" / "tools" / "LICENSE").read_text()
        assert licence.startswith("Copyright 2009 The Go Authors.")
