"""The command that explains a core file or a running process, run as a user runs it."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.photographing import DEBUG, DEBUG_C, core_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.conftest import Build

DELVE = "github.com/go-delve/delve@v1.26.2"
LOAD = "main.(*loader).load"


@pytest.fixture(scope="module")
def crashes(program: Build) -> Path:
    return program("crashes", *DEBUG, **DEBUG_C)


@pytest.fixture(scope="module")
def core(crashes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The core of a null dereference in C that a goroutine called."""
    return core_of(crashes, "null", directory=tmp_path_factory.mktemp("null"))


@pytest.fixture
def answering(program: Build) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is in C, in a loop that gives back what it reads."""
    command = [program("answering", *DEBUG, **DEBUG_C)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert answer(process, b"a") == b"a"
        yield process
        process.kill()


@pytest.fixture(scope="session")
def delve(built: Path) -> Mapping[str, str]:
    """An environment with Delve on PATH, from the Go module proxy."""
    had = subprocess.run(
        ["go", "mod", "download", "-json", DELVE],
        cwd=built,
        check=False,
        capture_output=True,
        text=True,
    )
    if had.returncode and "CI" not in os.environ:
        pytest.skip(f"go mod download {DELVE}: {had.stdout}{had.stderr}")
    assert had.returncode == 0, had.stdout + had.stderr
    directory = built / "delve"
    with (built / "delve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "dlv").exists():
            package = DELVE.replace("@", "/cmd/dlv@")
            env = {**os.environ, "GOBIN": str(directory)}
            subprocess.run(["go", "install", package], check=True, cwd=built, env=env)
    return {"PATH": f"{directory}{os.pathsep}{os.environ['PATH']}"}


def answer(process: subprocess.Popen[bytes], byte: bytes) -> bytes:
    assert process.stdin
    assert process.stdout
    process.stdin.write(byte)
    return process.stdout.read(1)


def backtrace(*args: object, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest_cgosafe", "backtrace", *map(str, args)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **env}
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def only_run(done: subprocess.CompletedProcess[str], *, status: int) -> dict[str, Any]:
    """The one run of the document on standard output."""
    assert done.returncode == status, done.stderr
    document = json.loads(done.stdout)
    assert document.keys() == {"schema", "toolchain", "runs", "crossings"}
    assert (document["schema"], document["crossings"]) == ("cgosafe/1", [])
    (run,) = document["runs"]
    assert (run["duration_s"], run["args"], run["stacks"], run["crossings"]) == (None, [], [], [])
    return dict(run)


def functions(thread: dict[str, Any], *wanted: str) -> list[str]:
    """Those of the wanted functions that a thread's frames show, innermost first."""
    return [frame["function"] for frame in thread["frames"] if frame["function"] in wanted]


def cross_checks(run: dict[str, Any]) -> list[str]:
    return [note for note in run["crash"]["notes"] if "cross-check: " in note]


def test_a_core_gives_a_document_with_its_crash(crashes: Path, core: Path) -> None:
    run = only_run(backtrace("--core", core, crashes, "--json", "-"), status=1)
    assert run["target"] == {"package": str(crashes), "binary": "crashes", "profile": None}
    assert run["exit"] == {"code": None, "signal": "SIGSEGV", "timed_out": False}
    assert run["hang"] is None
    crash = run["crash"]
    assert (crash["signal"], crash["code"], crash["address"]) == ("SIGSEGV", "SEGV_MAPERR", "0x10")
    assert crash["cause"].startswith("null dereference at 0x10 in `null_chain`")
    assert functions(crash, "null_chain", LOAD) == [*["null_chain"] * 4, LOAD]
    innermost = next(frame for frame in crash["frames"] if frame["function"] == "null_chain")
    assert (innermost["language"], innermost["stack"]) == ("c", "thread")
    assert (innermost["pc"], innermost["sp"]) == (
        crash["registers"]["rip"],
        crash["registers"]["rsp"],
    )
    assert innermost["args"] == "depth=0, p=0x10"
    assert innermost.keys() >= {"file", "line", "size"}
    assert cross_checks(run) == []


def test_full_adds_locals_registers_and_the_frames_of_the_runtime(
    crashes: Path, core: Path
) -> None:
    folded = backtrace("--core", core, crashes)
    full = backtrace("--core", core, crashes, "--full")
    assert (folded.returncode, full.returncode) == (1, 1)
    headline = "SIGSEGV in C: null dereference at 0x10 in `null_chain`: `p` is 0x10, "
    assert folded.stdout.replace("\n", " ").startswith(headline)
    assert full.stdout.replace("\n", " ").startswith(headline)
    for more in ("        pad = ", "\nrip    0x", "  runtime.asmcgocall "):
        assert more in full.stdout
        assert more not in folded.stdout


