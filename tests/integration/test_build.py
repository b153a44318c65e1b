"""Builds by the real go command, of small modules written here."""

import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_cgosafe.build import Builder, BuildFlags
from pytest_cgosafe.errors import BuildError
from pytest_cgosafe.results import BuildMode, Profile

DEBUG, RELEASE = BuildFlags(), BuildFlags(profile=Profile.RELEASE)

HELLO = """package main

// static int twice(int n) { return 2 * n; }
import "C"
import "fmt"

var word = "unset"

func main() { fmt.Println(C.twice(21), word, tagged) }
"""

SHARED = """package main

import "C"

//export One
func One() int { return 1 }

func main() {}
"""


def write_module(directory: Path) -> Path:
    files = {
        "go.mod": "module example.com/hello\n\ngo 1.21\n",
        "cmd/hello/main.go": HELLO,
        "cmd/hello/plain.go": "//go:build !special\n\npackage main\n\nconst tagged = false\n",
        "cmd/hello/special.go": "//go:build special\n\npackage main\n\nconst tagged = true\n",
        "cmd/broken/main.go": "package main\n\nfunc main() { undefined() }\n",
        "cmd/shared/main.go": SHARED,
        "lib/lib.go": "package lib\n\nfunc One() int { return 1 }\n",
        "lib/lib_test.go": 'package lib\n\nimport "testing"\n\nfunc TestOne(t *testing.T) { t.Log(One()) }\n',
    }
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_module(tmp_path_factory.mktemp("module with a space"))


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory, module: Path) -> Builder:
    return Builder(tmp_path_factory.mktemp("store"), module)


def output(path: Path) -> str:
    return subprocess.run([path], capture_output=True, text=True, check=True).stdout


def build_settings(builder: Builder, path: Path) -> str:
    command = [str(builder.go.path), "version", "-m", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_debug_profile_turns_optimization_off_and_cgocheck2_on(builder: Builder) -> None:
    binary = builder.build("./cmd/hello", DEBUG)
    assert (binary.path.name, binary.profile) == ("hello", Profile.DEBUG)
    assert output(binary.path) == "42 unset false\n"
    settings = build_settings(builder, binary.path)
    assert 'build\t-gcflags="all=-N -l"' in settings or "build\t-gcflags=all=-N -l" in settings
    assert "cgocheck2" in settings
    assert "CGO_CFLAGS=-g -fno-omit-frame-pointer" in settings.replace('"', "")


def test_the_release_profile_keeps_what_ships_and_adds_g(builder: Builder) -> None:
    settings = build_settings(builder, builder.build("./cmd/hello", RELEASE).path)
    assert "-gcflags" not in settings
    assert "cgocheck2" not in settings
    assert "CGO_CFLAGS=-O2 -g\n" in settings.replace('"', "")


def test_the_release_profile_adds_g_where_the_users_own_flags_lack_it(builder: Builder) -> None:
    flags = replace(RELEASE, env={"CGO_CFLAGS": "-O1"})
    settings = build_settings(builder, builder.build("./cmd/hello", flags).path)
    assert "CGO_CFLAGS=-O1 -g\n" in settings.replace('"', "")


def test_the_users_own_cflags_and_experiments_stay(builder: Builder) -> None:
    flags = BuildFlags(env={"CGO_CFLAGS": "-O1 -DANSWER", "GOEXPERIMENT": "arenas"})
    settings = build_settings(builder, builder.build("./cmd/hello", flags).path).replace('"', "")
    assert "CGO_CFLAGS=-O1 -DANSWER -g -fno-omit-frame-pointer" in settings
    assert "GOEXPERIMENT=arenas,cgocheck2" in settings


def test_tags_and_ldflags_reach_the_go_command(builder: Builder) -> None:
    flags = BuildFlags(tags=("special",), ldflags="-X main.word=set")
    assert output(builder.build("./cmd/hello", flags).path) == "42 set true\n"


@pytest.mark.parametrize("package", ["./cmd/hello", "example.com/hello/cmd/hello"])
def test_a_package_is_named_by_directory_or_by_import_path(
    builder: Builder, module: Path, package: str
) -> None:
    assert builder.build(package, DEBUG).directory.samefile(module / "cmd" / "hello")


def test_a_directory_is_built_from_within_its_own_module(
    builder: Builder, module: Path, tmp_path: Path
) -> None:
    assert output(builder.build(str(module / "cmd/hello"), DEBUG, base=tmp_path).path).startswith(
        "42"
    )


def test_a_position_independent_program_is_built_on_demand(builder: Builder) -> None:
    path = builder.build("./cmd/hello", BuildFlags(build_mode=BuildMode.PIE)).path
    assert path.read_bytes()[16] == 3  # ET_DYN
    assert output(path).startswith("42")


def test_a_c_shared_library_has_its_suffix_and_its_header(builder: Builder) -> None:
    binary = builder.build("./cmd/shared", BuildFlags(build_mode=BuildMode.C_SHARED))
    assert binary.path.name == "shared.so"
    assert binary.path.with_suffix(".h").is_file()


def test_a_test_binary_runs_where_its_package_is(builder: Builder, module: Path) -> None:
    binary = builder.build("./lib", DEBUG, test=True)
    assert (binary.path.name, binary.is_test) == ("lib.test", True)
    assert binary.directory.samefile(module / "lib")
    assert output(binary.path) == "PASS\n"


def test_a_compile_error_is_told_in_the_compilers_words_with_the_command_that_repeats_it(
    builder: Builder,
) -> None:
    with pytest.raises(BuildError, match=r"main\.go:3:15: undefined: undefined") as caught:
        builder.build("./cmd/broken", DEBUG)
    again = subprocess.run(
        caught.value.next_step or "", shell=True, capture_output=True, text=True, check=False
    )
    assert again.returncode == 1
    assert again.stderr.rstrip() == caught.value.message


def test_a_compile_error_is_not_looked_for_twice(builder: Builder) -> None:
    messages = set()
    for _ in range(2):
        with pytest.raises(BuildError) as caught:
            builder.build("./cmd/broken", DEBUG)
        messages.add(str(caught.value))
    assert len(messages) == 1


@pytest.mark.parametrize(
    ("package", "test", "message"),
    [
        ("./lib", False, "no main packages"),
        ("./cmd/hello", True, "has no test files"),
        ("./cmd/nowhere", False, "there is no directory ./cmd/nowhere"),
        ("example.com/elsewhere", False, "example.com/elsewhere"),
    ],
)
def test_what_cannot_be_built_is_told_for_what_it_is(
    builder: Builder, package: str, test: bool, message: str
) -> None:
    with pytest.raises(BuildError, match=message):
        builder.build(package, DEBUG, test=test)


def test_a_package_is_built_once_for_all_who_ask(module: Path, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    real = Builder(tmp_path / "store", module).go.path
    go = tmp_path / "go"
    go.write_text(f'#!/bin/sh\ncase "$1" in build) echo >> {calls};; esac\nexec {real} "$@"\n')
    go.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path), prepend=":")
        askers = [
            threading.Thread(
                target=Builder(tmp_path / "store", module).build, args=("./cmd/hello", DEBUG)
            )
            for _ in range(4)
        ]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        Builder(tmp_path / "store", module).build("./cmd/hello", RELEASE)
    assert len(calls.read_text().splitlines()) == 2
