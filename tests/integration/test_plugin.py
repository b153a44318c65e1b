"""The plugin as a user meets it: whole pytest runs in a subprocess, with and without pytest-xdist."""

import textwrap
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

GO_MOD = "module example.com/deep\n\ngo 1.21\n"
DEEP = """package main

// #include <stdlib.h>
// #include <string.h>
// static int use(int kib) {
//     char room[1024];
//     memset(room, kib, sizeof room);
//     return kib > 1 ? use(kib - 1) + room[kib % 1024] : room[0];
// }
// static void crash(int *p) { *p = 1; }
import "C"
import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	switch os.Args[1] {
	case "use":
		kib, _ := strconv.Atoi(os.Args[2])
		C.use(C.int(kib))
		fmt.Println("ok")
	case "crash":
		fmt.Println("about to crash")
		C.crash(nil)
	case "recover":
		func() {
			defer func() { fmt.Println("recovered", recover() != nil) }()
			var p *int
			*p = 1
		}()
	case "exit":
		os.Exit(3)
	case "hang":
		time.Sleep(time.Hour)
	}
}
"""


@pytest.fixture
def project(go_pytester: pytest.Pytester) -> pytest.Pytester:
    """A Go module with one program, ``./cmd/deep``, which uses as much C stack as it is told to."""
    go_pytester.makefile(".mod", go=GO_MOD)
    directory = go_pytester.mkdir("cmd") / "deep"
    directory.mkdir()
    (directory / "main.go").write_text(DEEP)
    return go_pytester


def write_tests(project: pytest.Pytester, text: str) -> None:
    project.makepyfile(test_deep=f"import pytest\n{textwrap.dedent(text)}")


def run(project: pytest.Pytester, *args: str) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "no:cacheprovider", *args)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_test_within_its_limits_passes_and_one_beyond_fails_in_its_call(
    project: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    write_tests(
        project,
        """
        @pytest.mark.cgosafe(min_headroom="50%", max_c_stack="512KiB")
        def test_small(cgosafe):
            run = cgosafe.run("./cmd/deep", "use", "16")
            assert run.stdout == "ok\\n"

        @pytest.mark.cgosafe(min_headroom="99.9%")
        def test_large(cgosafe):
            cgosafe.run("./cmd/deep", "use", "1024")
        """,
    )
    result = run(project, *workers)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.re_match_lines(
        [
            r"stack: thread \d+ \(.*\) kept 8\d(\.\d)?% headroom, 99\.9% wanted",
            r"  peak 1,\d\d\d,\d\d\d of 8,388,608 bytes",
            r"  see every thread: cgosafe run --profile=debug .*/cmd/deep -- use 1024",
        ],
        consecutive=False,
    )
    assert "plugin.py" not in result.stdout.str()


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_crash_fails_the_test_with_its_report_and_the_programs_output(
    project: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    write_tests(
        project,
        """
        def test_crash(cgosafe):
            cgosafe.run("./cmd/deep", "crash")
        """,
    )
    result = run(project, *workers)
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert text.index("SIGSEGV in C") < text.index("  crash ") < text.index("  main.main ")
    assert "about to crash" in text
    assert '\ntest_deep.py:4: cgosafe.run("./cmd/deep", "crash")' in text
    assert "session.py" not in text
    result.stdout.re_match_lines([r"FAILED .*test_crash - .*SIGSEGV.*"])


def test_a_recovered_nil_dereference_is_no_crash(project: pytest.Pytester) -> None:
    write_tests(
        project,
        """
        @pytest.mark.cgosafe
        def test_recover(cgosafe):
            run = cgosafe.run("./cmd/deep", "recover")
            assert (run.crash, run.stdout, run.exit.code) == (None, "recovered true\\n", 0)
        """,
    )
    run(project).assert_outcomes(passed=1)


def test_an_exit_status_is_the_tests_to_judge_and_a_timeout_raises(
    project: pytest.Pytester,
) -> None:
    write_tests(
        project,
        """
        from pytest_cgosafe.errors import RunTimeoutError

        def test_exit(cgosafe):
            assert cgosafe.run("./cmd/deep", "exit").exit.code == 3

        def test_hang(cgosafe):
            with pytest.raises(RunTimeoutError, match="1 in sleep") as caught:
                cgosafe.run("./cmd/deep", "hang", timeout=1)
            assert caught.value.result.exit.timed_out

        def test_hang_unchecked(cgosafe):
            assert cgosafe.run("./cmd/deep", "hang", timeout=1, check=False).hang.threads
        """,
    )
    run(project).assert_outcomes(passed=3)


def test_without_the_marker_nothing_is_held_against_limits(project: pytest.Pytester) -> None:
    write_tests(
        project,
        """
        def test_large(cgosafe):
            cgosafe.run("./cmd/deep", "use", "1024")
        """,
    )
    run(project, "--cgosafe-min-headroom=99.9%").assert_outcomes(passed=1)


LIMITED = """
    @pytest.mark.cgosafe
    def test_default(cgosafe):
        cgosafe.run("./cmd/deep", "use", "1024")

    @pytest.mark.cgosafe(max_c_stack="2MiB")
    def test_marked(cgosafe):
        cgosafe.run("./cmd/deep", "use", "1024")
"""


def test_the_command_line_wins_over_ini_and_the_marker_over_both(project: pytest.Pytester) -> None:
    write_tests(project, LIMITED)
    project.makeini("[pytest]\ncgosafe_max_c_stack = 64KiB\n")
    result = run(project)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["cgosafe: max_c_stack=64.0 KiB", "*at most 64.0 KiB wanted*"])
    run(project, "--cgosafe-max-c-stack=2MiB").assert_outcomes(passed=2)


def test_a_class_marker_holds_unless_the_functions_own_says_otherwise(
    project: pytest.Pytester,
) -> None:
    write_tests(
        project,
        """
        @pytest.mark.cgosafe(max_c_stack="64KiB", min_headroom="10%")
        class TestDeep:
            def test_held(self, cgosafe):
                cgosafe.run("./cmd/deep", "use", "1024")

            @pytest.mark.cgosafe(max_c_stack=None)
            def test_free(self, cgosafe):
                cgosafe.run("./cmd/deep", "use", "1024")
        """,
    )
    result = run(project)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["FAILED *test_held*"])


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ('max_c_stack="garbage"', "*max_c_stack: 'garbage' is not a size*'64KiB'*"),
        (
            'max_stack="1MiB"',
            "*unknown argument 'max_stack'; valid are: min_headroom, max_c_stack, *",
        ),
        ('"50%"', "*takes keyword arguments only; valid are: min_headroom, *"),
        ('forbid="maps"', "*'maps' is not a kind of crossing; valid are: map, chan, *"),
    ],
)
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_bad_marker_is_a_usage_error_before_any_test_runs(
    project: pytest.Pytester, mark: str, message: str, workers: tuple[str, ...]
) -> None:
    write_tests(
        project,
        f"""
        def test_first():
            print("a test has run")

        @pytest.mark.cgosafe({mark})
        def test_marked(cgosafe):
            pass
        """,
    )
    result = run(project, "-s", *workers)
    output = result.stdout.str() + result.stderr.str()
    assert result.ret != 0
    assert "a test has run" not in output
    assert "Traceback" not in output
    assert "INTERNALERROR" not in output
    pytest.LineMatcher(output.splitlines()).fnmatch_lines([message])


