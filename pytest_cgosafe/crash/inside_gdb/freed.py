"""Whether memory has been given back to glibc's malloc.

A freed block in a thread's cache carries, in its second word, a random key that malloc chose for the
process (glibc 2.34 and later, malloc/malloc.c: tcache_entry, tcache_key). Only with the C library's
debug information is the key known; a block that carries it is free for certain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import gdb

from . import memory

if TYPE_CHECKING:
    from .evidence import Pointer

_KEY_OFFSET = 8


def freed_expression(pointers: list[Pointer]) -> str | None:
    """The first of `pointers`, or of the pointers that they lead to, that is freed, as an expression."""
    key = _key()
    if not key:
        return None
    for pointer in pointers:
        if memory.word(pointer.value + _KEY_OFFSET) == key:
            return pointer.name
        for member, value in _members(pointer):
            if value and memory.word(value + _KEY_OFFSET) == key:
                return f"{pointer.name}->{member}"
    return None


def _key() -> int | None:
    try:
        return memory.word(int(gdb.parse_and_eval("(unsigned long) &tcache_key")))
    except gdb.error:
        return None


def _members(pointer: Pointer) -> list[tuple[str, int | None]]:
    if pointer.target.code != gdb.TYPE_CODE_STRUCT:
        return []
    return [
        (field.name, memory.word(pointer.value + field.bitpos // 8))
        for field in pointer.target.fields()
        if field.name and field.type.strip_typedefs().code == gdb.TYPE_CODE_PTR
    ]