def test_a_running_process_is_shown_and_goes_on(answering: subprocess.Popen[bytes]) -> None:
    run = only_run(backtrace("--pid", answering.pid, "--json", "-"), status=0)
    assert answer(answering, b"b") == b"b"
    assert answering.stdin
    answering.stdin.close()
    assert answering.wait() == 0
    assert run["target"]["binary"] == "answering"
    assert run["exit"] == {"code": None, "signal": None, "timed_out": False}
    assert run["crash"] is None
    (thread,) = [thread for thread in run["hang"]["threads"] if functions(thread, "echo")]
    assert functions(thread, "echo", "main.serve") == ["echo", "main.serve"]
    assert isinstance(thread["goroutine"], int)
    assert answering.pid in {thread["tid"] for thread in run["hang"]["threads"]}


def test_the_text_for_a_process_starts_with_the_thread_that_runs_the_users_code(
    answering: subprocess.Popen[bytes],
) -> None:
    done = backtrace("--pid", answering.pid)
    assert done.returncode == 0
    assert answer(answering, b"b") == b"b"
    assert done.stdout.lstrip().startswith("thread ")
    assert done.stdout.index("\n  echo ") < done.stdout.index("\n  main.serve ")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_process_without_go_shows_its_c_frames() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        run = only_run(backtrace("--pid", cat.pid, "--json", "-"), status=0)
        out, _ = cat.communicate(b"still here")
    assert (out, cat.returncode) == (b"still here", 0)
    (thread,) = run["hang"]["threads"]
    assert (thread["tid"], thread["goroutine"]) == (cat.pid, None)
    assert {frame["stack"] for frame in thread["frames"]} == {"thread"}
    assert functions(thread, "__libc_start_main_impl", "__libc_start_main")


def test_a_core_of_another_program_is_doubted(program: Build, core: Path) -> None:
    other = program("answering", *DEBUG, **DEBUG_C)
    run = only_run(backtrace("--core", core, other, "--json", "-"), status=1)
    assert any("may not match" in note for note in run["crash"]["notes"])
    assert not any("did not finish" in note for note in run["crash"]["notes"])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--core", "nowhere", "{crashes}"], "no such file: nowhere"),
        (["--core", "{core}", "nowhere"], "no such file: nowhere"),
        (["--core", "{core}", "."], "no such file: ."),
        (["--core", "{crashes}", "{crashes}"], "could not open the core file"),
        (["--core", "{core}"], "together with its BINARY"),
        (["--pid", "1", "{crashes}"], "together with its BINARY"),
        (["--pid", "4194305"], "there is no process 4194305"),
        (["--pid", "-1"], "there is no process -1"),
        (["--pid", "soon"], "invalid int value: 'soon'"),
        (["--pid", "1", "--core", "{core}"], "not allowed with argument"),
        ([], "one of the arguments --core --pid is required"),
        (["--pid", "1", "--delve"], "into a running process it writes breakpoints"),
        (["--core", "{core}", "{crashes}", "--json", "/nowhere/x"], "could not be written"),
    ],
)
def test_what_cannot_be_done_is_said_with_status_2(
    crashes: Path, core: Path, args: list[str], message: str
) -> None:
    done = backtrace(*(arg.format(core=core, crashes=crashes) for arg in args))
    assert done.returncode == 2
    assert message in done.stderr


def test_delve_is_asked_about_the_same_core_and_disagrees_at_the_switch_only(
    crashes: Path, core: Path, delve: Mapping[str, str]
) -> None:
    run = only_run(backtrace("--core", core, crashes, "--delve", "--json", "-", **delve), status=1)
    found = cross_checks(run)
    assert "cross-check: after `runtime.asmcgocall` Delve shows ??? more" in found
    assert not [note for note in found if "null_chain" in note or "main." in note]


def test_delve_is_not_blamed_for_the_frames_of_a_deep_recursion(
    crashes: Path, tmp_path: Path, delve: Mapping[str, str]
) -> None:
    core = core_of(crashes, "overflow", directory=tmp_path)
    done = backtrace("--core", core, crashes, "--delve", **delve)
    assert done.returncode == 1
    notes = done.stdout[done.stdout.index("note: ") :]
    assert "cross-check: " in notes
    assert "overflow_uniform" not in notes


def test_a_delve_that_answers_nonsense_hides_nothing(
    crashes: Path, core: Path, tmp_path: Path
) -> None:
    dlv = tmp_path / "dlv"
    dlv.write_text("#!/bin/sh\necho out of order >&2\nexit 3\n")
    dlv.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    run = only_run(
        backtrace("--core", core, crashes, "--delve", "--json", "-", PATH=path), status=1
    )
    assert cross_checks(run) == ["no cross-check: Delve showed no frames: out of order"]
    assert functions(run["crash"], "null_chain", LOAD) == [*["null_chain"] * 4, LOAD]


def test_without_delve_the_command_says_how_to_get_it(
    crashes: Path, core: Path, tmp_path: Path
) -> None:
    places = os.environ["PATH"].split(os.pathsep)
    path = os.pathsep.join(place for place in places if not Path(place, "dlv").exists())
    env = {"PATH": path, "GOBIN": str(tmp_path)}
    done = backtrace("--core", core, crashes, "--delve", **env)
    assert (done.returncode, done.stdout) == (2, "")
    assert "go install github.com/go-delve/delve/cmd/dlv@latest" in done.stderr
