"""What `make` does on a machine that lacks something: it installs it, or names the command and stops."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALWAYS_THERE = [
    "sh",
    "dirname",
    "cat",
    "cksum",
    "grep",
    "id",
    "mktemp",
    "tail",
    "rm",
    "gcc",
    "g++",
    "gdb",
    "python3",
]


class Machine:
    """A copy of the project, and a PATH of chosen programs."""

    def __init__(self, tmp_path: Path) -> None:
        self.project = tmp_path / "project"
        (self.project / ".ci").mkdir(parents=True)
        shutil.copy(ROOT / ".ci" / "setup.sh", self.project / ".ci")
        shutil.copy(ROOT / "pyproject.toml", self.project)
        self.path = tmp_path / "bin"
        self.path.mkdir()
        for name in ALWAYS_THERE:
            self.give(name, f'exec {shutil.which(name)} "$@"')

    def give(self, name: str, script: str) -> None:
        self.take(name)
        (self.path / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.path / name).chmod(0o755)

    def take(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def set_up(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", self.project / ".ci" / "setup.sh"],
            env={"PATH": str(self.path), "HOME": str(self.project)},
            check=False,
            capture_output=True,
            text=True,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_apt_a_missing_gdb_is_named_and_nothing_is_done(machine: Machine) -> None:
    machine.take("gdb")
    run = machine.set_up()
    assert run.returncode == 1
    assert (
        run.stderr == "setup: gdb is missing. Install it (on Debian: gdb), then run make again.\n"
    )
    assert not (machine.project / ".venv").exists()


def test_without_root_the_exact_command_is_named(machine: Machine) -> None:
    machine.take("gdb")
    machine.give("apt-get", "exit 1")
    machine.give("id", "echo 1000")
    run = machine.set_up()
    assert run.returncode == 1
    assert "\nsetup:   sudo apt-get install -y gdb\n" in run.stderr


def test_root_gets_a_missing_compiler_by_apt(machine: Machine) -> None:
    compiler = shutil.which("g++")
    machine.take("g++")
    machine.give(
        "apt-get",
        f"""echo "$@" >>{machine.project}/asked
case "$1" in install)
    printf '#!/bin/sh\\nexec {compiler} "$@"\\n' >{machine.path}/g++
    chmod +x {machine.path}/g++
esac""",
    )
    machine.give("chmod", f'exec {shutil.which("chmod")} "$@"')
    machine.give("id", "echo 0")
    machine.give("python3", "echo 'Python 3.9.2'; exit 1")
    run = machine.set_up()
    asked = (machine.project / "asked").read_text().splitlines()
    assert asked == ["update", "install -y --no-install-recommends g++ libc6-dev"]
    assert (
        run.stdout.splitlines()[0]
        == "setup: a C and C++ compiler is missing: apt-get install g++ libc6-dev"
    )


def test_an_apt_that_fails_is_quoted(machine: Machine) -> None:
    machine.take("gdb")
    machine.give("apt-get", "echo 'E: Unable to locate package' >&2; exit 100")
    machine.give("id", "echo 0")
    run = machine.set_up()
    assert run.returncode == 1
    assert "E: Unable to locate package\nsetup: apt-get could not install gdb." in run.stderr


def test_a_python_too_old_is_named(machine: Machine) -> None:
    machine.give("python3", "echo 'Python 3.9.2'; exit 1")
    run = machine.set_up()
    assert run.returncode == 1
    assert run.stderr == "setup: Python 3.11 or newer is needed; python3 here is Python 3.9.2.\n"
