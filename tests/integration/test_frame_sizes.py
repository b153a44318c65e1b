"""Frames read from machine code, held against what gcc says of them and against what calls really use."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_cgosafe.binary.callgraph import Cause
from pytest_cgosafe.binary.linking import Program
from pytest_cgosafe.binary.stackreport import bound_stacks

Build = Callable[..., Path]

FLAGS = {
    "unoptimized": ("-O0",),
    "O1": ("-O1",),
    "O2": ("-O2", "-fomit-frame-pointer"),
    "PIE": ("-O2", "-fPIE", "-pie", "-fno-plt"),
    "small": ("-Os", "-no-pie"),
    "hardened": (
        "-O2",
        "-fstack-protector-all",
        "-fcf-protection",
        "-fstack-clash-protection",
    ),
    "frame pointers": ("-O2", "-fno-omit-frame-pointer"),
    "without call frame information": ("-O2", "-fno-asynchronous-unwind-tables", "-g0"),
    "static": ("-O2", "-static"),
}
RED_ZONE = 128
NOT_COMPARED = {"main", "used_by"}  # the latter writes far below its own frame
LOOKED_INTO_ELSEWHERE = {"coldpart", "shrunk"}  # they call printf
UNBOUNDED = {
    "alloca_": Cause.DYNAMIC_FRAME,
    "vla": Cause.DYNAMIC_FRAME,
    "selfrec": Cause.RECURSION,
    "muta": Cause.RECURSION,
    "nested": Cause.RECURSION,
    "ind": Cause.INDIRECT_CALL,
    "indtail": Cause.INDIRECT_CALL,
    "table": Cause.INDIRECT_CALL,
}


@pytest.fixture(params=FLAGS.values(), ids=list(FLAGS))
def frames(request: pytest.FixtureRequest, c_program: Build) -> Path:
    return c_program("frames", "-w", "-fstack-usage", *request.param)


def usage_told_by_gcc(program: Path) -> dict[str, tuple[int, str]]:
    (file,) = program.parent.glob("*.su")
    lines = (line.split("\t") for line in file.read_text().splitlines())
    return {place.split(":")[3]: (int(size), kind) for place, size, kind in lines}


def usage_measured(program: Path) -> dict[str, int]:
    done = subprocess.run(
        [program], env={"LD_BIND_NOW": "1"}, capture_output=True, text=True, check=True, timeout=60
    )
    pairs = (line.split() for line in done.stderr.splitlines())
    return {name: int(used) for name, used in pairs}


def test_every_frame_is_as_large_as_gcc_says(frames: Path) -> None:
    program = Program(frames)
    module = program.main
    for name, (size, kind) in usage_told_by_gcc(frames).items():
        function = module.image.function(name)
        if function is None or name in NOT_COMPARED:
            continue
        frame = module.frame(function.address)
        assert frame.incomplete is None, name
        assert frame.switches is None, name
        assert (frame.dynamic is not None) == (kind == "dynamic"), name
        if kind == "dynamic":
            continue
        # gcc leaves out what a leaf uses below the stack pointer, and half of what an alignment may take
        slack = RED_ZONE if not frame.calls or name in {"big", "huge_"} else 0
        slack = 64 if name == "aligned" else slack
        assert size <= frame.size <= size + slack, name


def test_a_call_uses_what_its_bound_says(frames: Path) -> None:
    measured = usage_measured(frames)
    assert len(measured) == 20
    report = bound_stacks(frames, [name for name in measured if name not in LOOKED_INTO_ELSEWHERE])
    for bound in report.bounds:
        if bound.entry in UNBOUNDED:
            causes = {reason.cause for reason in bound.unbounded}
            assert bound.bound is None, bound.entry
            assert UNBOUNDED[bound.entry] in causes, bound.entry
        else:
            assert bound.bound is not None, (bound.entry, bound.unbounded)
            # never more than the bound; less by what stands in a frame and is not written, or is padding
            unwritten = 64 if b"__stack_chk_fail" in frames.read_bytes() else 0
            unwritten = 64 if bound.entry == "aligned" else unwritten
            assert 0 <= bound.bound - measured[bound.entry] <= unwritten, bound.entry


def test_the_sizes_of_a_chain_add_up_to_the_bound(c_program: Build) -> None:
    program = c_program("frames", "-w", "-fstack-usage", *FLAGS["O2"])
    bound = bound_stacks(program, ["tail"])["tail"]
    assert [call.function for call in bound.chain][-3:] == ["big", "sw", "tail"]
    assert sum(call.size or 0 for call in bound.chain) == bound.bound


def test_a_recursion_is_named_with_what_a_round_takes(c_program: Build) -> None:
    program = c_program("frames", "-w", "-fstack-usage", *FLAGS["O2"])
    report = bound_stacks(program, ["selfrec", "muta"])
    sizes = usage_told_by_gcc(program)
    (itself,) = report["selfrec"].unbounded
    assert itself.detail == f"recursion: selfrec -> selfrec, {sizes['selfrec'][0]} B a round"
    (mutual,) = report["muta"].unbounded
    round_size = sizes["muta"][0] + sizes["mutb"][0]
    assert mutual.detail == f"recursion: mutb -> muta -> mutb, {round_size} B a round"


def test_a_part_of_a_function_that_lies_elsewhere_belongs_to_it(c_program: Build) -> None:
    program = c_program("frames", "-w", "-fstack-usage", *FLAGS["O2"])
    image = Program(program).main.image
    assert image.function("shrunk.cold") or image.function("coldpart.cold")
    bound = bound_stacks(program, ["coldpart"], assume={"printf": 1000})["coldpart"]
    own = usage_told_by_gcc(program)["coldpart"][0]
    assert bound.bound == own + 1000
    assert "printf was taken to need 1,000 B, as given" in bound.notes


def test_what_a_library_does_is_looked_into(c_program: Build) -> None:
    program = c_program("frames", "-w", "-fstack-usage", *FLAGS["O2"])
    bound = bound_stacks(program, ["shrunk"])["shrunk"]
    assert bound.bound is None
    assert bound.known > 1000  # vfprintf's frame alone
    assert [reason.function for reason in bound.unbounded] == ["printf"]
    assert "printf of libc.so.6 has no bound" in bound.unbounded[0].detail


def test_the_place_of_an_unbounded_frame_is_told(c_program: Build) -> None:
    program = c_program("frames", "-w", "-fstack-usage", *FLAGS["O2"])
    (reason,) = bound_stacks(program, ["alloca_"])["alloca_"].unbounded
    assert reason.file is not None
    lines = Path(reason.file).read_text().splitlines()
    assert "__builtin_alloca" in lines[(reason.line or 0) - 1]
