"""Go's own function table, found in the program that gdb looks at: even a stripped one carries it."""

from __future__ import annotations

import re
import struct

import gdb

from . import memory
from .functable import MAGIC, FunctionTable

_SECTION = re.compile(r"\s*\[\d+\]\s+0x([0-9a-f]+)->0x([0-9a-f]+) at \S+ (\S+) (.*)")
_TEXT_IN_MODULEDATA = 176
_MAX_SIZE = 1 << 30


def find_function_table() -> FunctionTable | None:
    """The table of the program at hand, or None where there is none that this reader knows."""
    sections = _sections()
    places = [span for name, span in sections if name.endswith("gopclntab")]
    if not places or len(places[0]) > _MAX_SIZE:
        return None
    data = memory.read(places[0].start, len(places[0]))
    if data is None or struct.unpack_from("<I", data)[0] != MAGIC:
        return None
    text = _text(
        places[0].start, [span for name, span in sections if "data" in name or "module" in name]
    )
    return FunctionTable(data, text) if text else None


def _sections() -> list[tuple[str, range]]:
    listing = gdb.execute("maintenance info sections", to_string=True)
    listing = listing[: listing.find("Core file:")] if "Core file:" in listing else listing
    found = (_SECTION.match(line) for line in listing.splitlines())
    return [(m[3], range(int(m[1], 16), int(m[2], 16))) for m in found if m]


def _text(table: int, candidates: list[range]) -> range | None:
    """The range of Go code, from the moduledata: the struct whose first word points to the table."""
    inferior = gdb.selected_inferior()
    for span in candidates:
        try:
            place = inferior.search_memory(span.start, len(span), struct.pack("<Q", table))
        except gdb.error:
            continue
        words = memory.words(place + _TEXT_IN_MODULEDATA - 16, 4) if place else []
        if len(words) == 4:
            least, most, start, end = words
            if 0 < start <= least < most <= end:
                return range(start, end)
    return None
