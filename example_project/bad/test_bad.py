"""Ordinary tests of the known-bad programs. Each one fails, and its report says why: `make demo` shows them.

Not collected with the other tests: see testpaths in pytest.ini.
"""

import pytest


def nested(levels):
    return ".".join(["k"] * levels) + "=1\n"


def test_castmap(cgosafe):
    assert cgosafe.run("./bad/castmap").stdout == "16.5\n"


def test_integermap(cgosafe):
    assert cgosafe.run("./bad/integermap").stdout == "16.5\n"


def test_keptpointer(cgosafe):
    run = cgosafe.run("./bad/keptpointer")
    assert run.stdout == "at once: 12.5\nafter a garbage collection: 12.5\n"


@pytest.mark.cgosafe(max_c_stack="64KiB", stack_limit="musl")
def test_deepkeys(cgosafe):
    assert cgosafe.run("./bad/deepkeys", stdin=nested(1_000)).stdout == "depth 1000, value 1\n"


def test_deepkeys_overflow(cgosafe):
    run = cgosafe.run("./bad/deepkeys", stdin=nested(100_000))
    assert run.stdout == "depth 100000, value 1\n"
