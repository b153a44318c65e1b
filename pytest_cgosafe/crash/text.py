"""Fitting text into columns: widths as a terminal shows them, names and paths shortened where it hurts least."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

_ELLIPSIS = "..."
_PARAMETERS = re.compile(r"\([^()]*\)( const)?")
_TEMPLATE_ARGUMENTS = re.compile(r"<[^<>]+>")


def printable(text: str) -> str:
    """`text` without what a terminal or a log can't take: control characters and bytes that were not UTF-8."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def columns(text: str) -> int:
    """How many columns `text` takes on a terminal."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def pad(text: str, width: int) -> str:
    """`text` with spaces after it, to fill `width` columns."""
    return text + " " * (width - columns(text))


def cut(text: str, width: int) -> str:
    """The beginning of `text`, with an ellipsis where something is missing; at most `width` columns."""
    if columns(text) <= width:
        return text
    while text and columns(text) > width - len(_ELLIPSIS):
        text = text[:-1]
    return (text + _ELLIPSIS)[: max(width, 0)]


def cut_front(text: str, width: int) -> str:
    """The end of `text`, for paths and names, whose end says more."""
    if columns(text) <= width:
        return text
    while text and columns(text) > width - len(_ELLIPSIS):
        text = text[1:]
    return _ELLIPSIS + text


def short_function(function: str, width: int) -> str:
    """A function's name, what says least left out where the whole is too long.

    That is the path before a Go package's own name, and the parameters and template arguments of C++.
    """
    if columns(function) > width and "/" in (path := function.partition("[")[0]):
        function = function[path.rfind("/") + 1 :]
    if columns(function) > width and "::" in function:
        function = _without_brackets(function)
    return cut_front(function, width)


def _without_brackets(name: str) -> str:
    """A C++ name without parameters, and ``<>`` for template arguments; one it can't read stays whole."""
    name = name.replace("(anonymous namespace)", "{anonymous}")
    head, operator, tail = name.rpartition("operator()")
    while (shorter := _TEMPLATE_ARGUMENTS.sub("\0", _PARAMETERS.sub("", head))) != head:
        head = shorter
    while (shorter := _TEMPLATE_ARGUMENTS.sub("\0", _PARAMETERS.sub("", tail))) != tail:
        tail = shorter
    return (head + operator + tail).replace("\0", "<>")


def short_place(file: str | None, line: int | None, width: int) -> str:
    """``lexer.c:88``: the file's own name and the line, the end of it if that is too long."""
    if file is None:
        return ""
    name = PurePosixPath(file).name
    return cut_front(printable(name) + (f":{line}" if line else ""), width)
