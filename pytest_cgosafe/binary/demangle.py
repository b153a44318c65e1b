"""Names as the source has them: of C++ functions, and of the variants that compilers make of one function."""

from __future__ import annotations

import ctypes
import re
from functools import cache
from typing import Final

_VARIANT: Final = re.compile(r"(\.(constprop|isra|part|cold|lto_priv|localalias)(\.\d+)?)+$")
_ABI: Final = re.compile(r"\.abi(0|internal)$")  # Go's assembly functions (cmd/internal/obj)
_VERSION: Final = re.compile(r"@@?[\w.]+$")


@cache
def plain_name(symbol: bytes) -> str:
    """A function's name as debuggers show it: demangled, without parameters, without what a compiler appended."""
    text = symbol.decode("utf-8", "replace")
    text = _VERSION.sub("", _VARIANT.sub("", _ABI.sub("", text)))
    if not text.startswith("_Z"):
        return text
    return _without_return_type(_without_parameters(_demangle(text)))


def _demangle(symbol: str) -> str:
    """By the C++ runtime's ``__cxa_demangle``; unchanged where there is none."""
    library = _library()
    if library is None:
        return symbol
    status = ctypes.c_int()
    found = library.__cxa_demangle(symbol.encode(), None, None, ctypes.byref(status))
    if not found:
        return symbol
    text = ctypes.string_at(found).decode("utf-8", "replace")
    ctypes.CDLL(None).free(ctypes.c_void_p(found))
    return text


@cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libstdc++.so.6")
    except OSError:
        return None
    library.__cxa_demangle.restype = ctypes.c_void_p
    return library


def _without_parameters(name: str) -> str:
    """``ns::f`` of ``ns::f(int) const``; the parentheses of ``operator()`` and of templates stay."""
    end = name.rfind(")")
    if end < 0:
        return name
    depth = 0
    for at in range(end, -1, -1):
        depth += (name[at] == ")") - (name[at] == "(")
        if depth == 0:
            return name[:at] or name
    return name


def _without_return_type(name: str) -> str:
    """``f<long>`` of ``unsigned long f<long>``: what is made from a template is demangled with its return type."""
    if "operator" in name:
        return name
    depth = 0
    begin = 0
    for at, char in enumerate(name):
        depth += (char in "<({") - (char in ">)}")
        if char == " " and depth == 0:
            begin = at + 1
    return name[begin:]
