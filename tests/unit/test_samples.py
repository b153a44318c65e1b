"""Keeping few samples of a long run."""

from __future__ import annotations

from pytest_cgosafe.report.live import render_sample
from pytest_cgosafe.results import Sample
from pytest_cgosafe.watch.samples import Samples


def sample(number: int, *, goroutines: int = 1, rss: int = 1) -> Sample:
    return Sample(number / 100, number, 0.5, 1, goroutines, rss)


def test_a_long_run_keeps_some_hundred_samples_evenly_spread() -> None:
    samples = Samples()
    period = samples.period
    for number in range(100_000):
        samples.add(sample(number))
    times = [one.time for one in samples.kept]
    assert 200 < len(times) < 512
    assert times == sorted(times)
    assert times[0] == 0
    assert samples.period > period


def test_the_samples_with_the_most_memory_and_the_most_goroutines_are_kept() -> None:
    samples = Samples()
    for number in range(10_000):
        samples.add(
            sample(number, goroutines=1000 * (number == 4001), rss=5000 * (number == 77) + 1)
        )
    assert 1000 in {one.goroutines for one in samples.kept}
    assert 5001 in {one.rss for one in samples.kept}


def test_the_live_line_fits_a_terminal() -> None:
    line = render_sample(Sample(12.4, 168 * 1024, 0.97, 14, 1203, 45 << 20))
    assert line == (
        "12 s, C stack 168.0 KiB (97% free), 14 threads, 1,203 goroutines, 45.0 MiB RSS"
    )
    assert len(line) <= 80


def test_the_live_line_leaves_out_what_is_not_known() -> None:
    line = render_sample(Sample(1.0, None, None, 1, None, None))
    assert line == "1 s, C stack ?, 1 thread"
