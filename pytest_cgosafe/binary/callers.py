"""Who can have called a C function, by the code alone: for frames that later calls overwrote."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.binary.loaded import Loaded

if TYPE_CHECKING:
    from collections.abc import Collection, Container

    from pytest_cgosafe.binary.codefile import CodeFile, Function

_STUB: Final = re.compile(r"_cgo_[0-9a-f]{12}_C2?func_(?P<name>\w+)")
_EXPORTED: Final = re.compile(r"^_cgoexp_[0-9a-f]{12}_")
_CLOSURE: Final = re.compile(r"(\.func\d+(\.\d+)*|\.gowrap\d+|-range\d+)+$")
_FRAME_POINTER = 6  # rbp
_PROLOGUE: Final = re.compile(
    rb"(?:\xf3\x0f\x1e\xfa)?\x55\x48\x89\xe5"  # [endbr64]; push %rbp; mov %rsp,%rbp
    rb"(?P<pushes>(?:\x41[\x54-\x57]|[\x50-\x57])*)"
    rb"(?:\x48\x83\xec(?P<byte>.)|\x48\x81\xec(?P<word>.{4})|\x48\x83\xc4(?P<added>.))?",  # sub or add, %rsp
    re.DOTALL,
)
_CALL_LENGTH: Final = 5
_MOST_PATHS: Final = 32
_RED_ZONE: Final = 128  # bytes below the stack pointer that a function may use without moving it (AMD64 ABI, 3.2.2)


@dataclass(frozen=True, slots=True)
class Caller:
    """A function, and the frame that it has while it makes one of its calls."""

    file: CodeFile
    function: Function
    size: int | None
    """Bytes, the return address included; None where that depends on the call."""

    @property
    def name(self) -> str:
        """As its language names it."""
        return self.function.name


def is_stub(name: str) -> bool:
    """Whether cmd/cgo wrote the function, for Go to call C through."""
    return _STUB.fullmatch(name) is not None


def paths_outward(
    innermost: Loaded, files: Collection[CodeFile], inner: Container[str]
) -> tuple[tuple[Caller, ...], ...]:
    """The ways in which a function can have been called, its own caller first: up to a stub that Go calls, or to a
    function that nobody calls but through a pointer, as `main` and those that threads begin with.

    `files` are those whose code is searched, `inner` functions that can't be meant. None at all where there are too
    many ways to tell.
    """
    found: list[tuple[Caller, ...]] = []
    begun: list[tuple[Caller, ...]] = [()]
    while begun:
        path = begun.pop()
        last = Loaded(path[-1].file, path[-1].function) if path else innermost
        callers = () if is_stub(last.name) else callers_of(last, files)
        further = [c for c in callers if c.name not in inner and c not in path]
        begun += [(*path, caller) for caller in further]
        if not callers and (is_stub(last.name) or not last.file.exports(last.function)):
            found.append(path)
        if len(begun) + len(found) > _MOST_PATHS:
            return ()
    return tuple(found)


def frame_size(file: CodeFile, site: int) -> int | None:
    """The bytes that the frame around the call that returns to `site` takes, the return address included."""
    row = file.frames.row(site - 1)
    function = file.function(site - 1)
    if row is None or row.cfa is None or row.cfa.indirect or function is None:
        return None
    if row.cfa.register != _FRAME_POINTER:
        return row.cfa.offset
    return _by_prologue(file, function, row.cfa.offset)


def largest_frame(file: CodeFile, function: Function) -> int | None:
    """The most bytes that one call of `function` uses, calls of its own left out; None where that can't be told."""
    size = whole_frame(file, function)
    return None if size is None else size + _RED_ZONE


def whole_frame(file: CodeFile, function: Function) -> int | None:
    """The bytes of a function's frame, the return address included; None where that can't be told."""
    entry = file.frames.entry(function.start)
    if entry is None:
        return _by_prologue(file, function, 16)
    sizes = [
        row.cfa.offset
        if row.cfa and row.cfa.register != _FRAME_POINTER
        else frame_size(file, start + 1)
        for start, row in file.frames.rows(entry)
    ]
    known = [size for size in sizes if size is not None]
    return max(known) if len(known) == len(sizes) else None


def _by_prologue(file: CodeFile, function: Function, fixed: int) -> int | None:
    """The size of a frame that is set up with a frame pointer; `fixed` bytes of it lie above where that points."""
    prologue = _PROLOGUE.match(file.read(function.start, 64))
    if not prologue or file.has_variable_frame(function):
        return None
    fixed += 8 * len(re.findall(rb"\x41?[\x50-\x57]", prologue["pushes"]))
    if prologue["added"]:
        return fixed - int.from_bytes(prologue["added"], "little", signed=True)
    return fixed + int.from_bytes(prologue["byte"] or prologue["word"] or b"\0", "little")


def go_callers(file: CodeFile, stub: str) -> tuple[str, ...]:
    """The Go functions that call C through `stub`, closures counted as the function that they are written in."""
    match = _STUB.fullmatch(stub)
    if not match:
        return ()
    names = set()
    for package in file.symbols_ending(f".{stub}"):
        for kind in ("_Cfunc_", "_C2func_"):
            wrapper = file.named(f"{package}.{kind}{match['name']}.abi0") or file.named(
                f"{package}.{kind}{match['name']}"
            )
            if wrapper:
                names |= {
                    _EXPORTED.sub("", _CLOSURE.sub("", caller.name))
                    for site in file.branches.get(wrapper.start, ())
                    if (caller := file.function(site))
                    and not caller.name.startswith(f"{package}.{kind}")
                }
    return tuple(sorted(names))


def callers_of(callee: Loaded, files: Collection[CodeFile]) -> tuple[Caller, ...]:
    """The functions that call or jump to `callee`, but for itself, one for each size of their frames."""
    sites = [(callee.file, site) for site in callee.file.sites_of(callee.function)]
    for name in callee.file.exports(callee.function):
        others = (file for file in files if file is not callee.file)
        sites += [(file, site) for file in others for site in file.sites_calling(name)]
    found = {
        Caller(file, caller, frame_size(file, site + _CALL_LENGTH))
        for file, site in sites
        if (caller := file.function(site)) and caller.name != callee.name
    }
    return tuple(sorted(found, key=lambda caller: caller.name))
