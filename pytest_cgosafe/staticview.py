"""What a session can tell of a program without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_cgosafe.errors import CgosafeError
from pytest_cgosafe.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_cgosafe.binary.stackreport import StackReport
    from pytest_cgosafe.results import Binary, Profile


class StaticView:
    """The part of a session that reads machine code."""

    def stack_bound(
        self,
        package_or_binary: str | Path | Binary,
        *entries: str,
        assume: Mapping[str, int | str] | None = None,
        profile: Profile | str | None = None,
    ) -> StackReport:
        """How deep each of the `entries` can go on a thread's stack: C functions, by default all that Go calls.

        `assume` gives sizes (``{"malloc": "8KiB"}``) of functions that are then not looked into. A package is built
        first, in `profile`. Raises CgosafeError for a function that the program does not have.
        """
        from pytest_cgosafe.binary.stackreport import bound_stacks  # noqa: PLC0415 - few tests need it

        try:
            sizes = {name: parse_size(size) for name, size in (assume or {}).items()}
        except ValueError as error:
            raise CgosafeError(f"assume: {error}") from None
        binary = self._binary(package_or_binary, profile)
        return bound_stacks(binary.path, entries, assume=sizes)

    def _binary(self, what: str | Path | Binary, profile: Profile | str | None) -> Binary:
        raise NotImplementedError
