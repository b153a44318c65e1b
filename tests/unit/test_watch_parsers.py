"""What the watcher parses: /proc, siginfo_t, struct pthread; and the tail of a stream."""

from __future__ import annotations

import signal
import struct

import pytest

from pytest_cgosafe.watch.output import Tail
from pytest_cgosafe.watch.procfs import Mapping, has_huge_pages, parse_mappings, parse_stack_limit
from pytest_cgosafe.watch.signals import decode, signal_name
from pytest_cgosafe.watch.stacks import StackRange, _glibc, _musl
from pytest_cgosafe.watch.stops import SignalInfo

BLOCK, SIZE = 0x7F0000000000, 8 << 20
SP, POINTER = BLOCK + SIZE - 4096, BLOCK + SIZE - 2368


def test_a_mapping_keeps_spaces_in_its_path() -> None:
    text = "55d0-55e0 r-xp 00001000 08:01 42    /a b/c\n7ffe0000-7fff0000 rw-p 00000000 00:00 0 \n"
    assert parse_mappings(text) == (
        Mapping(0x55D0, 0x55E0, 0x1000, "/a b/c"),
        Mapping(0x7FFE0000, 0x7FFF0000, 0, ""),
    )


@pytest.mark.parametrize(("soft", "limit"), [("8388608", 8388608), ("unlimited", None)])
def test_the_soft_stack_limit_is_read(soft: str, limit: int | None) -> None:
    text = f"Limit\nMax data size   unlimited  unlimited bytes\nMax stack size   {soft}   unlimited   bytes\n"
    assert parse_stack_limit(text) == limit


@pytest.mark.parametrize(("size", "huge"), [("0", False), ("2048", True)])
def test_huge_pages_count_in_the_mapping_of_the_address_only(size: str, huge: bool) -> None:
    smaps = (
        "1000-2000 rw-p 0 00:00 0\nSize: 4 kB\nAnonHugePages:  4096 kB\n"
        f"2000-3000 rw-p 0 00:00 0\nSize: 4 kB\nAnonHugePages:  {size} kB\n"
    )
    assert has_huge_pages(smaps, 0x2800) is huge


@pytest.mark.parametrize(
    ("number", "name"),
    [(11, "SIGSEGV"), (signal.SIGRTMIN, "SIGRTMIN"), (signal.SIGRTMIN + 3, "SIGRTMIN+3")],
)
def test_signals_have_names(number: int, name: str) -> None:
    assert signal_name(number) == name


@pytest.mark.parametrize(
    ("number", "code", "expected"),
    [
        (signal.SIGSEGV, 1, SignalInfo("SIGSEGV", 1, 0x10)),
        (signal.SIGSEGV, 0x80, SignalInfo("SIGSEGV", 0x80, None)),
        (signal.SIGABRT, -6, SignalInfo("SIGABRT", -6, None)),
    ],
)
def test_only_a_fault_has_an_address(number: int, code: int, expected: SignalInfo) -> None:
    assert decode(struct.pack("<iiiiQ", number, 0, code, 0, 0x10)) == expected


def test_the_limit_of_a_glibc_stack_leaves_the_guard_out() -> None:
    words = (1, BLOCK, 7, BLOCK - 4096, SIZE + 4096, 4096, 4096, 9)
    assert list(_glibc(words, SP, POINTER)) == [StackRange(BLOCK, BLOCK + SIZE, SIZE, owned=True)]


def test_words_that_do_not_fit_the_registers_are_no_stack() -> None:
    assert list(_glibc((BLOCK, SIZE, 4096, 4096), BLOCK - 8, POINTER)) == []
    assert list(_glibc((BLOCK, SIZE, 4095, 4095), SP, POINTER)) == []
    assert list(_musl((BLOCK, SIZE, BLOCK + SIZE, SIZE, 4096), SP, POINTER)) == []


def test_a_musl_stack_ends_below_the_threads_own_data() -> None:
    top = POINTER - 256
    words = (3, BLOCK, SIZE, top, top - BLOCK - 8192, 8192)
    assert list(_musl(words, top - 64, POINTER)) == [
        StackRange(BLOCK + 8192, top, top - BLOCK - 8192)
    ]


def test_a_tail_never_begins_within_a_character() -> None:
    tail = Tail(4)
    for chunk in ("abc€".encode(), "ü!".encode()):
        tail.add(chunk)
    assert (tail.text, tail.dropped) == ("ü!", 5)


def test_a_tail_within_its_limit_is_whole() -> None:
    tail = Tail(4)
    tail.add(b"\x80abc")
    assert (tail.text, tail.dropped) == ("\udc80abc", 0)
