"""What people do with pytest, done with this plugin: a debugger, a Ctrl-C, unittest, expected failures, reports."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from tests.integration.watching import gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytest_plugins = ["pytester"]

PATIENCE = 120  # seconds, for a machine that is busy

PROGRAM = """package main

// #include <string.h>
// static int use(int kib) {
//     char room[1024];
//     memset(room, kib, sizeof room);
//     return kib > 1 ? use(kib - 1) + room[kib % 1024] : room[0];
// }
// static void crash(int *p) { int twice = 2; *p = twice; }
import "C"
import (
	"fmt"
	"os"
	"os/exec"
	"time"
)

func main() {
	switch os.Args[1] {
	case "use":
		C.use(1024)
	case "crash":
		C.crash(nil)
	case "wait":
		child := exec.Command("setsid", "sleep", "3600")
		if err := child.Start(); err != nil {
			panic(err)
		}
		told, _ := os.OpenFile(os.Args[2], os.O_WRONLY, 0)
		fmt.Fprintf(told, "%d %d\\n", os.Getpid(), child.Process.Pid)
		time.Sleep(time.Hour)
	}
}
"""


@pytest.fixture
def project(go_pytester: pytest.Pytester) -> pytest.Pytester:
    """A Go module of one program, which is the module's root package."""
    go_pytester.makefile(".mod", go="module example.com/habits\n\ngo 1.21\n")
    (go_pytester.path / "main.go").write_text(PROGRAM)
    return go_pytester


def run(project: pytest.Pytester, tests: str, *args: str) -> pytest.RunResult:
    write(project, tests)
    return project.runpytest_subprocess("-p", "no:cacheprovider", *args)


def write(project: pytest.Pytester, tests: str) -> None:
    project.makepyfile(test_habits=f"import pytest\n{textwrap.dedent(tests)}")


CRASH = """
def test_crash(cgosafe):
    cgosafe.run(".", "crash")
"""


class Fifo:
    """Hears, from a program that is told its path, the pids of the program and of its child."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def pids(self) -> list[int]:
        ready, _, _ = select.select([self.descriptor], [], [], PATIENCE)
        assert ready, "the program did not start"
        return [int(word) for word in os.read(self.descriptor, 100).split()]


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Fifo]:
    made = Fifo(tmp_path / "fifo")
    yield made
    os.close(made.descriptor)


def waiting(fifo: Fifo) -> str:
    return f'def test_wait(cgosafe): cgosafe.run(".", "wait", {str(fifo.path)!r}, timeout=600)'


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_a_killed_pytest_leaves_neither_the_program_nor_its_child(
    project: pytest.Pytester, fifo: Fifo, workers: tuple[str, ...]
) -> None:
    write(project, waiting(fifo))
    process = project.popen([sys.executable, "-m", "pytest", *workers], stdin=subprocess.DEVNULL)
    program, child = fifo.pids()
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert gone(program)
    assert gone(child)


def test_a_ctrl_c_ends_the_program_and_its_child_without_a_traceback_of_ours(
    project: pytest.Pytester, fifo: Fifo
) -> None:
    write(project, waiting(fifo))
    terminal = project.spawn_pytest("-p no:cacheprovider", expect_timeout=PATIENCE)
    program, child = fifo.pids()
    terminal.sendintr()
    terminal.expect_exact("KeyboardInterrupt")
    rest = terminal.read().decode()
    terminal.wait()
    assert terminal.exitstatus == pytest.ExitCode.INTERRUPTED
    assert "cgosafe" not in rest
    assert gone(program)
    assert gone(child)


def test_a_debugger_opens_at_the_crash_error_itself(project: pytest.Pytester) -> None:
    write(project, CRASH)
    terminal = project.spawn_pytest("-p no:cacheprovider --pdb", expect_timeout=PATIENCE)
    terminal.expect_exact("(Pdb)")
    assert (terminal.before or b"").decode().count("SIGSEGV in C") == 1
    terminal.sendline("up 99")
    terminal.sendline("import sys; print('sees', sys.last_value.result.crash.signal)")
    terminal.expect_exact("sees SIGSEGV")
    terminal.sendline("q")
    terminal.read()


def test_an_expected_failure_may_name_our_errors_or_be_a_breach(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
        from pytest_cgosafe.errors import CrashError

        @pytest.mark.xfail(raises=CrashError, strict=True)
        def test_crash(cgosafe):
            cgosafe.run(".", "crash")

        @pytest.mark.xfail(strict=True)
        @pytest.mark.cgosafe(max_c_stack="64KiB")
        def test_breach(cgosafe):
            cgosafe.run(".", "use")

        @pytest.mark.skip
        @pytest.mark.cgosafe(max_c_stack="64KiB")
        def test_skipped(cgosafe):
            cgosafe.run(".", "use")

        @pytest.mark.parametrize(
            "way", ["use", pytest.param("use", marks=pytest.mark.cgosafe(max_c_stack="64KiB"))]
        )
        def test_parameter(cgosafe, way):
            cgosafe.run(".", way)
        """,
    )
    result.assert_outcomes(xfailed=2, skipped=1, passed=1, failed=1)
    assert "SIGSEGV" not in result.stdout.str()


