"""One watched run: its exit, its output, its end and the end of everything it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_cgosafe.binary.elf import read_elf
from pytest_cgosafe.errors import StartError
from pytest_cgosafe.results import Exit
from pytest_cgosafe.watch.stops import Stop, StopReason
from pytest_cgosafe.watch.watcher import Command, watch
from tests.integration.watching import Looker, gone, plain, run

Build = Callable[..., Path]
_CORE = ("SIGABRT", "SIGFPE", "SIGILL", "SIGBUS", "SIGQUIT", "SIGSYS", "SIGTRAP", "SIGSEGV")


@pytest.fixture(scope="session")
def behave(c_program: Build) -> Path:
    return c_program("watch/behave")


@pytest.mark.parametrize("code", [0, 1, 2, 127, 255])
def test_a_go_program_ends_with_its_exit_code(program: Build, code: int) -> None:
    watched = run(program("watch/ends"), str(code))
    assert watched.exit == Exit(code, None)
    assert watched.notes == ()


@pytest.mark.parametrize(
    ("way", "name"), [("segv", "SIGSEGV"), ("abort", "SIGABRT"), ("int3", "SIGTRAP")]
)
@pytest.mark.parametrize("threads", ["0", "5"])
@pytest.mark.parametrize("observed", [False, True])
def test_a_program_dies_of_the_signal_it_would_have_died_of(
    behave: Path, way: str, name: str, threads: str, observed: bool
) -> None:
    looker = Looker() if observed else None
    watched = run(behave, way, threads, observer=looker)
    assert watched.exit == Exit(None, name)
    assert looker is None or [stop.signal.name for stop in looker.examined if stop.signal] == [name]


@pytest.mark.parametrize(
    "way", ["signals", "core", "survive", "stop-and-go", "exec", "crowd", "storm"]
)
@pytest.mark.parametrize("threads", ["0", "4"])
def test_a_watched_program_sees_what_an_unwatched_one_sees(
    behave: Path, way: str, threads: str
) -> None:
    expected = plain(behave, way, threads)
    watched = run(behave, way, threads)
    # Handlers of different threads may write in any order.
    assert sorted(watched.stdout.splitlines()) == sorted(expected.stdout.decode().splitlines())
    assert watched.exit == Exit(expected.returncode, None)


@pytest.mark.parametrize("way", ["core", "storm"])
@pytest.mark.parametrize("threads", ["0", "4"])
def test_a_hand_over_at_every_signal_leaves_no_trace_in_the_program(
    behave: Path, way: str, threads: str
) -> None:
    looker = Looker()
    watched = run(behave, way, threads, observer=looker)
    assert watched.stdout == plain(behave, way, threads).stdout.decode()
    assert watched.exit == Exit(7, None)
    assert looker.handed_over_badly == []
    assert [(stop.signal.name, stop.signal.address) for stop in looker.examined if stop.signal] == [
        *((name, None) for name in _CORE),
        ("SIGSEGV", 16),
    ]


def test_a_go_program_gets_every_signal_once_also_when_each_is_examined(program: Build) -> None:
    built = program("watch/notify")
    expected = plain(built).stdout.decode()
    assert "once more" not in expected
    looker = Looker()
    assert run(built, observer=looker).stdout == expected
    assert len(looker.examined) == 8


def test_a_go_program_recovers_from_a_thousand_faults(program: Build) -> None:
    looker = Looker(reasons=frozenset())
    watched = run(program("watch/recover"), observer=looker)
    assert watched.stdout == "1000\n"
    assert watched.exit == Exit(0, None)
    assert len(looker.told(StopReason.SIGNAL)) == 1000


def test_a_breakpoint_stops_each_thread_that_enters_the_function(program: Build) -> None:
    looker = Looker(breakpoints=("no_such_function", "runtime.gopanic"))
    watched = run(program("watch/recover"), observer=looker)
    stops = looker.told(StopReason.BREAKPOINT)
    assert {stop.breakpoint for stop in stops} == {"runtime.gopanic"}
    assert (
        len(stops) >= 1000
    )  # one more where the scheduler preempts the thread at the function's first instruction
    assert watched.stdout == "1000\n"
    assert looker.handed_over_badly == []


def test_a_go_library_that_is_loaded_late_is_found_on_every_thread(program: Build) -> None:
    library = program("watch/library", "-buildmode=c-shared")
    script = f"""
import ctypes, threading
loaded, go = threading.Event(), threading.Event()
def call():
    loaded.set(); go.wait()
    library.Panic()
