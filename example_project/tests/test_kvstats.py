"""The three safe ways to give C a map: the same answers, little C stack, nothing of Go left in C's hands."""

import pytest

WAYS = ("columns", "counters", "callback")

METRICS = "cpu.user=12\ncpu.system=4\ncpu.idle=80\ncpu.wait=4\nmem.free=1024\n"
CPU_SUMMARY = """\
count 4
sum 100
mean 25
variance 1358.6666666666667
min 4
p50 8
p90 59.60000000000001
max 80
"""


@pytest.mark.cgosafe(forbid="all", stack_limit="musl")
@pytest.mark.parametrize("way", WAYS)
def test_describes_keys_with_a_prefix(cgosafe, way):
    run = cgosafe.run("./cmd/kvstats", "-via", way, "-prefix", "cpu.", stdin=METRICS)
    assert run.stdout == CPU_SUMMARY


@pytest.mark.cgosafe(max_c_stack="64KiB")
@pytest.mark.parametrize("way", WAYS)
def test_more_data_takes_no_more_c_stack(cgosafe, way):
    metrics = "\n".join(f"disk{number}.reads={number}" for number in range(5_000))
    run = cgosafe.run("./cmd/kvstats", "-via", way, stdin=metrics)
    assert run.stdout.startswith("count 5000\nsum 1.24975e+07\n")


@pytest.mark.cgosafe(profile="release", max_c_stack="64KiB")
def test_what_ships_gives_the_same_answer(cgosafe):
    run = cgosafe.run("./cmd/kvstats", "-prefix", "cpu.", stdin=METRICS)
    assert run.stdout == CPU_SUMMARY


@pytest.mark.cgosafe(forbid="all", stack_limit="musl")
def test_go_tests_pass_under_watch(cgosafe):
    cgosafe.go_test(".")


@pytest.mark.cgosafe
def test_bad_input_is_an_error_not_a_crash(cgosafe):
    run = cgosafe.run("./cmd/kvstats", "cpu.user")
    assert run.exit.code == 1
    assert run.stderr == 'kvstats: "cpu.user" is not key=number\n'
