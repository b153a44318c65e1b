"""The trace of crossings at run time: what must not reach C is seen when it does, and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_cgosafe.checks import check
from pytest_cgosafe.cli import main
from pytest_cgosafe.crossings.trace.signatures import Role, read_stubs
from pytest_cgosafe.options import Limits
from pytest_cgosafe.report.terminal import render_run
from pytest_cgosafe.results import Binary, CrossingKind, Exit, Origin, RunResult, TracedFunction
from pytest_cgosafe.run import run_watched
from tests.conftest import PROGRAMS, build_once

pytest_plugins = ["pytester"]

Build = Callable[..., Path]

_SOURCE = PROGRAMS / "laundered" / "main.go"
_LINES = _SOURCE.read_text().splitlines()
_DEBUG = ("-gcflags=all=-N -l",)
_TWO = "2-pointer-to-map"
"""The way that cgocheck stops before C is entered."""


def ways(table: str) -> list[str]:
    """The names in one of the program's two tables."""
    text = _SOURCE.read_text().partition(f"var {table} = ")[2].partition("\n}\n")[0]
    return [match[1] for match in re.finditer(r'^\t"([\w-]+)":', text, re.MULTILINE)]


def wanted() -> set[tuple[int, str, str]]:
    """What the program's comments say: line, kind, C function."""
    found = (
        (number, re.search(r"C\.(\w+)\(.*// trace: (\w+)", line))
        for number, line in enumerate(_LINES, 1)
    )
    return {(number, match[2], _c_function(match[0])) for number, match in found if match}


def _c_function(line: str) -> str:
    return next(match[1] for match in re.finditer(r"C\.(as_\w+)\(", line))


def run(program: Path, *args: str, **options: object) -> RunResult:
    """Run a built program, traced."""
    binary = Binary(program, program.name, None, program.parent)
    return run_watched(binary, args, trace_crossings=True, **options)  # type: ignore[arg-type]


def seen(result: RunResult) -> set[tuple[int | None, str, str | None]]:
    """What the trace found: line, kind, C function."""
    assert {crossing.file for crossing in result.crossings} <= {str(_SOURCE)}
    return {(found.line, str(found.kind), found.c_function) for found in result.crossings}


@pytest.mark.parametrize(
    ("go", "flags"),
    [
        ("go1.21.13", _DEBUG),
        ("go1.24.11", ()),
        ("go1.26.8", _DEBUG),
        ("go1.26.8", ("-buildmode=pie",)),
        ("go1.27.3", ()),
    ],
)
def test_what_must_not_reach_c_is_found_at_its_line_and_what_may_is_not(
    program: Build, go: str, flags: tuple[str, ...]
) -> None:
    laundered = program("laundered", *flags, GOTOOLCHAIN=go)
    result = run(laundered, *ways("unsafeWays"), env={"GODEBUG": "cgocheck=0"})
    assert (result.stdout, result.exit) == ("ok\n", Exit(0, None))
    assert seen(result) == wanted()
    assert {crossing.origin for crossing in result.crossings} == {Origin.TRACE}
    safe = run(laundered, *ways("safeWays"))
    assert (safe.stdout, safe.exit) == ("ok\n", Exit(0, None))
    assert safe.crossings == ()
    assert safe.trace
    assert (safe.trace.missing, safe.trace.notes) == ((), ())


def test_a_pointer_to_a_map_is_found_by_the_check_that_comes_first(program: Build) -> None:
    result = run(program("laundered", GOTOOLCHAIN="go1.26.8"), _TWO)
    assert result.exit.code == 2
    assert [(found.kind, found.origin) for found in result.crossings] == [
        (CrossingKind.MAP, Origin.CGOCHECK)
    ]


@pytest.mark.parametrize("way", ["hot", "crowd"])
def test_a_function_that_is_called_often_is_let_go_and_the_result_says_so(
    program: Build, way: str
) -> None:
    result = run(program("laundered", GOTOOLCHAIN="go1.26.8"), way)
    assert (result.stdout, result.exit) == ("ok\n", Exit(0, None))
    assert result.trace
    assert result.trace.functions == (TracedFunction("hot", 32, True),)
    text = "\n".join(render_run(result, colour=False, full=False, more="--full"))
    assert "trace: 32 calls of C functions were looked at; not the later ones of hot" in text


def test_a_call_site_is_told_of_once(program: Build) -> None:
    result = run(program("laundered", GOTOOLCHAIN="go1.26.8"), *["6-helper"] * 5)
    (crossing,) = result.crossings
    assert result.trace
    assert result.trace.functions == (TracedFunction("as_size", 5, False),)
    assert crossing.message == "when C was called, argument 1 (size_t) is a Go map"
    (step,) = crossing.flow
    assert (step.file, step.line) == (crossing.file, crossing.line)
    assert re.fullmatch(r"C gets it here, in main\.(glob\.\.func\d+|init\.func\d+)", step.note)
    assert crossing.fix.startswith("copy keys and values into C memory")


def test_a_go_library_is_traced_in_the_program_that_loads_it(program: Build) -> None:
    library = program("laundered", "-buildmode=c-shared", GOTOOLCHAIN="go1.26.8")
    script = f"import ctypes; ctypes.CDLL({str(library)!r}).Launder()"
    result = run(Path(sys.executable).resolve(), "-c", script)
    assert result.exit == Exit(0, None)
    assert seen(result) == {
        found for found in wanted() if found[0] > _LINES.index("//export Launder")
    }


