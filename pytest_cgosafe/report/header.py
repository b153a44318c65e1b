"""The lines in pytest's header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_cgosafe.sizes import format_share, format_size
from pytest_cgosafe.toolchain import Tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_cgosafe.options import Limits
    from pytest_cgosafe.toolchain import Toolchain


def render_header(toolchain: Toolchain, limits: Limits) -> Iterator[str]:
    """What pytest's header says: the tools that were found, and every limit that somebody set for the suite."""
    named = (("go", toolchain.go), ("gdb", toolchain.gdb), ("", toolchain.cc))
    found = [f"{name} {tool.version}".strip() for name, tool in named if isinstance(tool, Tool)]
    missing = [name or "C compiler" for name, tool in named if not isinstance(tool, Tool)]
    problem = [f"no usable {' or '.join(missing)}: run `cgosafe doctor`"] if missing else []
    yield f"cgosafe: {', '.join(found + problem)}"
    if limits.asked:
        yield f"cgosafe: {', '.join(f'{name}={_value(limits, name)}' for name in sorted(limits.asked))}"


def _value(limits: Limits, name: str) -> str:
    value = getattr(limits, name)
    if name == "min_headroom":
        return format_share(value)
    if name == "forbid":
        return ",".join(sorted(value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return format_size(value) if isinstance(value, int) else str(value)
