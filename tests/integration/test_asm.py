"""``cgosafe.asm()``: what the compiler really made, held against what is known of it."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_cgosafe.binary.asm import AsmReport, read_assembly
from pytest_cgosafe.binary.golisting import parse_listing
from pytest_cgosafe.binary.places import Home
from tests.conftest import PROGRAMS

pytest_plugins = ["pytester"]

Build = Callable[..., Path]
VERSIONS = ("go1.21.13", "go1.26.8", "go1.27.3")


def listing(flags: str, version: str, tmp_path: Path) -> str:
    command = ["go", "build", f"-gcflags={flags} -S", "-o", str(tmp_path / "out"), "."]
    done = subprocess.run(
        command,
        cwd=PROGRAMS / "assembly",
        env={**os.environ, "GOTOOLCHAIN": version},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def optimized(version: str, program: Build, tmp_path_factory: pytest.TempPathFactory) -> AsmReport:
    told = listing("", version, tmp_path_factory.mktemp("listing"))
    return read_assembly(program("assembly", GOTOOLCHAIN=version), "main", told)


@pytest.fixture(scope="module")
def plain(version: str, program: Build, tmp_path_factory: pytest.TempPathFactory) -> AsmReport:
    told = listing("-N -l", version, tmp_path_factory.mktemp("listing"))
    path = program("assembly", "-gcflags=-N -l", GOTOOLCHAIN=version)
    return read_assembly(path, "main", told)


def test_the_calls_that_make_and_write_maps_are_told_with_their_lines(plain: AsmReport) -> None:
    source = (PROGRAMS / "assembly" / "main.go").read_text().splitlines()
    (made,) = plain["sized"].calls_to("runtime.makemap")
    assert "make(map[int64]string, n)" in source[(made.line or 0) - 1]
    (small,) = plain["named"].calls_to("runtime.makemap_small")
    assert "make(counts)" in source[(small.line or 0) - 1]
    (written,) = plain["named"].calls_to("runtime.mapassign_faststr")
    assert "found[word]++" in source[(written.line or 0) - 1]


def test_a_map_on_the_stack_is_made_without_a_call(plain: AsmReport) -> None:
    assert plain["small"].calls_to("runtime.makemap*") == ()
    assert len(plain["small"].calls_to("runtime.mapassign_faststr")) == 1


def test_whether_n_and_l_took_effect_is_told(
    optimized: AsmReport, plain: AsmReport, version: str
) -> None:
    assert (optimized.optimizes, optimized.inlines) == (True, True)
    assert (plain.optimizes, plain.inlines) == (False, False)
    assert plain.go_version == version
    assert optimized["inlines"].inlined == ("main.tiny",)
    assert plain["inlines"].inlined == ()
    assert len(plain["inlines"].calls_to("main.tiny")) == 1


def test_a_map_variable_takes_eight_bytes_at_a_known_place(plain: AsmReport) -> None:
    (by_number,) = plain["sized"].maps
    assert (by_number.name, by_number.type, by_number.size) == ("byNumber", "map[int64]string", 8)
    (place,) = by_number.places
    assert place.home is Home.STACK
    assert -plain["sized"].frame_size - 8 <= (place.offset or 0) < 0
    (named,) = plain["named"].maps
    assert (named.name, named.type) == ("found", "main.counts")


def test_an_optimized_map_moves_between_register_and_stack(optimized: AsmReport) -> None:
    (found,) = optimized["named"].maps
    assert {place.home for place in found.places} == {Home.REGISTER, Home.STACK}
    function = optimized["named"]
    assert all(place.code and place.code.start >= function.address for place in found.places)


def test_a_map_that_escapes_lives_on_the_heap(plain: AsmReport) -> None:
    (moved,) = plain["escapes"].maps
    assert moved.name == "moved"
    assert {place.home for place in moved.places} == {Home.HEAP}


def test_a_package_level_map_has_an_address(plain: AsmReport) -> None:
    (kept,) = plain.maps
    assert (kept.name, [place.home for place in kept.places]) == ("main.kept", [Home.STATIC])


def test_binary_and_listing_agree_but_for_what_the_linker_left_out(
    optimized: AsmReport, plain: AsmReport
) -> None:
    for report, gone in ((optimized, {"main.tiny", "main.init"}), (plain, {"main.init"})):
        assert report.listing
        assert {found.function for found in report.disagreements} <= gone
        assert all("the linker left it out" in found.detail for found in report.disagreements)
    assert "main.tiny" in {found.function for found in optimized.disagreements}


def test_frames_are_as_large_as_the_compiler_says(plain: AsmReport) -> None:
    told = {function.name: function.frame_size for function in plain.listing or ()}
    assert {
        function.name: function.frame_size for function in plain.functions
    }.items() <= told.items()
    assert plain["main"].frame_size > 100


def test_another_build_than_the_listed_one_disagrees(program: Build, tmp_path: Path) -> None:
    report = read_assembly(program("assembly"), "main", listing("-N -l", "local", tmp_path))
    details = {(found.function, found.detail) for found in report.disagreements}
    assert any(name == "main.named" and "a frame of" in detail for name, detail in details)
    assert any(
        name == "main.inlines" and "in the listing only: a call of main.tiny" in detail
        for name, detail in details
    )


@pytest.mark.parametrize(
    ("flags", "untold"), [("-w", ["no DWARF"]), ("-s -w", ["no symbol table", "no DWARF"])]
)
def test_what_a_stripped_binary_does_not_tell_is_said(
    program: Build, flags: str, untold: list[str]
) -> None:
    report = read_assembly(program("assembly", f"-ldflags={flags}"), "main", None)
    text = " ".join(report.notes)
    assert all(part in text for part in untold)
    assert report.optimizes is None
    assert bool(report.functions) == ("no symbol table" not in untold)
    if report.functions:
        assert report["sized"].calls_to("runtime.makemap")[0].line is None


def test_a_package_that_is_not_there_is_told(program: Build) -> None:
    report = read_assembly(program("assembly"), "example.com/none", None)
    assert report.functions == ()
    assert "the binary has no function of the package example.com/none" in report.notes


def test_a_listing_with_other_text_in_it_is_read() -> None:
    text = (
        "# example.com/x\n"
        "warning: something of the C compiler\n"
        "main.f STEXT size=9 args=0x0 locals=0x18 funcid=0x0 align=0x0\n"
        "\t0x0000 00000 (/x y/main.go:3)\tTEXT\tmain.f(SB), ABIInternal, $24-0\n"
        "\t0x0004 00004 (/x y/main.go:4)\tCALL\tAX\n"
        "\t0x0006 00006 (/x y/main.go:5)\tJMP\tmain.(*T).M(SB)\n"
        "\t0x0008 00008 (/x y/main.go:5)\tJMP\t4\n"
        "\t0x0000 48 83 ec 18\n"
        'go:string."f" SRODATA dupok size=1\n'
        "\t0x0000 66\n"
    )
    (function,) = parse_listing(text)
    assert (function.name, function.frame_size) == ("main.f", 24)
    assert [(call.function, call.line) for call in function.calls] == [
        (None, 4),
        ("main.(*T).M", 5),
    ]


def test_the_fixture_builds_and_holds_against_the_listing(go_pytester: pytest.Pytester) -> None:
    go_pytester.makepyfile(
        f"""
        def test_asm(cgosafe):
            report = cgosafe.asm({str(PROGRAMS / "stackbound")!r})
            assert report.optimizes is False
            assert report["main.main"].calls_to("main.onOwnThread")
            assert report.listing
            assert {{found.detail.partition(":")[0] for found in report.disagreements}} <= {{
                "in the listing only", "in the binary only"
            }}
            assert not [found for found in report.disagreements if found.function == "main.main"]
        """
    )
    go_pytester.runpytest("-q").assert_outcomes(passed=1)
