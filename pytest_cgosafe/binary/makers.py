"""What a binary was made with, as the file itself tells: the version of Go, the C compiler, the C library."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

if TYPE_CHECKING:
    from pathlib import Path

UNKNOWN: Final = "unknown"
_ARCHITECTURES: Final = {"EM_X86_64": "amd64", "EM_AARCH64": "arm64"}
_GO_VERSION_AT: Final = (
    32  # debug/buildinfo/buildinfo.go: since Go 1.18 the version stands there, its length first
)
_ANSWER_WITHIN: Final = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Makers:
    """Each as its field in JSON is written, or ``"unknown"``."""

    go: str
    """``"1.26.8"``."""
    cc: str
    """``"gcc 12.2.0"``."""
    libc: str
    """``"glibc 2.36"``; ``"static"`` where the program brings its own."""
    arch: str
    """As GOARCH names it."""


def read_makers(path: Path) -> Makers:
    """What the binary at `path` was made with. Raises OSError when it can't be read."""
    return _read_makers(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read_makers(path: Path, _mtime_ns: int) -> Makers:
    with path.open("rb") as file:
        try:
            elf = ELFFile(file)
        except ELFError:
            return Makers(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)
        interpreter = _section(elf, ".interp").rstrip(b"\0").decode()
        return Makers(
            go=_go_version(_section(elf, ".go.buildinfo")),
            cc=_compiler(_section(elf, ".comment").decode(errors="replace")),
            libc=_libc(interpreter),
            arch=_ARCHITECTURES.get(elf["e_machine"], UNKNOWN),
        )


def _section(elf: ELFFile, name: str) -> bytes:
    section = elf.get_section_by_name(name)
    return bytes(section.data()) if section else b""


def _go_version(info: bytes) -> str:
    length = info[_GO_VERSION_AT] if len(info) > _GO_VERSION_AT else 0
    text = info[_GO_VERSION_AT + 1 : _GO_VERSION_AT + 1 + length].decode(errors="replace")
    return text.removeprefix("go") if text.startswith(("go", "devel")) else UNKNOWN


def _compiler(comment: str) -> str:
    """From what compilers leave in ``.comment``; the start-up files' own compiler stands there too, mostly gcc."""
    if clang := re.search(r"clang version (\d[\w.]*)", comment):
        return f"clang {clang[1]}"
    found = re.findall(r"GCC: \(.*?\) (\d[\w.]*)", comment)
    return f"gcc {found[-1]}" if found else UNKNOWN


def _libc(interpreter: str) -> str:
    if not interpreter:
        return "static"
    if "musl" not in interpreter:
        return os.confstr("CS_GNU_LIBC_VERSION") or UNKNOWN
    try:
        # musl's dynamic loader tells its version when it is run by itself (ldso/dynlink.c)
        told = subprocess.run(
            (interpreter,), capture_output=True, text=True, timeout=_ANSWER_WITHIN, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "musl"
    version = re.search(r"^Version (\S+)", told.stderr, re.MULTILINE)
    return f"musl {version[1]}" if version else "musl"
