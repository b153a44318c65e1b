"""What a session can tell of a program without running it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_cgosafe.errors import CgosafeError
from pytest_cgosafe.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_cgosafe.binary.asm import AsmReport
    from pytest_cgosafe.binary.stackreport import StackReport
    from pytest_cgosafe.build import Builder, BuildFlags
    from pytest_cgosafe.results import Binary, Profile


class StaticView:
    """The part of a session that reads machine code."""

    _builder: Builder
    packages: dict[tuple[str, Path], BuildFlags]

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

    def asm(
        self,
        package_or_binary: str | Path | Binary,
        *,
        package: str = "main",
        profile: Profile | str | None = None,
    ) -> AsmReport:
        """What the Go functions of a program really call, how large their frames are, and where their maps live.

        `package` is the import path of the package to look at; the program's own is ``main``. What was built from
        source is held against the compiler's own listing. Raises CgosafeError for a file that can't be read.
        """
        from pytest_cgosafe.binary.asm import read_assembly  # noqa: PLC0415 - few tests need it

        binary = self._binary(package_or_binary, profile)
        base = self._base_of(binary.package)
        flags = self.packages.get((binary.package, base)) if binary.profile else None
        listing = self._builder.listing(binary, flags, package, base) if flags else None
        return read_assembly(binary.path, package, listing)

    def _binary(self, what: str | Path | Binary, profile: Profile | str | None) -> Binary:
        raise NotImplementedError

    def _base_of(self, package: str) -> Path:
        raise NotImplementedError