early = threading.Thread(target=call); early.start(); loaded.wait()
library = ctypes.CDLL({str(library)!r})
library.Panic()
go.set(); early.join()
"""
    looker = Looker(breakpoints=("runtime.gopanic",))
    watched = run(sys.executable, "-c", script, observer=looker)
    assert watched.exit == Exit(0, None), watched
    assert {stop.breakpoint for stop in looker.examined} == {"runtime.gopanic"}
    assert len({stop.tid for stop in looker.examined}) == 2
    assert looker.handed_over_badly == []


def test_the_end_is_told_once_with_the_memory_still_there(program: Build) -> None:
    words: list[bytes] = []

    class Reader(Looker):
        def wants(self, stop: Stop) -> bool:
            if stop.reason is StopReason.EXIT:
                with Path(f"/proc/{stop.pid}/mem").open("rb") as memory:
                    memory.seek(stop.sp)
                    words.append(memory.read(8))
            return False

    run(program("watch/threads"), "10", "10", observer=Reader())
    assert [len(word) for word in words] == [8]


@pytest.mark.parametrize("way", ["stubborn", "stopped", "waiting", "headless", "vfork"])
@pytest.mark.parametrize("threads", ["0", "3"])
@pytest.mark.parametrize("observed", [False, True])
def test_the_time_is_up_for_every_kind_of_program(
    behave: Path, way: str, threads: str, observed: bool
) -> None:
    if way == "headless" and threads == "0":
        threads = "1"
    looker = Looker() if observed else None
    watched = run(behave, way, threads, timeout=0.3, observer=looker)
    assert watched.exit == Exit(None, "SIGKILL", timed_out=True)
    assert len(watched.stacks) == 1 + int(threads)
    assert all(stack.peak for stack in watched.stacks), watched
    assert looker is None or looker.handed_over_badly == []


def test_a_daemon_does_not_outlive_the_run(behave: Path) -> None:
    watched = run(behave, "daemon")
    assert watched.exit == Exit(7, None)
    assert gone(int(watched.stdout))


def test_an_endless_chain_of_forks_ends_with_the_program(behave: Path) -> None:
    assert run(behave, "chain").exit == Exit(0, None)


def test_threads_vanish_when_one_of_them_replaces_the_program(behave: Path) -> None:
    watched = run(behave, "thread-exec", "3")
    assert watched.stdout == "replaced\n"
    assert any("replaced itself" in note for note in watched.notes)


def test_a_thread_that_gives_memory_back_all_the_time_is_left_alone(behave: Path) -> None:
    assert run(behave, "madvise", "1").exit == Exit(7, None)


def test_nothing_outlives_a_killed_python(behave: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = (
        "import sys; from tests.integration.watching import run\n"
        f"run('/bin/sh', '-c', 'echo $$ > {fifo}; sleep 1000 & exec {behave} stubborn 3')"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as python:
        pid = int(fifo.read_text())
        python.kill()
    assert gone(pid)


def test_an_interrupt_kills_the_program_and_is_raised(behave: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    pids: list[int] = []

    def interrupt() -> None:
        pids.append(int(fifo.read_text()))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    helper = threading.Thread(target=interrupt)
    helper.start()
    with pytest.raises(KeyboardInterrupt):
        run("/bin/sh", "-c", f"echo $$ > {fifo}; exec {behave} stubborn")
    helper.join()
    assert gone(pids[0])


def test_a_flood_is_kept_to_its_tail(tmp_path: Path) -> None:
    watched = run("/bin/sh", "-c", "head -c 100000000 /dev/zero; printf end", output_limit=1000)
    assert watched.stdout == "\0" * 997 + "end"
    assert watched.notes == ("stdout: the first 99,999,003 bytes were dropped",)


def test_output_that_is_not_utf8_survives() -> None:
    watched = run("/bin/sh", "-c", r"printf 'a\377\342\202\254'; printf '\200' >&2")
    assert watched.stdout == "a\udcff€"
    assert watched.stderr == "\udc80"


def test_ten_megabytes_of_stdin_go_in_while_as_much_comes_out() -> None:
    data = bytes(range(256)) * 40_000
    command = Command(("/bin/cat",), stdin=data)
    watched = watch(command, lookup=read_elf, output_limit=len(data))
    assert watched.stdout.encode("utf-8", "surrogateescape") == data


def test_a_program_need_not_read_its_stdin() -> None:
    assert watch(Command(("/bin/true",), stdin=b"x" * 10_000_000), lookup=read_elf).exit == Exit(
        0, None
    )


def test_without_stdin_a_program_reads_an_end_of_file() -> None:
    assert run("/bin/cat").exit == Exit(0, None)


def test_environment_directory_and_arguments_are_as_given(tmp_path: Path) -> None:
    script = 'pwd; env; printf "<%s>" "$0" "$@"'
    command = Command(("/bin/sh", "-c", script, "", "a b", "ü"), env={"ONLY": "this"}, cwd=tmp_path)
    lines = watch(command, lookup=read_elf).stdout.splitlines()
    assert lines[0] == str(tmp_path)
    assert "ONLY=this" in lines
    assert lines[-1] == "<><a b><ü>"


def test_signal_mask_and_dispositions_are_those_of_a_plain_child() -> None:
    def states(text: str) -> list[str]:
        return [
            line
            for line in text.splitlines()
            if line.startswith(("SigB", "SigC", "SigI", "SigP", "Shd"))
        ]

    expected = plain("/bin/cat", "/proc/self/status").stdout.decode()
    assert states(run("/bin/cat", "/proc/self/status").stdout) == states(expected)


def test_many_watches_at_once_do_not_disturb_each_other(behave: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        runs = list(
            pool.map(lambda i: run("/bin/sh", "-c", f"{behave} survive 2; exit {i}"), range(50))
        )
    assert [watched.exit.code for watched in runs] == list(range(50))
    assert {watched.stdout for watched in runs} == {"1000\n"}


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (None, 0, "there is no such file"),
        ("#!/bin/sh\n", 0o644, "it is not executable"),
        ("#!/no/such/interpreter\n", 0o755, "the interpreter that it asks for is missing"),
        ("text", 0o755, "it is not a program of this machine"),
    ],
)
def test_what_cannot_be_started_is_told_with_the_reason(
    tmp_path: Path, content: str | None, mode: int, reason: str
) -> None:
    path = tmp_path / "program"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(StartError, match=reason):
        run(path)


def test_a_missing_working_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="working directory"):
        watch(Command(("/bin/true",), cwd=tmp_path / "missing"), lookup=read_elf)


def test_an_observer_that_fails_does_not_take_the_result_away(behave: Path) -> None:
    class Failing(Looker):
        def examine(self, stop: Stop) -> None:
            raise RuntimeError("no debugger today")

    watched = run(behave, "segv", "3", observer=Failing())
    assert watched.exit == Exit(None, "SIGSEGV")
    assert any("no debugger today" in note for note in watched.notes)