def test_a_usage_error_has_pytests_status_for_usage_errors(project: pytest.Pytester) -> None:
    write_tests(
        project, '@pytest.mark.cgosafe(max_c_stack="garbage")\ndef test_marked(cgosafe): pass'
    )
    assert run(project).ret == pytest.ExitCode.USAGE_ERROR
    write_tests(project, "def test_plain(): pass")
    result = run(project, "--cgosafe-min-headroom=plenty")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--cgosafe-min-headroom: min_headroom: 'plenty' is not a share*"])
    project.makeini("[pytest]\ncgosafe_profile = fast\n")
    result = run(project)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*ini option cgosafe_profile: *'fast' is not a profile; valid are: debug, release*"]
    )


def test_a_compile_error_fails_with_the_compilers_words_and_no_traceback(
    project: pytest.Pytester,
) -> None:
    (project.path / "cmd" / "deep" / "more.go").write_text(
        "package main\n\nfunc more() { nothing() }\n"
    )
    write_tests(
        project,
        """
        @pytest.fixture
        def binary(cgosafe):
            return cgosafe.build("./cmd/deep")

        def test_call(cgosafe):
            cgosafe.build("./cmd/deep")

        def test_setup(binary):
            pass
        """,
    )
    result = run(project)
    result.assert_outcomes(failed=1, errors=1)
    text = result.stdout.str()
    assert text.count("more.go:3:15: undefined: nothing") >= 2
    assert "try: cd " in text
    assert "build.py" not in text


def test_the_session_builder_serves_session_fixtures(project: pytest.Pytester) -> None:
    write_tests(
        project,
        """
        @pytest.fixture(scope="session")
        def deep(cgosafe_build):
            return cgosafe_build("./cmd/deep", profile="release")

        @pytest.mark.cgosafe(max_c_stack="1MiB")
        def test_run(cgosafe, deep):
            assert cgosafe.run(deep, "use", "1").stdout == "ok\\n"
            assert deep.profile == "release"
        """,
    )
    run(project).assert_outcomes(passed=1)


