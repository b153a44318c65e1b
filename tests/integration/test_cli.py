"""The command, run as a user runs it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """package main

/*
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char *lowest;

__attribute__((noinline)) static int deep(int n) {
    volatile char room[512];
    memset((char *)room, n | 1, sizeof room);
    lowest = (char *)room;
    return n > 1 ? deep(n - 1) + room[7] : room[3];
}

static char *top_of_stack(void) {
    pthread_attr_t attributes;
    void *low;
    size_t size;
    if (gettid() != getpid()) {
        pthread_getattr_np(pthread_self(), &attributes);
        pthread_attr_getstack(&attributes, &low, &size);
        return (char *)low + size;
    }
    char line[256], *end = NULL;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        if (strstr(line, "[stack]")) sscanf(line, "%*lx-%p", (void **)&end);
    fclose(maps);
    return end;
}

static long depth_reached(int n) {
    deep(n);
    return top_of_stack() - lowest;
}

__attribute__((noinline)) static void store(int *p) { *p = 1; }
__attribute__((noinline)) static void deliver(int *p) { store(p); }
*/
import "C"
import (
	"fmt"
	"io"
	"os"
	"time"
)

func compute() { C.deliver(nil) }

func main() {
	switch os.Args[1] {
	case "deep":
		fmt.Print(C.depth_reached(2000))
	case "crash":
		done := make(chan bool)
		go func() {
			compute()
			done <- true
		}()
		<-done
	case "exit":
		os.Exit(3)
	case "bytes":
		os.Stdout.Write([]byte{'a', 0xff, 'z'})
	case "hang":
		fmt.Println("hanging")
		time.Sleep(time.Hour)
	case "echo":
		text, _ := io.ReadAll(os.Stdin)
		fmt.Println(os.Args[2:], len(text))
	}
}
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("module")
    (directory / "go.mod").write_text("module example.com/prog\n\ngo 1.21\n")
    (directory / "prog").mkdir()
    (directory / "prog" / "main.go").write_text(PROGRAM)
    for name, body in (("good", ""), ("bad", 't.Fatal("too bad")')):
        (directory / name).mkdir()
        (directory / name / f"{name}_test.go").write_text(
            f'package {name}\n\nimport "testing"\n\nfunc TestIt(t *testing.T) {{ {body} }}\n'
        )
    return directory


