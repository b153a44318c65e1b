"""A run over time: what was sampled, and who hears of it while the program still runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_cgosafe.results import Binary, RunResult, Sample
from pytest_cgosafe.run import run_watched

if TYPE_CHECKING:
    from pytest_cgosafe.watch.sampler import LowHeadroom

pytest_plugins = ["pytester"]

MIB = 1 << 20
TIGHT = "7600"  # levels of about 1 KiB
Build = Callable[..., Path]


@dataclass
class Listener:
    """Keeps what it hears, and lets the program end when it heard enough."""

    release: Path
    enough: Callable[[Listener], bool]
    samples: list[Sample] = field(default_factory=list)
    lows: list[LowHeadroom] = field(default_factory=list)
    ends: int = 0

    def sampled(self, sample: Sample) -> None:
        self.samples.append(sample)
        self._see()

    def low(self, low: LowHeadroom) -> None:
        self.lows.append(low)
        self._see()

    def ended(self) -> None:
        self.ends += 1

    def _see(self) -> None:
        if self.enough(self):
            self.release.touch()


def run(program: Path, *args: str, **options: object) -> RunResult:
    binary = Binary(program, program.name, None, program.parent)
    result = run_watched(binary, args, thread_stack_size=8 * MIB, **options)  # type: ignore[arg-type]
    assert result.exit.code == 0, result
    return result


def test_samples_are_in_order_and_the_last_one_is_at_the_end(
    program: Build, tmp_path: Path
) -> None:
    listener = Listener(tmp_path / "release", lambda listener: len(listener.samples) >= 3)
    tightening = program("tightening")
    result = run(tightening, "descend", "1000", str(listener.release), spectator=listener)
    times = [sample.time for sample in result.samples]
    assert times == sorted(times)
    assert len(times) > 3
    assert result.duration
    assert 0 <= times[0] < times[-1] <= result.duration
    assert listener.ends == 1


def test_the_peak_so_far_grows_up_to_the_peak_of_the_deepest_thread(
    program: Build, tmp_path: Path
) -> None:
    listener = Listener(
        tmp_path / "release", lambda listener: (listener.samples[-1].peak or 0) > MIB
    )
    tightening = program("tightening")
    result = run(tightening, "descend", "1200", str(listener.release), spectator=listener)
    peaks = [sample.peak or 0 for sample in result.samples]
    rooms = [sample.headroom or 0.0 for sample in result.samples]
    deepest = max(stack.peak or 0 for stack in result.stacks)
    assert peaks == sorted(peaks)
    assert rooms == sorted(rooms, reverse=True)
    assert deepest - 4096 <= peaks[-1] <= deepest
    assert 1 - rooms[-1] == pytest.approx(peaks[-1] / (8 * MIB))


def test_a_sample_counts_threads_and_resident_memory(program: Build, tmp_path: Path) -> None:
    listener = Listener(
        tmp_path / "release", lambda listener: (listener.samples[-1].peak or 0) > 2 * MIB
    )
    tightening = program("tightening")
    result = run(tightening, "descend", "2500", str(listener.release), spectator=listener)
    assert listener.samples[-1].threads >= 2
    assert max(sample.rss or 0 for sample in result.samples) > 2 * MIB
    assert max(sample.threads for sample in result.samples) <= len(result.stacks)


def test_little_headroom_is_told_while_the_program_runs_once_for_each_thread(
    program: Build, tmp_path: Path
) -> None:
    """The program waits for what only the warning brings about."""
    listener = Listener(
        tmp_path / "release", lambda listener: bool(listener.lows) and len(listener.samples) > 3
    )
    tightening = program("tightening")
    result = run(tightening, "descend", TIGHT, str(listener.release), spectator=listener)
    assert len(listener.lows) == 1
    low = listener.lows[0]
    stack = next(stack for stack in result.stacks if stack.tid == low.tid)
    assert low.limit == stack.limit == 8 * MIB
    assert stack.peak
    assert 0.9 * low.limit < low.peak <= stack.peak
    assert result.duration
    assert low.time < result.duration


def test_enough_headroom_is_not_told_of(program: Build, tmp_path: Path) -> None:
    listener = Listener(tmp_path / "release", lambda listener: len(listener.samples) > 3)
    tightening = program("tightening")
    run(tightening, "descend", "5000", str(listener.release), spectator=listener)
    assert listener.lows == []


def test_the_runtimes_wrong_idea_of_a_stack_is_told_and_the_limit_is_the_true_one(
    program: Build,
) -> None:
    result = run(program("tightening"), "local")
    wrong = [note for note in result.notes if "Go's runtime takes the stack" in note]
    assert len(wrong) == 1
    assert "further than it does" in wrong[0]
    assert {stack.limit for stack in result.stacks} == {8 * MIB}


def test_the_runtimes_usual_idea_of_a_stack_is_not_told(program: Build) -> None:
    assert run(program("goroutines"), "ends", "10").notes == ()


def test_the_command_warns_while_the_program_runs(program: Build, tmp_path: Path) -> None:
    release = tmp_path / "release"
    with subprocess.Popen(
        [*_command(program("tightening"), TIGHT), str(release)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stderr
        assert command.stdout
        warning = command.stderr.readline()
        release.touch()
        text, rest = command.stdout.read(), command.stderr.read()
    assert "headroom left after" in warning
    assert "the program runs on" in warning
    assert rest == ""  # no live line where there is no terminal
    assert "25% wanted" in text
    assert command.returncode == 1


def test_a_long_run_has_a_live_line_on_a_terminal_which_is_gone_at_the_end(
    program: Build, tmp_path: Path
) -> None:
    release = tmp_path / "release"
    terminal, stderr = os.openpty()
    command = subprocess.Popen(
        [*_command(program("tightening"), "100"), str(release)],
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )
    os.close(stderr)
    written = b""
    try:
        while b" RSS" not in written:
            written += os.read(terminal, 4096)
        release.touch()
        while chunk := _read_to_the_end(terminal):
            written += chunk
    finally:
        command.wait()
        os.close(terminal)
    line = written[written.index(b"C stack ") :].decode()
    assert "1 goroutine" in line or "2 goroutines" in line
    assert written.endswith(b"\r\x1b[K")
    assert command.returncode == 0


def _read_to_the_end(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other end was closed
        return b""


def _command(program: Path, levels: str) -> list[str]:
    options = ["--thread-stack-size", "8MiB", str(program), "--", "descend", levels]
    return [sys.executable, "-m", "pytest_cgosafe", "run", *options]


def test_the_json_holds_the_samples_and_the_goroutine_stacks(
    program: Build, tmp_path: Path
) -> None:
    file = tmp_path / "report.json"
    command = ["-m", "pytest_cgosafe", "run", "--watch-growth", "--json", str(file)]
    goroutines = [str(program("goroutines")), "--", "ends", "1000"]
    subprocess.run([sys.executable, *command, *goroutines], check=True, capture_output=True)
    run = json.loads(file.read_text())["runs"][0]
    assert set(run["samples"][-1]) == {
        "time_s",
        "peak",
        "headroom",
        "threads",
        "goroutines",
        "rss",
    }
    assert run["goroutines"]["exact"]
    assert run["goroutines"]["peak_stack"] == 256 * 1024
    assert run["goroutines"]["largest"]["created_by"]["function"] == "main.main"
    assert run["goroutines"]["largest"]["grown_by"][0]["function"] == "main.deep"


def test_the_text_names_the_goroutine_and_the_call_that_grew_its_stack(program: Build) -> None:
    command = [sys.executable, "-m", "pytest_cgosafe", "run", "--watch-growth"]
    goroutines = [str(program("goroutines")), "--", "ends", "1000"]
    text = subprocess.run(
        [*command, *goroutines], check=True, capture_output=True, text=True
    ).stdout
    assert "largest stack 256.0 KiB" in text
    assert "(main.main.func1), created by main.main at main.go:" in text
    assert "grown by main.deep" in text
    assert max(map(len, text.splitlines()[2:])) <= 80


@pytest.mark.parametrize(("limit", "outcome"), [("256KiB", "passed"), ("128KiB", "failed")])
def test_a_markers_limit_sees_a_goroutine_stack_that_was_there_for_a_moment(
    program: Build, pytester: pytest.Pytester, limit: str, outcome: str
) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.cgosafe(max_goroutine_stack="{limit}", forbid=())
        def test_it(cgosafe):
            run = cgosafe.run({str(program("goroutines"))!r}, "ends", "1000")
            assert run.goroutines.exact
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(**{outcome: 1})
    if outcome == "failed":
        result.stdout.fnmatch_lines(
            [
                "stack: a goroutine stack grew to 256.0 KiB, at most 128.0 KiB wanted",
                "  goroutine * (main.main.func1), created by main.main at main.go:*",
                "  grown by main.deep*",
            ]
        )


def test_little_headroom_is_a_warning_in_pytest_and_an_error_where_warnings_are(
    program: Build, pytester: pytest.Pytester
) -> None:
    """As an error it ends the program, which would wait for ever otherwise."""
    pytester.makepyfile(
        f"""
        import pytest
        from pytest_cgosafe.errors import LowHeadroomWarning

        def test_it(cgosafe, tmp_path):
            with pytest.raises(LowHeadroomWarning, match="headroom left after"):
                cgosafe.run({str(program("tightening"))!r}, "descend", {TIGHT!r},
                            tmp_path / "never", thread_stack_size="8MiB")

        @pytest.mark.filterwarnings("always")
        def test_warned(cgosafe, tmp_path):
            release = tmp_path / "release"
            import warnings
            shown = warnings.warn
            def warn(*args, **options):
                release.touch()
                shown(*args, **options)
            warnings.warn = warn
            try:
                cgosafe.run({str(program("tightening"))!r}, "descend", {TIGHT!r}, release,
                            thread_stack_size="8MiB")
            finally:
                warnings.warn = shown
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error")
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*LowHeadroomWarning: thread * headroom left after *"])
