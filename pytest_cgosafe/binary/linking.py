"""The code of a program and of its libraries, and which function a call reaches across them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.binary.cfi import StackDepths
from pytest_cgosafe.binary.disassembler import Disassembler, architecture_of
from pytest_cgosafe.binary.frames import FrameReader
from pytest_cgosafe.binary.image import Image
from pytest_cgosafe.binary.libraries import find_library
from pytest_cgosafe.binary.stackpointer import StackPointer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_cgosafe.binary.frames import CallSite, FunctionFrame


_INTO_GO: Final = "crosscall2"
"""Where C enters Go (runtime/cgo/asm_*.s)."""


class Module:
    """One ELF file of a program, with what reads its code."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.architecture = architecture_of(image)
        self.depths = StackDepths(image, self.architecture.stack_register)
        self._code = Disassembler(image)
        self._reader = FrameReader(image, self._code, self.depths, self.architecture)

    def frame(self, address: int) -> FunctionFrame:
        """The frame of the function at `address`."""
        return self._reader.read(address)

    def is_go(self, function: Function) -> bool:
        """Whether it is Go code, or what leads C to it. Assembly with C's kind of name (``_cgo_topofstack``) is not:
        C may call it as it calls C."""
        inside = function.address in self.image.go_text
        return inside and ("." in function.name or function.name == _INTO_GO)

    def choices(self, resolver: int) -> frozenset[int]:
        """The functions of which an IFUNC's resolver chooses one: all whose addresses it takes."""
        span = self.depths.span(resolver)
        symbol = self.image.function_at(resolver)
        end = span.stop if span else resolver + (symbol.size if symbol else 0)
        found: set[int] = set()
        sp = StackPointer(self.architecture.entry)
        for at, size, mnemonic, operands in self._code.between(resolver, end):
            self.architecture.step(sp, mnemonic, operands, at + size)
            found.update(sp.constants.values())
        return frozenset(address for address in found if self._is_function(address))

    def _is_function(self, address: int) -> bool:
        if not self.image.has_code(address):
            return False
        span, symbol = self.depths.span(address), self.image.function_at(address)
        return address in {span and span.start, symbol and symbol.address}


@dataclass(frozen=True, slots=True)
class Function:
    """A function of one of a program's files."""

    module: Module
    address: int
    name: str
    """Its symbol, or the one it was called by; else the file and its offset there."""
    is_named: bool
    """Whether it has one of the former."""


class Miss(StrEnum):
    """Why it is not known which function a call reaches."""

    POINTER = "pointer"
    """It goes through a pointer."""
    LIBRARY = "library"
    """Into a library that is not here, or does not have it."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What a call may reach."""

    functions: tuple[Function, ...]
    miss: Miss | None = None
    symbol: str | None = None
    """What it is called by, through the dynamic linker."""
    lazy: bool = False
    """Whether the first such call runs the dynamic linker, on the caller's stack."""


class Program:
    """A program or a library, and the libraries it is bound to as far as they are needed. Raises CgosafeError."""

    def __init__(self, path: Path) -> None:
        self.main = Module(Image(path))
        self._functions: dict[tuple[Module, int], Function] = {}

    @cached_property
    def _scope(self) -> tuple[Module, ...]:
        """The files in the order in which symbols are looked up: breadth first."""
        scope = [self.main]
        known: set[str] = set()
        for module in scope:
            for name in module.image.needed:
                if name not in known:
                    known.add(name)
                    if image := find_library(name, module.image):
                        scope.append(Module(image))
        return tuple(scope)

    def function(self, module: Module, address: int, called: str | None = None) -> Function:
        """The function at `address`."""
        key = module, address
        if key not in self._functions:
            symbol = module.image.function_at(address)
            offset = f"{module.image.path.name}+{address:#x}"
            own = symbol.name if symbol and symbol.address == address else None
            self._functions[key] = Function(
                module, address, own or called or offset, bool(own or called)
            )
        return self._functions[key]

    def named(self, symbol: str) -> Function:
        """The main file's function of that name. Raises KeyError."""
        found = self.main.image.function(symbol)
        if not found:
            raise KeyError(symbol)
        return self.function(self.main, found.address, symbol)

    def reached(self, module: Module, site: CallSite) -> Reached:
        """The functions that a call in `module` may reach."""
        if site.target is not None:
            found = module.image.has_code(site.target)
            return (
                Reached((self.function(module, site.target),))
                if found
                else Reached((), Miss.POINTER)
            )
        slot = None if site.slot is None else module.image.slots.get(site.slot)
        if not slot:
            return Reached((), Miss.POINTER)
        if slot.resolver is not None:
            return self._chosen(module, slot.resolver, None)
        for offering in self._scope:
            export = offering.image.exports.get(slot.name)
            if export and export.indirect:
                return self._chosen(offering, export.address, slot.name, lazy=slot.lazy)
            if export:
                function = self.function(offering, export.address, slot.name)
                return Reached((function,), None, slot.name, slot.lazy)
        return Reached((), Miss.LIBRARY, slot.name, slot.lazy)

    def _chosen(
        self, module: Module, resolver: int, name: str | None, *, lazy: bool = False
    ) -> Reached:
        functions = tuple(self._implementations(module, resolver, name))
        return Reached(functions, None if functions else Miss.POINTER, name, lazy)

    def _implementations(
        self, module: Module, resolver: int, name: str | None
    ) -> Iterator[Function]:
        symbol = module.image.function_at(resolver)
        called = name or (symbol.name if symbol and symbol.address == resolver else None)
        for address in sorted(module.choices(resolver)):
            yield self.function(module, address, called)
