"""gdb may be missing, fail, hang or die: the program stays as it was, and what can be told is told."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_cgosafe.crash import debugger
from pytest_cgosafe.crash.debugger import examine_core, examine_process
from pytest_cgosafe.crash.gdb_session import gdb_session
from pytest_cgosafe.errors import DebuggerError
from pytest_cgosafe.results import Language
from pytest_cgosafe.watch.stops import Stop, StopReason
from tests.integration.photographing import DEBUG, DEBUG_C, Photographer, photograph
from tests.integration.watching import run

if TYPE_CHECKING:
    from pytest_cgosafe.crash.picture import Picture
    from tests.conftest import Build


@pytest.fixture(scope="session")
def crashes(program: Build) -> Path:
    return program("crashes", *DEBUG, **DEBUG_C)


def gdb_that(tmp_path: Path, *options: str) -> Path:
    """A gdb that does something else once it has the program."""
    real = shutil.which("gdb")
    assert real
    script = tmp_path / "gdb"
    quoted = " ".join(f"'{option}'" for option in options)
    script.write_text(f'#!/bin/sh\nexec {real} "$@" {quoted}\n')
    script.chmod(0o755)
    return script


class Sufferer(Photographer):
    """An observer whose gdb fails."""

    error: DebuggerError | None = None
    state = ""

    def examine(self, stop: Stop) -> None:
        try:
            super().examine(stop)
        except DebuggerError as error:
            self.error = error
        status = Path(f"/proc/{stop.pid}/status").read_text()
        self.state = next(line for line in status.splitlines() if line.startswith("State"))


def suffer(crashes: Path, gdb: Path) -> tuple[Sufferer, int | None]:
    observer = Sufferer(gdb=gdb)
    watched = run(crashes, "null", observer=observer)
    assert observer.state == "State:\tT (stopped)"
    assert "SIGSEGV: segmentation violation" in watched.stderr
    return observer, watched.exit.code


def test_a_missing_gdb_is_named_with_the_way_to_get_it(crashes: Path, tmp_path: Path) -> None:
    observer, code = suffer(crashes, tmp_path / "gdb")
    assert "could not be started" in str(observer.error)
    assert "apt-get install gdb" in str(observer.error)
    assert code == 2


def test_a_gdb_that_dies_while_attached_leaves_the_program_to_its_death(
    crashes: Path, tmp_path: Path
) -> None:
    gdb = gdb_that(tmp_path, "-ex", "python import os; os.kill(os.getpid(), 9)")
    observer, code = suffer(crashes, gdb)
    assert "gdb ended when it was to open process" in str(observer.error)
    assert code == 2


def test_a_script_that_fails_leaves_gdbs_own_backtrace(crashes: Path, tmp_path: Path) -> None:
    gdb = gdb_that(tmp_path, "-ex", 'python import sys; sys.modules["inside_gdb"] = None')
    observer, code = suffer(crashes, gdb)
    assert observer.picture
    frames = observer.picture.backtrace.frames
    assert [frame.function for frame in frames[:4]] == ["null_chain"] * 4
    assert frames[0].args == "depth=0, p=0x10"
    assert frames[0].file == frames[1].file == "plain.c"
    assert observer.picture.backtrace.gaps[0].after == len(frames)
    assert "ModuleNotFoundError" in observer.picture.notes[0]
    assert code == 2


def test_a_script_that_hangs_is_interrupted(
    crashes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debugger, "_SCRIPT_TIMEOUT", 2.0)
    hanging = (
        "import sys, time, types; sys.modules['inside_gdb'] = types.ModuleType('inside_gdb'); "
        "main = sys.modules['inside_gdb.main'] = types.ModuleType('inside_gdb.main'); "
        "main.run = lambda request: time.sleep(1000); sys.modules['inside_gdb'].main = main"
    )
    gdb = gdb_that(tmp_path, "-ex", "python " + hanging.replace("'", '"'))
    observer, code = suffer(crashes, gdb)
    assert observer.picture
    assert observer.picture.backtrace.frames[0].function == "null_chain"
    assert "did not answer within 2 s" in observer.picture.notes[0]
    assert code == 2


def test_no_gdb_is_left_behind(crashes: Path) -> None:
    before = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "gdb"], capture_output=True, check=False
    )
    photograph(crashes, "null")
    after = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "gdb"], capture_output=True, check=False
    )
    assert after.stdout == before.stdout


def test_a_stopped_program_stays_stopped(crashes: Path) -> None:
    observer = Photographer()
    run(crashes, "null", observer=observer)
    assert "State:\tT (stopped)" in observer.states
    assert "TracerPid:\t0" in observer.states


def test_a_process_that_is_not_there_is_an_error_that_says_so() -> None:
    with pytest.raises(DebuggerError, match="gdb could not open process 4194300"):
        examine_process(4194300, 4194300, signal=None)


def test_a_core_that_is_none_is_an_error_that_says_so(crashes: Path, tmp_path: Path) -> None:
    core = tmp_path / "core"
    with pytest.raises(DebuggerError, match="no such file"):
        examine_core(core, crashes)
    core.write_text("this is no core")
    with pytest.raises(DebuggerError, match="gdb could not open the core file"):
        examine_core(core, crashes)


def test_a_running_process_goes_on_running(crashes: Path) -> None:
    with subprocess.Popen([crashes, "hang"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"hanging\n"
            picture = examine_process(process.pid, process.pid, signal=None, all_threads=True)
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert "State:\tS" in status
            assert "TracerPid:\t0" in status
            assert in_c(picture) == ["main.hang", "main.main.func1"]
        finally:
            process.kill()


def in_c(picture: Picture) -> list[str]:
    """The Go functions of the thread that hangs in C."""
    (thread,) = (
        thread
        for thread in picture.threads
        if any(frame.function == "hang_in_c" for frame in thread.frames)
    )
    names = [frame.function or "?" for frame in thread.frames]
    return [name for name in names if name.startswith("main.") and "_Cfunc_" not in name]


def test_a_hang_shows_every_thread_and_groups_the_goroutines_that_wait(crashes: Path) -> None:
    picture, watched = photograph(crashes, "hang", reason=StopReason.TIMEOUT, all_threads=True)
    assert watched.exit.timed_out
    assert len(picture.threads) >= 3
    assert in_c(picture) == ["main.hang", "main.main.func1"]
    for thread in picture.threads:
        assert thread.gaps == ()
        assert thread.frames[-1].function in ("runtime.goexit", "runtime.mcall", "runtime.mstart")
    told = {(group.count, group.state, group.function) for group in picture.others}
    assert (3, "chan receive", "main.blocked") in told
    assert (1, "chan receive", "main.main") in told
    assert any(group.function is None for group in picture.others)


def test_a_program_without_go_is_shown_as_well() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        try:
            picture = examine_process(process.pid, process.pid, signal=None)
        finally:
            process.kill()
    functions = [frame.function or "" for frame in picture.backtrace.frames]
    assert any(function.startswith("__libc_start") for function in functions)
    assert {frame.language for frame in picture.backtrace.frames if frame.function} == {Language.C}
    assert picture.backtrace.goroutine is None
    assert picture.others == ()


def test_a_thread_that_is_gone_is_told(crashes: Path) -> None:
    with subprocess.Popen([crashes, "hang"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"hanging\n"
            picture = examine_process(process.pid, 1, signal=None)
        finally:
            process.kill()
    assert picture.backtrace.tid != 1
    assert "there is no thread 1 any more" in picture.notes[0]


def test_an_internal_error_of_gdb_ends_it_and_leaves_no_core_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    more_than_there_is = "python gdb.selected_inferior().read_memory(4096, 1 << 60)"
    with (
        gdb_session("gdb", [], "nothing") as session,
        pytest.raises(EOFError, match="gdb ended"),
    ):
        session.ask(more_than_there_is, timeout=60)
    assert list(tmp_path.iterdir()) == []


def test_a_size_that_no_memory_has_does_not_bring_gdb_down(tmp_path: Path) -> None:
    inside = Path(debugger.__file__).parent
    said = subprocess.run(
        [
            *("gdb", "--nx", "-batch", "-ex", "starti"),
            *("-ex", f"python import sys; sys.path.insert(0, {str(inside)!r})"),
            *("-ex", "python from inside_gdb import memory"),
            *("-ex", "python print('read:', memory.read(4096, 1 << 46))"),
            "/bin/true",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert "read: None" in said.stdout