def test_a_relative_directory_starts_at_the_module_around_the_test(
    project: pytest.Pytester,
) -> None:
    tests = project.mkdir("tests") / "unit"
    tests.mkdir()
    (tests / "test_it.py").write_text(
        'def test_it(cgosafe):\n    assert cgosafe.run("./cmd/deep", "use", "1").exit.code == 0\n'
    )
    project.makeini("[pytest]\n")
    run(project, str(tests)).assert_outcomes(passed=1)


def test_the_header_shows_the_toolchain(project: pytest.Pytester) -> None:
    write_tests(project, "def test_nothing(): pass")
    run(project).stdout.re_match_lines(
        [r"cgosafe: go 1\.\d+[.\w]*, gdb \d+\.\d+[-\w.]*, (gcc|clang) \d+.*"]
    )


def test_the_header_says_what_is_missing(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tests(project, "def test_nothing(): pass")
    monkeypatch.setenv("PATH", "/nowhere")
    result = run(project)
    result.stdout.fnmatch_lines(["cgosafe: *no usable *gdb or C compiler: run `cgosafe doctor`"])
    result.assert_outcomes(passed=1)


def test_the_plugin_can_be_disabled(project: pytest.Pytester) -> None:
    write_tests(project, "def test_nothing(): pass")
    result = run(project, "-p", "no:cgosafe")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("cgosafe:*")
    write_tests(project, "def test_it(cgosafe): pass")
    run(project, "-p", "no:cgosafe").assert_outcomes(errors=1)


def test_the_marker_is_registered_and_its_options_are_in_the_help(project: pytest.Pytester) -> None:
    run(project, "--markers").stdout.fnmatch_lines(
        ["@pytest.mark.cgosafe(*, min_headroom, max_c_stack, *"]
    )
    text = run(project, "--help").stdout.str()
    assert "--cgosafe-min-headroom=SHARE" in text
    assert "cgosafe_min_headroom" in text
    assert "'25%' or 0.25" in text
    assert "%%" not in text


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_package_is_built_once_in_a_session(
    project: pytest.Pytester, workers: tuple[str, ...], tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    wrapper = tmp_path / "cc"
    wrapper.write_text(
        f'#!/bin/sh\ncase "$*" in *main.cgo2.c*) echo >> {calls};; esac\nexec gcc "$@"\n'
    )
    wrapper.chmod(0o755)
    write_tests(
        project,
        """
        @pytest.mark.parametrize("n", range(4))
        def test_run(cgosafe, n):
            cgosafe.run("./cmd/deep", "use", "1")
        """,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CC", str(wrapper))
        run(project, *workers).assert_outcomes(passed=4)
    assert len(calls.read_text().splitlines()) == 1


def test_go_tests_run_under_watch_and_their_failure_fails(project: pytest.Pytester) -> None:
    (project.path / "lib").mkdir()
    (project.path / "lib" / "lib_test.go").write_text(
        'package lib\n\nimport "testing"\n\nfunc TestGood(t *testing.T) {}\n\n'
        'func TestBad(t *testing.T) { t.Fatal("too bad") }\n'
    )
    write_tests(
        project,
        """
        def test_good(cgosafe):
            run = cgosafe.go_test("./lib", run="TestGood")
            assert run.stdout == "PASS\\n"
            assert run.stacks

        def test_bad(cgosafe):
            cgosafe.go_test("./lib")
        """,
    )
    result = run(project)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*Go tests of ./lib failed*", "*too bad*", "*try: cgosafe test * -- -test.v*"]
    )


def test_an_expected_crash_is_given_and_not_held_against_the_test(project: pytest.Pytester) -> None:
    write_tests(
        project,
        """
        from pytest_cgosafe.errors import ExpectationError

        @pytest.mark.cgosafe(min_headroom="99.99%")
        def test_crash(cgosafe):
            crash = cgosafe.expect_crash("./cmd/deep", "crash", signal="SIGSEGV", function="crash")
            assert crash.address == 0

        def test_no_crash(cgosafe):
            with pytest.raises(ExpectationError, match="the program exited with status 0"):
                cgosafe.expect_crash("./cmd/deep", "use", "1")

        def test_other_crash(cgosafe):
            with pytest.raises(ExpectationError, match="expected a crash with signal 'SIGABRT'"):
                cgosafe.expect_crash("./cmd/deep", "crash", signal="SIGABRT")
        """,
    )
    run(project).assert_outcomes(passed=3)


def test_a_mistyped_choice_names_the_valid_ones_without_a_traceback_of_ours(
    project: pytest.Pytester,
) -> None:
    write_tests(
        project,
        """
        def test_profile(cgosafe):
            cgosafe.run("./cmd/deep", "use", "1", profile="fast")

        def test_mode(cgosafe):
            cgosafe.build("./cmd/deep", build_mode="static")
        """,
    )
    result = run(project)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["'fast' is none of: debug, release", "'static' is none of: exe, pie, *"]
    )
    assert "session.py" not in result.stdout.str()
