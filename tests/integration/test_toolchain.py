"""The toolchain is looked for among programs: those of this machine, and shell scripts on a PATH of our own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_cgosafe.errors import ToolchainError
from pytest_cgosafe.toolchain import Tool, check_cgo, check_gdb_python, find_cc, find_gdb, find_go

COMMAND = [sys.executable, "-m", "pytest_cgosafe"]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is the whole PATH."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.delenv("CC", raising=False)
    return directory


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def old_go(tools: Path) -> None:
    names = (
        *("CGO_ENABLED", "CC", "CGO_CFLAGS", "CGO_CXXFLAGS", "GOEXPERIMENT"),
        *("GOROOT", "GOMOD", "GOWORK"),
    )
    answer = json.dumps({"GOVERSION": "go1.19.8"} | dict.fromkeys(names, ""))
    script(tools / "go", f"echo '{answer}'")


def doctor(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "doctor"], cwd=directory, capture_output=True, text=True, check=False
    )


def test_this_machine_has_all_three_with_their_versions() -> None:
    assert tuple(map(int, find_go().version.split(".")[:2])) >= (1, 21)
    assert float(find_gdb().version.split("-")[0].rsplit(".", 1)[0]) > 7
    assert find_cc().version.split()[0] in ("gcc", "clang")
    assert check_gdb_python(find_gdb()).startswith("3.")


@pytest.mark.usefixtures("tools")
def test_a_missing_gdb_is_an_error_with_the_command_that_installs_it() -> None:
    with pytest.raises(ToolchainError, match="no gdb on PATH") as caught:
        find_gdb()
    assert "gdb" in (caught.value.next_step or "")


@pytest.mark.usefixtures("tools")
def test_a_missing_compiler_is_an_error_that_names_it() -> None:
    with pytest.raises(ToolchainError, match="no C compiler: 'gcc' is not on PATH"):
        find_cc()


def test_the_compiler_that_cc_names_is_the_one_that_is_missing(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tools / "gcc", "echo gcc 12.2.0")
    monkeypatch.setenv("CC", "ccache mycc -m64")
    with pytest.raises(ToolchainError, match="'ccache' is not on PATH"):
        find_cc()


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("gcc (Debian 12.2.0-14+deb12u1) 12.2.0", "gcc 12.2.0"),
        ("gcc (Ubuntu 13.2.0-23ubuntu4) 13.2.0", "gcc 13.2.0"),
        ("gcc (GCC) 14.1.1 20240522 (Red Hat 14.1.1-4)", "gcc 14.1.1"),
        ("Debian clang version 14.0.6", "clang 14.0.6"),
        ("Ubuntu clang version 18.1.3 (1ubuntu1)", "clang 18.1.3"),
    ],
)
def test_the_version_of_a_compiler_is_read_from_its_first_line(
    tools: Path, line: str, version: str
) -> None:
    script(tools / "gcc", f"echo '{line}'; echo 'Copyright (C) 2022'")
    assert find_cc().version == version


def test_a_go_that_is_too_old_is_an_error_that_names_both_versions(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None
    )  # as if the go extra were not installed
    old_go(tools)
    with pytest.raises(
        ToolchainError, match=r"is Go 1\.19\.8; cgosafe needs 1\.21 or newer"
    ) as caught:
        find_go()
    assert "pytest-cgosafe[go]" in (caught.value.next_step or "")


def test_the_go_of_the_extra_is_used_where_path_has_an_old_one(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_go(tools)
    real = find_real_go()
    wheel = tmp_path / "site" / "go"
    (wheel / "bin").mkdir(parents=True)
    (wheel / "__init__.py").touch()
    script(wheel / "bin" / "go", f'exec {real} "$@"')
    monkeypatch.syspath_prepend(str(wheel.parent))
    assert find_go().path == wheel / "bin" / "go"


def find_real_go() -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.environ.get("CGOSAFE_TEST_PATH", os.defpath) + ":/usr/local/go/bin")
        return find_go().path


def test_a_go_that_fails_is_told_in_its_own_words(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tools / "go", "echo 'go: broken installation' >&2; exit 3")
    with pytest.raises(ToolchainError, match="go: broken installation"):
        find_go()


def test_a_gdb_without_python_is_an_error_of_its_own(tools: Path) -> None:
    script(
        tools / "gdb",
        'case "$*" in *--version*) echo "GNU gdb (GDB) 9.2";; '
        '*) echo "Scripting in the \\"Python\\" language is not supported in this copy of GDB." >&2;; esac',
    )
    with pytest.raises(ToolchainError, match="was built without Python"):
        check_gdb_python(find_gdb())


def test_cgo_that_is_turned_off_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    go = find_go()
    monkeypatch.setenv("CGO_ENABLED", "0")
    with pytest.raises(ToolchainError, match="CGO_ENABLED=0"):
        check_cgo(go)


def test_cgo_that_is_off_for_want_of_a_compiler_names_the_compiler(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = Tool(find_real_go(), "1.21")
    monkeypatch.setenv("HOME", str(tools))
    monkeypatch.delenv("CGO_ENABLED", raising=False)
    with pytest.raises(ToolchainError, match="no C compiler"):
        check_cgo(go)


def test_the_doctor_finds_everything_on_this_machine(tmp_path: Path) -> None:
    done = doctor(tmp_path)
    assert done.returncode == 0, done.stdout
    assert [line[:2] for line in done.stdout.splitlines()] == ["ok"] * 7


@pytest.mark.usefixtures("tools")
def test_the_doctor_on_a_bare_machine_names_each_missing_tool_and_its_mend(tmp_path: Path) -> None:
    done = doctor(tmp_path)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "!!  cc            no C compiler" in done.stdout
    assert "!!  gdb           no gdb on PATH" in done.stdout
    assert done.stdout.count("try: ") >= 2
    assert max(map(len, done.stdout.splitlines())) <= 120


def test_the_doctor_says_that_cgo_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CGO_ENABLED", "0")
    done = doctor(tmp_path)
    assert done.returncode == 1
    assert "!!  cgo           cgo is turned off (CGO_ENABLED=0)" in done.stdout


def test_shutil_and_path_agree_on_where_go_is() -> None:
    found = shutil.which("go")
    assert found is None or find_go().path == Path(found)