def test_unittest_classes_and_fixtures_after_their_yield_are_told_of_as_tests_are(
    project: pytest.Pytester,
) -> None:
    result = run(
        project,
        """
        import unittest

        @pytest.mark.cgosafe(max_c_stack="64KiB")
        class TestCase(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _keep(self, cgosafe):
                self.cgosafe = cgosafe

            def test_breach(self):
                self.cgosafe.run(".", "use")

            def test_crash(self):
                self.cgosafe.run(".", "crash")

        @pytest.fixture
        def late(cgosafe):
            yield
            cgosafe.run(".", "crash")

        def test_late(late):
            pass
        """,
    )
    result.assert_outcomes(passed=1, failed=2, errors=1)
    text = result.stdout.str()
    assert text.count("\nSIGSEGV in C") == 2
    assert 'self.cgosafe.run(".", "crash")\n' in text
    assert "Captured stderr of . crash teardown" in text
    assert "__tracebackhide__" not in text


@pytest.mark.parametrize("style", ["auto", "long", "short", "native", "no"])
def test_every_traceback_style_shows_the_report_once(project: pytest.Pytester, style: str) -> None:
    text = run(project, CRASH, f"--tb={style}", "-rA").stdout.str()
    report, summary = text.split("short test summary info")
    assert report.count("SIGSEGV in C") == (style != "no")
    assert report.count("thread stack | Go calls C") == (style != "no")
    assert summary.count("SIGSEGV in C") == 1


def test_a_traceback_of_one_line_names_the_crash_and_the_tests_line(
    project: pytest.Pytester,
) -> None:
    result = run(project, CRASH, "--tb=line", "--show-capture=no")
    result.stdout.re_match_lines([r".*test_habits\.py:4: .*SIGSEGV in C"])


def test_junit_xml_carries_the_report_and_the_programs_output(project: pytest.Pytester) -> None:
    run(project, CRASH, "--junitxml=junit.xml", "-o", "junit_logging=all")
    case = ElementTree.parse(project.path / "junit.xml").find(".//testcase")
    assert case is not None
    assert "thread stack | Go calls C" in case.findtext("failure", "")
    assert "goroutine" in case.findtext("system-err", "")


@pytest.mark.parametrize("how", [("--cgosafe-backtrace=full",), ("-o", "cgosafe_backtrace=full")])
def test_a_full_backtrace_has_registers_locals_and_the_runtimes_frames(
    project: pytest.Pytester, how: tuple[str, ...]
) -> None:
    text = run(project, CRASH, *how, "--show-capture=no").stdout.str()
    assert "rip" in text
    assert "twice = 2" in text or "twice=2" in text
    assert "runtime.asmcgocall" in text


def test_an_unknown_backtrace_is_a_usage_error(project: pytest.Pytester) -> None:
    result = run(project, CRASH, "--cgosafe-backtrace=bogus")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *'bogus'*folded, full"])


def test_items_that_are_no_python_functions_are_left_alone(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        import pytest

        class Item(pytest.Item):
            def runtest(self): pass

        class File(pytest.File):
            def collect(self): yield Item.from_parent(self, name="item")

        def pytest_collect_file(parent, file_path):
            return File.from_parent(parent, path=file_path) if file_path.suffix == ".yml" else None
        """
    )
    project.makefile(".yml", other="")
    project.makefile(".txt", test_text=">>> 1 + 1\n2\n")
    project.makepyfile(documented="'''>>> 1 + 1\n2\n'''")
    run(project, "", "--doctest-modules").assert_outcomes(passed=3)


def test_workers_by_scope_and_the_first_failure_end_as_they_should(
    project: pytest.Pytester,
) -> None:
    tests = "@pytest.mark.cgosafe\ndef test_use(cgosafe): cgosafe.run('.', 'use')\n" + CRASH
    loaded = run(project, tests, "-n", "2", "--dist", "loadscope", "--strict-markers")
    loaded.assert_outcomes(passed=1, failed=1)
    run(project, CRASH + "def test_after(): pass\n", "-x").assert_outcomes(failed=1)


def test_where_ptrace_is_forbidden_only_what_was_asked_for_fails(
    project: pytest.Pytester, c_program: Callable[..., Path]
) -> None:
    write(
        project,
        """
        @pytest.mark.cgosafe
        def test_default(cgosafe):
            cgosafe.run(".", "use")

        @pytest.mark.cgosafe(max_c_stack="64KiB")
        def test_asked(cgosafe):
            cgosafe.run(".", "use")

        def test_crash(cgosafe):
            cgosafe.run(".", "crash")
        """,
    )
    pytest_here = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
    result = project.run(c_program("watch/noptrace"), *pytest_here)
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.re_match_lines(
        [
            "stack: max_c_stack could not be checked",
            ".*ptrace is forbidden .*seccomp",
            "SIGSEGV .*in C",
            "test_habits.py:.*crash",
        ]
    )
    text = result.stdout.str().partition("Captured")
    assert "main.main" in text[0] + text[2]


def test_an_ordinary_user_without_any_capability_has_stacks_measured_and_crashes_examined(
    project: pytest.Pytester,
) -> None:
    write(
        project,
        """
        @pytest.mark.cgosafe(min_headroom="25%")
        def test_use(cgosafe):
            peaks = [stack.peak or 0 for stack in cgosafe.run(".", "use").stacks]
            assert max(peaks) > 1024 * 1024

        def test_crash(cgosafe):
            cgosafe.run(".", "crash")

        def test_capabilities():
            with open("/proc/self/status") as status:
                assert "CapEff:\\t0000000000000000\\n" in status.read()
        """,
    )
    dropped = ("setpriv", "--bounding-set=-all") if os.geteuid() == 0 else ()
    pytest_here = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
    result = project.run(*dropped, *pytest_here)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["SIGSEGV in C: null dereference*", "*thread stack | Go calls C*"])
