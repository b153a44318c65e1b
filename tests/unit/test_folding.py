"""Recursion in chains of calls."""

from __future__ import annotations

from pytest_cgosafe.binary.demangle import plain_name
from pytest_cgosafe.binary.trail import Frame
from pytest_cgosafe.crash.folding import fold
from pytest_cgosafe.results import Call


def frames(*named: tuple[str, int]) -> list[Frame]:
    return [Frame(name, 0, size) for name, size in named]


def test_frames_of_one_function_in_a_row_are_one_call() -> None:
    assert fold(frames(("leaf", 8), *[("f", 48)] * 5, ("main", 0))) == (
        Call("leaf", 1, 8),
        Call("f", 5, 48),
        Call("main", 1, None),
    )


def test_what_the_innermost_call_used_is_not_taken_for_its_frame() -> None:
    assert fold(frames(("f", 40), ("f", 48), ("f", 48), ("main", 32))) == (
        Call("f", 3, 48),
        Call("main", 1, 32),
    )


def test_frames_of_different_sizes_have_none_in_common() -> None:
    assert fold(frames(("g", 8), ("f", 48), ("f", 64), ("main", 32)))[1] == Call("f", 2, None)


def test_a_cycle_of_functions_is_one_call() -> None:
    cycle = [("value", 48), ("object", 96), ("member", 32)]
    assert fold(frames(("leaf", 8), *cycle * 10, ("main", 32))) == (
        Call("leaf", 1, 8),
        Call("value <- object <- member", 10, 176),
        Call("main", 1, 32),
    )


def test_functions_that_follow_each_other_twice_only_are_no_cycle() -> None:
    chain = frames(("leaf", 8), ("a", 16), ("b", 32), ("a", 16), ("b", 32), ("main", 32))
    assert [call.function for call in fold(chain)] == ["leaf", "a", "b", "a", "b", "main"]


def test_names_are_those_of_the_source() -> None:
    assert plain_name(b"recurse.constprop.0") == "recurse"
    assert plain_name(b"f.part.1.cold") == "f"
    assert plain_name(b"runtime.asmcgocall.abi0") == "runtime.asmcgocall"
    assert plain_name(b"printf@@GLIBC_2.2.5") == "printf"
    assert plain_name(b"_ZN3lib6Parser4stepEl") == "lib::Parser::step"
    assert plain_name(b"_ZN3lib6Parser5parseIlEElT_") == "lib::Parser::parse<long>"
    assert plain_name(b"_ZNK3lib6ParserclEi") == "lib::Parser::operator()"
    assert plain_name(b"_Znonsense") == "_Znonsense"
