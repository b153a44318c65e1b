"""Sizes and shares as people write them: ``"64KiB"``, ``"25%"``."""

from __future__ import annotations

import re

_UNITS = {"": 1, "B": 1}
for _power, _letter in enumerate("KMG", start=1):
    _UNITS[f"{_letter}iB"] = _UNITS[f"{_letter}B"] = _UNITS[_letter] = 1024**_power

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_SHARE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*")


def parse_size(text: str | int) -> int:
    """Bytes from ``"64KiB"``, ``"1.5 MiB"``, ``"4096"`` or 4096. K, M and G count in 1024s, with or without ``iB``.

    Raises ValueError, with the valid forms named.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        text = str(text)
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    unit = match and _UNITS.get(
        match[2] if match[2] in _UNITS else match[2].capitalize().replace("ib", "iB")
    )
    if not match or not unit:
        raise ValueError(
            f"{text!r} is not a size; write bytes as 65536, or '64KiB', '8MiB', '1GiB'"
        )
    size = int(float(match[1]) * unit)
    if size <= 0:
        raise ValueError(f"{text!r} is not a size: it must be at least one byte")
    return size


def parse_share(text: str | float) -> float:
    """A share from 0 to 1 from ``"25%"``, ``"0.25"`` or 0.25.

    Raises ValueError, with the valid forms named.
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        text = str(text)
    match = _SHARE.fullmatch(text) if isinstance(text, str) else None
    share = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= share <= 1:
        raise ValueError(
            f"{text!r} is not a share; write a percentage '25%' or a fraction 0.25, from 0 to 1"
        )
    return share


def format_size(size: int) -> str:
    """``288`` -> ``"288 B"``, ``65536`` -> ``"64.0 KiB"``: a unit that keeps the number below 1024."""
    if size < 1024:
        return f"{size} B"
    number = float(size)
    for unit in ("KiB", "MiB"):
        number /= 1024
        if number < 1023.95:
            return f"{number:.1f} {unit}"
    return f"{number / 1024:.1f} GiB"


def format_share(share: float) -> str:
    """``0.123`` -> ``"12.3%"``, never rounded across a threshold that it does not meet: 0.99999 is ``"99.9%"``."""
    return f"{int(share * 1000) / 10:g}%"
