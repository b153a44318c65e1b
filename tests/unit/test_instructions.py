"""Which instructions may be run in a copy elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_cgosafe.watch.instructions import runs_anywhere
from pytest_cgosafe.watch.machine import this_machine

AMD64 = replace(this_machine(), name="x86_64")
ARM64 = replace(this_machine(), name="aarch64")


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("55", id="push %rbp"),
        pytest.param("4157", id="push %r15"),
        pytest.param("f30f1efa", id="endbr64"),
        pytest.param("4883ec08", id="sub $8,%rsp"),
        pytest.param("493b6610", id="cmp 0x10(%r14),%rsp"),
        pytest.param("4c8da42478ffffff", id="lea -0x88(%rsp),%r12"),
        pytest.param("4863 4708", id="movslq 8(%rdi),%rax"),
        pytest.param("f20f1007", id="movsd (%rdi),%xmm0"),
        pytest.param("c3", id="ret"),
    ],
)
def test_what_begins_a_function_runs_anywhere(code: str) -> None:
    assert runs_anywhere(AMD64, bytes.fromhex(code).ljust(15, b"\0"))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("8b05 12345678", id="mov 0x78563412(%rip),%eax"),
        pytest.param("488d3d 00000010", id="lea 0x10000000(%rip),%rdi"),
        pytest.param("f20f1005 00000010", id="movsd 0x10000000(%rip),%xmm0"),
        pytest.param("660f2e05 00000010", id="ucomisd 0x10000000(%rip),%xmm0"),
        pytest.param("833d 00000010 01", id="cmpl $1,0x10000000(%rip)"),
        pytest.param("e9 00000010", id="jmp"),
        pytest.param("eb10", id="jmp short"),
        pytest.param("7410", id="je"),
        pytest.param("0f84 00000010", id="je far"),
        pytest.param("e8 00000010", id="call"),
        pytest.param("ff25 00000010", id="jmp *0x10000000(%rip)"),
        pytest.param("ffd0", id="call *%rax"),
        pytest.param("c5f8100f", id="an instruction that is not known"),
        pytest.param("0f05", id="syscall"),
    ],
)
def test_what_depends_on_its_address_or_is_not_known_does_not(code: str) -> None:
    assert not runs_anywhere(AMD64, bytes.fromhex(code).ljust(15, b"\0"))


@pytest.mark.parametrize(
    ("word", "anywhere"),
    [
        pytest.param(0xA9BF7BFD, True, id="stp x29, x30, [sp, #-16]!"),
        pytest.param(0xD10083FF, True, id="sub sp, sp, #0x20"),
        pytest.param(0xF9400B90, True, id="ldr x16, [x28, #16]"),
        pytest.param(0xD503233F, True, id="paciasp"),
        pytest.param(0x10000000, False, id="adr x0, ."),
        pytest.param(0xB0000000, False, id="adrp x0"),
        pytest.param(0x14000004, False, id="b"),
        pytest.param(0x94000004, False, id="bl"),
        pytest.param(0x54000040, False, id="b.eq"),
        pytest.param(0xB4000040, False, id="cbz x0"),
        pytest.param(0x36000040, False, id="tbz w0, #0"),
        pytest.param(0x58000040, False, id="ldr x0, ."),
        pytest.param(0xD63F0000, False, id="blr x0"),
    ],
)
def test_on_arm64_all_runs_anywhere_but_what_is_relative(word: int, anywhere: bool) -> None:
    assert runs_anywhere(ARM64, word.to_bytes(4, "little")) is anywhere
