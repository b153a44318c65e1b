"""Machine code as instructions, by Capstone.

Capstone is loaded when code is first read: nothing else of this package needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_cgosafe.binary.amd64 import AMD64
from pytest_cgosafe.binary.arm64 import ARM64
from pytest_cgosafe.errors import CgosafeError, ToolchainError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.binary.image import Image
    from pytest_cgosafe.binary.stackpointer import Architecture

_ARCHITECTURES: Final = {"EM_X86_64": AMD64, "EM_AARCH64": ARM64}
_CHUNK: Final = 512  # bytes that are decoded at once where a function's end is not known


class Instruction(NamedTuple):
    """One machine instruction. A plain tuple, because a library has a hundred thousand of them."""

    address: int
    size: int
    mnemonic: str
    operands: str


def architecture_of(image: Image) -> Architecture:
    """How the code of a file is read. Raises CgosafeError for a machine that has no table."""
    if image.machine not in _ARCHITECTURES:
        raise CgosafeError(
            f"{image.path} is code for {image.machine}, which can't be read here",
            next_step="build it for amd64 or arm64",
        )
    return _ARCHITECTURES[image.machine]


class Disassembler:
    """Decodes the code of one file, each instruction once."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._known: dict[int, Instruction] = {}
        try:
            import capstone  # noqa: PLC0415 - only who reads code loads it
        except ImportError as error:
            raise ToolchainError(
                f"Capstone, which reads machine code, can't be loaded: {error}",
                next_step="python -m pip install --force-reinstall capstone",
            ) from error
        arch, mode = architecture_of(image).capstone
        self._engine = capstone.Cs(
            getattr(capstone, f"CS_ARCH_{arch}"), getattr(capstone, f"CS_MODE_{mode}")
        )

    def at(self, address: int, end: int | None = None) -> Instruction | None:
        """The instruction at `address`, where there is one; decodes up to `end` at once."""
        known = self._known.get(address)
        if known is None:
            for instruction in self.between(address, end or address + _CHUNK):
                self._known.setdefault(instruction.address, instruction)
            known = self._known.get(address)
        return known

    def between(self, start: int, end: int) -> Iterator[Instruction]:
        """The instructions from `start` to `end`; fewer where the bytes are none."""
        for decoded in self._engine.disasm_lite(self._image.code(start, end), start):
            yield Instruction._make(decoded)
