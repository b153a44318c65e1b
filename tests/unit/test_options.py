import pytest

from pytest_cgosafe.options import OPTIONS, Limits, parse_kinds
from pytest_cgosafe.results import CrossingKind, Profile


def test_the_defaults_are_those_of_the_design() -> None:
    assert Limits() == Limits(
        min_headroom=0.25,
        max_c_stack=None,
        max_goroutine_stack=None,
        stack_limit=None,
        forbid=frozenset({CrossingKind.MAP}),
        profile=Profile.DEBUG,
    )


def test_later_values_win_and_the_rest_stays() -> None:
    suite = Limits().but({"min_headroom": "50%", "max_c_stack": "64KiB"})
    test = suite.but({"max_c_stack": "128KiB"})
    assert (test.min_headroom, test.max_c_stack) == (0.5, 131072)
    assert test.asked == {"min_headroom", "max_c_stack"}


def test_none_takes_back_a_limit_of_the_suite() -> None:
    assert Limits().but({"max_c_stack": "64KiB"}).but({"max_c_stack": None}).max_c_stack is None


def test_none_is_no_value_for_an_argument_that_always_has_one() -> None:
    with pytest.raises(ValueError, match="min_headroom: None is not a share"):
        Limits().but({"min_headroom": None})


def test_an_unknown_argument_is_refused_with_every_valid_one_named() -> None:
    with pytest.raises(ValueError, match="unknown argument 'max_stack'") as caught:
        Limits().but({"max_stack": "1MiB"})
    assert all(name in str(caught.value) for name in OPTIONS)


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        ("max_c_stack", "garbage", "64KiB"),
        ("stack_limit", "solaris", "'musl', 'macos'"),
        ("forbid", "maps", "map, chan, func, interface, slice, string, pointer"),
        ("forbid", 3, "map, chan"),
        ("profile", "fast", "debug, release"),
        ("min_headroom", "plenty", "'25%'"),
    ],
)
def test_a_bad_value_is_refused_with_the_argument_and_the_valid_values_named(
    name: str, value: object, valid: str
) -> None:
    with pytest.raises(ValueError, match=f"^{name}: {value!r} is not") as caught:
        Limits().but({name: value})
    assert valid in str(caught.value)


@pytest.mark.parametrize(
    ("name", "size"), [("musl", 131072), ("macos", 524288), ("128KiB", 131072)]
)
def test_a_stack_limit_is_a_size_or_a_platform(name: str, size: int) -> None:
    assert Limits().but({"stack_limit": name}).stack_limit == size


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        ("map", {"map"}),
        ("map,chan", {"map", "chan"}),
        ("map, chan", {"map", "chan"}),
        (("map", "chan"), {"map", "chan"}),
        (["func"], {"func"}),
        ("all", set(CrossingKind)),
        (("all",), set(CrossingKind)),
        ((), set()),
        ("", set()),
    ],
)
def test_kinds_are_one_or_several_or_all_or_none(value: object, kinds: set[str]) -> None:
    assert parse_kinds(value) == kinds