@pytest.mark.parametrize(
    ("flags", "env", "why"),
    [
        (("-ldflags=-s -w",), {}, "could not be traced: it has no symbols or no DWARF"),
        (("-ldflags=-w",), {}, "could not be traced: it has no symbols or no DWARF"),
        ((), {"CGO_CFLAGS": "-g0"}, "the DWARF does not tell their arguments"),
    ],
)
def test_what_cannot_be_traced_is_told(
    program: Build, flags: tuple[str, ...], env: dict[str, str], why: str
) -> None:
    result = run(program("laundered", *flags, **env, GOTOOLCHAIN="go1.26.8"), "6-helper")
    assert (result.stdout, result.crossings) == ("ok\n", ())
    assert result.trace
    (missing,) = result.trace.missing
    assert why in missing


def test_a_go_program_that_calls_no_c_misses_nothing(built: Path) -> None:
    command = ("go", "build", "-ldflags=-s -w", "-o")
    pure = build_once(built, command, {"CGO_ENABLED": "0"}, PROGRAMS / "claims" / "mapliteral")
    result = run(pure)
    assert result.trace
    assert (result.trace.functions, result.trace.missing) == ((), ())


@pytest.mark.parametrize("flags", ["", "-s -w"])
def test_what_gos_own_library_gives_to_c_is_its_own_affair(program: Build, flags: str) -> None:
    resolves = program("resolves", f"-ldflags={flags}", GOTOOLCHAIN="go1.26.8")
    result = run(resolves, env={"GODEBUG": "netdns=cgo"})
    assert result.stdout == "[127.0.0.1] <nil>\n"
    assert result.trace
    assert (result.trace.functions, result.trace.missing) == ((), ())


_FORBIDDEN = """
import json, sys
from pathlib import Path
from tests.integration.test_trace import run
result = run(Path(sys.argv[1]), "6-helper")
print(json.dumps([result.stdout, result.trace.missing]))
"""


def test_where_ptrace_is_forbidden_nothing_is_traced_and_that_is_told(
    program: Build, c_program: Build
) -> None:
    laundered = program("laundered", GOTOOLCHAIN="go1.26.8")
    command = (c_program("watch/noptrace"), sys.executable, "-c", _FORBIDDEN, laundered)
    done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=120)
    assert json.loads(done.stdout) == [
        "ok\n",
        ["nothing was traced: nobody could watch the program"],
    ]


def test_the_words_of_every_argument_are_known_by_type(program: Build) -> None:
    stubs = {
        stub.function: stub for stub in read_stubs(program("laundered", GOTOOLCHAIN="go1.26.8"))
    }
    (box,) = stubs["as_box"].words or ()
    assert [(word.offset, word.role) for word in box.pointee] == [
        (8, Role.INTEGER),
        (16, Role.POINTER),
    ]
    assert [word.name for word in stubs["as_long"].words or ()] == [
        "argument 1 (long int)",
        "argument 2 (long int)",
    ]
    assert (stubs["floats"].words, stubs["nothing"].words) == ((), ())
    assert [(word.offset, word.name) for word in stubs["small"].words or ()] == [
        (8, "argument 3 (long int)")
    ]


def test_the_marker_the_options_and_the_fixture_ask_for_the_trace(
    program: Build, go_pytester: pytest.Pytester
) -> None:
    laundered = program("laundered", GOTOOLCHAIN="go1.26.8")
    go_pytester.makepyfile(
        f"""
        import pytest

        LAUNDERED = {str(laundered)!r}

        def test_not_asked(cgosafe):
            assert cgosafe.run(LAUNDERED, "6-helper").trace is None

        def test_asked_by_argument(cgosafe):
            run = cgosafe.run(LAUNDERED, "6-helper", trace_crossings=True)
            assert [crossing.origin for crossing in run.crossings] == ["trace"]

        @pytest.mark.cgosafe(trace_crossings=True, forbid="chan")
        def test_asked_by_the_marker(cgosafe):
            run = cgosafe.run(LAUNDERED, "handle", "6-helper", "chan")
            assert [function.name for function in run.trace.functions] == ["as_long", "as_size"]
        """
    )
    result = go_pytester.runpytest_subprocess()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*crossing: a Go chan reaches C function `as_long`*chan, trace]"])
    result.stdout.no_fnmatch_line("*a Go map reaches*")
    for asking in (["--cgosafe-trace-crossings"], ["-o", "cgosafe_trace_crossings=true"]):
        again = go_pytester.runpytest_subprocess(*asking, "-k", "not_asked")
        again.assert_outcomes(failed=1, deselected=2)


def test_a_trace_that_was_asked_for_and_cannot_be_had_is_a_breach(program: Build) -> None:
    stripped = program("laundered", "-ldflags=-s -w", GOTOOLCHAIN="go1.26.8")
    result = run(stripped, "handle")
    (breach,) = check(Limits().but({"trace_crossings": True}), [result], [])
    assert breach.summary == "crossings: trace_crossings could not be done"
    assert "no symbols or no DWARF" in breach.details[0]
    assert check(Limits(), [result], []) == ()


def test_the_command_traces_and_tells_it_in_json(
    program: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    laundered = program("laundered", GOTOOLCHAIN="go1.26.8")
    assert main(["run", "--trace-crossings", "--json", "-", str(laundered), "--", "chan"]) == 1
    (told,) = json.loads(capsys.readouterr().out)["runs"]
    assert told["trace"]["functions"] == [{"name": "as_long", "calls": 1, "let_go": False}]
    assert [(found["kind"], found["origin"]) for found in told["crossings"]] == [("chan", "trace")]
