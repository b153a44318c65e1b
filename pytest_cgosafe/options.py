"""The arguments of the marker, which are also ini options and command-line options: their parsers, in one table."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_cgosafe.errors import CgosafeError
from pytest_cgosafe.results import CrossingKind, Profile
from pytest_cgosafe.sizes import parse_share, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_Parsed = TypeVar("_Parsed")

PLATFORM_STACKS = {"musl": parse_size("128KiB"), "macos": parse_size("512KiB")}
"""Bytes of a thread stack by default: musl's ``DEFAULT_STACK_SIZE`` (src/internal/pthread_impl.h, since 1.1.21), and
"Thread Management" in Apple's Threading Programming Guide."""
_PLATFORM_NAMES = {"musl": "musl (Alpine)", "macos": "macOS"}


def platform_of(stack_size: int) -> str | None:
    """The platform whose threads have stacks of that size by default, named for people."""
    names = (name for name, size in PLATFORM_STACKS.items() if size == stack_size)
    return next((_PLATFORM_NAMES[name] for name in names), None)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a test allows. Sizes in bytes."""

    min_headroom: float = 0.25
    max_c_stack: int | None = None
    max_goroutine_stack: int | None = None
    stack_limit: int | None = None
    forbid: frozenset[CrossingKind] = frozenset({CrossingKind.MAP})
    profile: Profile = Profile.DEBUG
    trace_crossings: bool = False
    asked: frozenset[str] = frozenset()
    """The names of the arguments that somebody gave; the others are defaults."""

    def but(self, values: Mapping[str, object]) -> Limits:
        """These limits, with `values` as a person writes them put in.

        Raises ValueError for an unknown name or a bad value, with the valid ones named.
        """
        parsed: dict[str, Any] = {}
        for name, value in values.items():
            if name not in OPTIONS:
                raise ValueError(f"unknown argument {name!r}; valid are: {', '.join(OPTIONS)}")
            try:
                parsed[name] = (
                    None if value is None and name in _OPTIONAL else OPTIONS[name].parse(value)
                )
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return replace(self, **parsed, asked=self.asked | set(parsed))


@dataclass(frozen=True, slots=True)
class Option:
    """One argument of the marker."""

    parse: Callable[[Any], object]
    metavar: str | None
    """None for a switch, which takes no value on the command line."""
    help: str


def parse_stack_limit(value: object) -> int:
    """Bytes from a size or the name of a platform. Raises ValueError, with the valid ones named."""
    if isinstance(value, str) and value.lower() in PLATFORM_STACKS:
        return PLATFORM_STACKS[value.lower()]
    try:
        return parse_size(value)  # type: ignore[arg-type]
    except ValueError as error:
        raise ValueError(
            f"{error}; or a platform: {', '.join(map(repr, PLATFORM_STACKS))}"
        ) from None


def parse_kinds(value: object) -> frozenset[CrossingKind]:
    """Crossing kinds from ``"map"``, ``"map, chan"``, ``("map", "chan")``, ``"all"``, ``()`` or ``""``.

    Raises ValueError, with the valid kinds named.
    """
    names = value.replace(",", " ").split() if isinstance(value, str) else value
    if isinstance(names, (list, tuple, set, frozenset)):
        if list(names) == ["all"]:
            return frozenset(CrossingKind)
        try:
            return frozenset(CrossingKind(name) for name in names)
        except ValueError:
            pass
    raise ValueError(
        f"{value!r} is not a kind of crossing; valid are: {', '.join(CrossingKind)}, or all, or none with ()"
    )


def _parse_profile(value: object) -> Profile:
    try:
        return Profile(value)  # type: ignore[arg-type]
    except ValueError:
        raise ValueError(f"{value!r} is not a profile; valid are: {', '.join(Profile)}") from None


def _parse_switch(value: object) -> bool:
    known = {"true": True, "yes": True, "on": True, "1": True}
    known |= {"false": False, "no": False, "off": False, "0": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise ValueError(f"{value!r} is neither true nor false")


OPTIONS = {
    "min_headroom": Option(
        parse_share, "SHARE", "least headroom of any thread stack: '25%' or 0.25"
    ),
    "max_c_stack": Option(parse_size, "SIZE", "largest peak of any thread stack: '64KiB'"),
    "max_goroutine_stack": Option(parse_size, "SIZE", "largest goroutine stack: '1MiB'"),
    "stack_limit": Option(
        parse_stack_limit,
        "SIZE",
        "judge headroom against this thread stack: '128KiB', 'musl' or 'macos'",
    ),
    "forbid": Option(
        parse_kinds, "KINDS", "crossing kinds that fail a test: 'map', 'map,chan', 'all' or ''"
    ),
    "profile": Option(_parse_profile, "PROFILE", "how packages are built: 'debug' or 'release'"),
    "trace_crossings": Option(
        _parse_switch, None, "look at what C is given at run time, in its functions' first calls"
    ),
}
_OPTIONAL = {field.name for field in fields(Limits) if field.default is None}
"""Those that None takes back: a marker's ``max_c_stack=None`` frees a test from the suite's default."""


def parsed(name: str, parse: Callable[[Any], _Parsed], value: object) -> _Parsed | None:
    """An argument's value as `parse` reads it; None for None. Raises CgosafeError, with `name` before the reason."""
    try:
        return None if value is None else parse(value)
    except ValueError as error:
        raise CgosafeError(f"{name}: {error}") from None
