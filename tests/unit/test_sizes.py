import pytest

from pytest_cgosafe.sizes import format_share, format_size, parse_share, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64KiB", 65536),
        ("64kib", 65536),
        ("64K", 65536),
        ("64 KB", 65536),
        ("1.5MiB", 1572864),
        ("1GiB", 1 << 30),
        ("4096", 4096),
        ("4096B", 4096),
        (4096, 4096),
    ],
)
def test_a_size_is_read_in_every_customary_form(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["garbage", "", "-1", "0", "64XiB", "KiB", "1e6", True, None, 0, 1.5]
)
def test_what_is_no_size_is_refused_with_the_valid_forms_named(text: object) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "share"),
    [("25%", 0.25), ("99.9%", 0.999), ("0.25", 0.25), (0.25, 0.25), (0, 0), ("100%", 1)],
)
def test_a_share_is_a_percentage_or_a_fraction(text: str | float, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["25", "150%", "-1%", "a lot", 1.01, True, None])
def test_what_is_no_share_is_refused_with_the_valid_forms_named(text: object) -> None:
    with pytest.raises(ValueError, match=r"'25%' or a fraction 0\.25"):
        parse_share(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (65536, "64.0 KiB"),
        (8388608, "8.0 MiB"),
        (1048575, "1.0 MiB"),
        (1 << 33, "8.0 GiB"),
    ],
)
def test_a_size_is_told_in_the_unit_that_keeps_it_small(size: int, text: str) -> None:
    assert format_size(size) == text


def test_a_share_is_never_rounded_up_to_what_it_does_not_reach() -> None:
    assert format_share(0.99899) == "99.8%"
    assert format_share(0.999) == "99.9%"
    assert format_share(0.29) == "29%"
    assert format_share(0.5) == "50%"
    assert format_share(1.0) == "100%"