def cgosafe(*args: str, cwd: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest_cgosafe", *args]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, **options)


def report(*args: str, cwd: Path, status: int = 0) -> dict[str, Any]:
    done = cgosafe(*args, "--json", "-", cwd=cwd)
    assert done.returncode == status, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["schema"] == "cgosafe/1"
    return document


def only_run(document: dict[str, Any]) -> dict[str, Any]:
    (run,) = document["runs"]
    return dict(run)


def run_json(
    module: Path, *program_args: str, status: int = 0, options: Sequence[str] = ()
) -> dict[str, Any]:
    return only_run(report_of(module, program_args, status, options))


def report_of(
    module: Path, program_args: Sequence[str], status: int, options: Sequence[str]
) -> dict[str, Any]:
    done = cgosafe("run", "./prog", "--json", "-", *options, "--", *program_args, cwd=module)
    assert done.returncode == status, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.parametrize("profile", ["debug", "release"])
def test_the_peak_of_a_recursion_is_the_programs_own_within_512_bytes(
    module: Path, profile: str
) -> None:
    run = run_json(module, "deep", options=["--profile", profile])
    deepest = max(run["stacks"], key=lambda stack: stack["peak"] or 0)
    assert abs(deepest["peak"] - int(run["stdout"])) <= 512
    assert deepest["headroom"] == pytest.approx(1 - deepest["peak"] / deepest["limit"], abs=1e-6)
    assert deepest["limit"] == 8388608
    assert run["target"] == {"package": "./prog", "binary": "prog", "profile": profile}


def test_a_null_dereference_in_c_shows_c_and_go_functions_in_order(module: Path) -> None:
    run = run_json(module, "crash", status=1)
    crash = run["crash"]
    assert (crash["signal"], crash["code"], crash["address"]) == ("SIGSEGV", "SEGV_MAPERR", "0x0")
    functions = [frame["function"] for frame in crash["frames"]]
    user = [
        name
        for name in functions
        if name in ("store", "deliver", "main.compute", "main.main.func1")
    ]
    assert user == ["store", "deliver", "main.compute", "main.main.func1"]
    assert None not in functions
    by_name = {frame["function"]: frame for frame in crash["frames"]}
    assert (by_name["store"]["language"], by_name["store"]["stack"]) == ("c", "thread")
    assert (by_name["main.compute"]["language"], by_name["main.compute"]["stack"]) == (
        "go",
        "goroutine",
    )
    assert by_name["store"]["file"].endswith("main.go")
    assert by_name["store"]["line"] == PROGRAM[: PROGRAM.index("*p = 1")].count("\n") + 1
    assert len(crash["words"]) == 20
    assert crash["registers"].keys() >= {"rip", "rsp"} or crash["registers"].keys() >= {"pc", "sp"}
    assert run["exit"] == {"code": 2, "signal": None, "timed_out": False}


def test_the_text_names_the_crash_first_then_its_frames(module: Path) -> None:
    done = cgosafe("run", "./prog", "--", "crash", cwd=module)
    assert done.returncode == 1
    assert "\x1b[" not in done.stdout
    text = done.stdout
    assert text.index("\nSIGSEGV in C") < text.index("\n  store ") < text.index("\n  main.compute ")
    assert max(map(len, text.splitlines())) <= 80


def test_an_exit_status_above_zero_is_a_finding(module: Path) -> None:
    assert run_json(module, "exit", status=1)["exit"] == {
        "code": 3,
        "signal": None,
        "timed_out": False,
    }


def test_arguments_behind_the_dashes_are_the_programs(module: Path) -> None:
    run = run_json(module, "echo", "--json", "-x", "--", "y")
    assert run["stdout"] == "[--json -x -- y] 0\n"
    assert run["args"] == ["echo", "--json", "-x", "--", "y"]


def test_bytes_that_are_not_utf8_survive_in_the_json(module: Path) -> None:
    text = run_json(module, "bytes")["stdout"]
    assert text.encode("utf-8", "surrogateescape") == b"a\xffz"


def test_a_hang_is_killed_and_told_thread_by_thread(module: Path) -> None:
    run = run_json(module, "hang", status=1, options=["--timeout", "1"])
    assert run["exit"] == {"code": None, "signal": "SIGKILL", "timed_out": True}
    assert run["crash"] is None
    assert run["stdout"] == "hanging\n"
    assert all({"tid", "goroutine", "frames"} <= thread.keys() for thread in run["hang"]["threads"])


def test_a_built_program_is_run_as_it_is(module: Path, tmp_path: Path) -> None:
    program = tmp_path / "prog"
    subprocess.run(["go", "build", "-o", program, "./prog"], cwd=module, check=True)
    run = only_run(
        json.loads(
            cgosafe("run", str(program), "--json", "-", "--", "echo", "a", cwd=tmp_path).stdout
        )
    )
    assert run["stdout"] == "[a] 0\n"
    assert run["target"]["profile"] is None


def test_a_directory_is_built_from_anywhere(module: Path, tmp_path: Path) -> None:
    done = cgosafe("run", str(module / "prog"), "--", "echo", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("[] 0\n")


def test_the_json_goes_to_a_file_beside_the_text(module: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    done = cgosafe("run", "./prog", "--json", str(target), "--", "echo", cwd=module)
    assert done.returncode == 0
    assert "headroom" in done.stdout
    assert json.loads(target.read_text())["runs"][0]["exit"]["code"] == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run", "./nowhere"], "there is no directory ./nowhere"),
        (["run", "./good"], "no main packages"),
        (
            ["run", "./prog", "--json", "/nowhere/x.json", "--", "echo"],
            "/nowhere/x.json could not be written",
        ),
        (["run", "./prog", "--profile", "fast"], "fast"),
        (["run", "./prog", "--timeout", "-1"], "above 0"),
        (["run", "./prog", "--timeout", "soon"], "soon"),
        (["test", "./prog"], "has no test files"),
        ([], "COMMAND"),
    ],
)
def test_what_cannot_be_done_is_said_with_status_2_and_no_traceback(
    module: Path, args: list[str], message: str
) -> None:
    done = cgosafe(*args, cwd=module)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_go_tests_of_several_packages_are_run_under_watch(module: Path) -> None:
    document = report("test", "./good", cwd=module)
    assert only_run(document)["stdout"] == "PASS\n"
    document = report("test", "./...", cwd=module, status=1)
    ends = {run["target"]["binary"]: run["exit"]["code"] for run in document["runs"]}
    assert ends == {"bad.test": 1, "good.test": 0}


def test_the_toolchain_stands_in_the_json(module: Path) -> None:
    toolchain = report_of(module, ["echo"], 0, [])["toolchain"]
    assert toolchain.keys() == {"go", "gdb", "cc"}
    assert all(isinstance(version, str) and version[-1].isdigit() for version in toolchain.values())


def test_ctrl_c_ends_the_program_and_the_command(module: Path) -> None:
    command = [sys.executable, "-m", "pytest_cgosafe", "run", "./prog", "--", "wait"]
    fifo = module / "pids"
    os.mkfifo(fifo)
    waiting = module / "waiting"
    waiting.mkdir()
    (waiting / "main.go").write_text(
        'package main\n\n// int one(void) { return 1; }\nimport "C"\nimport ("fmt"; "os"; "time")\n\n'
        f'func main() {{ f, _ := os.OpenFile("{fifo}", os.O_WRONLY, 0); '
        "fmt.Fprint(f, os.Getpid()*int(C.one())); f.Close(); time.Sleep(time.Hour) }\n"
    )
    command[4] = "./waiting"
    with subprocess.Popen(
        command, cwd=module, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        pid = int(fifo.read_text())
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not Path(f"/proc/{pid}").exists()


def test_without_gdb_a_crash_is_told_from_gos_words_and_says_what_is_missing(
    module: Path, tmp_path: Path
) -> None:
    program = tmp_path / "prog"
    subprocess.run(["go", "build", "-o", program, "./prog"], cwd=module, check=True)
    bare = tmp_path / "bin"
    bare.mkdir()
    for tool in ("gcc", "as", "ld"):
        found = shutil.which(tool)
        assert found, tool
        (bare / tool).symlink_to(found)
    environment = {**os.environ, "PATH": str(bare)}
    done = cgosafe("run", str(program), "--json", "-", "--", "crash", cwd=tmp_path, env=environment)
    crash = only_run(json.loads(done.stdout))["crash"]
    assert done.returncode == 1
    assert crash["cause"] == "SIGSEGV (SEGV_MAPERR) at address 0x0 in C, called from `main.compute`"
    assert any("no gdb on PATH" in note for note in crash["notes"])
    assert "main.main.func1" in [frame["function"] for frame in crash["frames"]]
