"""Finds shared libraries where the dynamic linker of this system would (``ld.so(8)``, ``ldconfig(8)``)."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_cgosafe.binary.image import Image
from pytest_cgosafe.errors import CgosafeError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONFIGURATION: Final = Path("/etc/ld.so.conf")
_ALWAYS: Final = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")


def find_library(name: str, user: Image) -> Image | None:
    """The library that `user` names in its DT_NEEDED, or None: it is not on this system, or for another machine."""
    for path in _candidates(name, user):
        if not path.is_file():
            continue
        try:
            image = Image(path.resolve())
        except CgosafeError:
            continue  # a linker script, or another class of ELF: ld.so goes on as well
        if image.machine == user.machine:
            return image
    return None


def _candidates(name: str, user: Image) -> Iterator[Path]:
    if "/" in name:
        yield Path(name)
    else:
        yield from (directory / name for directory in _directories(user))


def _directories(user: Image) -> Iterator[Path]:
    origin = str(user.path.parent)
    for text in (*os.environ.get("LD_LIBRARY_PATH", "").split(":"), *user.search_path):
        if text:
            yield Path(text.replace("$ORIGIN", origin).replace("${ORIGIN}", origin))
    yield from _configured()


@cache
def _configured() -> tuple[Path, ...]:
    return (*_read(_CONFIGURATION), *map(Path, _ALWAYS))


def _read(configuration: Path) -> Iterator[Path]:
    try:
        lines = configuration.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        words = line.partition("#")[0].split()
        if words[:1] == ["include"]:
            for pattern in words[1:]:
                for path in sorted(Path("/").glob(str(configuration.parent / pattern)[1:])):
                    yield from _read(path)
        elif words:
            yield Path(words[0])
