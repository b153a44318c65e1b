"""Frames of arm64 code, from instructions encoded here (Arm ARM, C6.2): no arm64 machine or compiler is needed."""

import struct
from pathlib import Path

import pytest

from pytest_cgosafe.binary.callgraph import Cause
from pytest_cgosafe.binary.stackreport import StackReport, bound_stacks

BASE = 0x10000

# Encodings, with the offsets that the functions below need.
PUSH_64 = 0xA9BC7BFD  # stp x29, x30, [sp, #-64]!
POP_64 = 0xA8C47BFD  # ldp x29, x30, [sp], #64
FRAME_POINTER = 0x910003FD  # mov x29, sp
FROM_FRAME_POINTER = 0x910003BF  # mov sp, x29
SUB_32 = 0xD10083FF  # sub sp, sp, #32
ADD_32 = 0x910083FF  # add sp, sp, #32
SUB_PAGE = 0xD14007FF  # sub sp, sp, #1, lsl #12
ADD_PAGE = 0x914007FF  # add sp, sp, #1, lsl #12
SUB_X0 = 0xCB2063FF  # sub sp, sp, x0
NEVER_ZERO = 0xB4000000  # cbz x0
CALL_X1 = 0xD63F0020  # blr x1
JUMP_X1 = 0xD61F0020  # br x1
RETURN = 0xD65F03C0

FUNCTIONS: dict[str, list[int | tuple[str, str]]] = {
    "leaf": [SUB_32, ADD_32, RETURN],
    "large": [SUB_PAGE, ADD_PAGE, RETURN],
    "outer": [PUSH_64, FRAME_POINTER, ("call", "leaf"), ("call", "large"), POP_64, RETURN],
    "tail": [PUSH_64, ("call", "leaf"), POP_64, ("jump", "large")],
    "recursive": [PUSH_64, ("call", "recursive"), POP_64, RETURN],
    "roomy": [PUSH_64, FRAME_POINTER, SUB_X0, ("call", "leaf"), FROM_FRAME_POINTER, POP_64, RETURN],
    "pointed": [PUSH_64, CALL_X1, POP_64, RETURN],
    "branching": [("unless", "early"), PUSH_64, ("call", "large"), POP_64, RETURN],
    "early": [RETURN],
    "pointed_tail": [JUMP_X1],
}


def encode() -> tuple[bytes, dict[str, tuple[int, int]]]:
    """The code of all functions, and the address and size of each."""
    places, at = {}, BASE
    for name, words in FUNCTIONS.items():
        places[name] = at, 4 * len(words)
        at += 4 * len(words)
    code = bytearray()
    for words in FUNCTIONS.values():
        for word in words:
            if isinstance(word, tuple):
                kind, target = word
                distance = (places[target][0] - BASE - len(code)) // 4
                base = {"call": 0x94000000, "jump": 0x14000000, "unless": NEVER_ZERO}[kind]
                bits = (distance & 0x7FFFF) << 5 if kind == "unless" else distance & 0x3FFFFFF
                code += struct.pack("<I", base | bits)
            else:
                code += struct.pack("<I", word)
    return bytes(code), places


def write_elf(path: Path) -> Path:
    """An ELF file for arm64 with a text section and its symbols (elf(5))."""
    code, places = encode()
    names, symbols = b"\0", bytes(24)
    for name, (address, size) in places.items():
        symbols += struct.pack("<IBBHQQ", len(names), 0x12, 0, 1, address, size)
        names += name.encode() + b"\0"
    titles = b"\0.text\0.symtab\0.strtab\0.shstrtab\0"
    parts = [code, symbols, names, titles]
    offsets = [64 + sum(map(len, parts[:index])) for index in range(len(parts) + 1)]

    def section(title: bytes, kind: int, index: int, **more: int) -> bytes:
        return struct.pack(
            "<IIQQQQIIQQ", titles.index(title), kind, more.get("flags", 0), more.get("address", 0),
            offsets[index], len(parts[index]), more.get("link", 0), 0, 4, more.get("entry", 0),
        )  # fmt: skip

    headers = [
        bytes(64),
        section(b".text", 1, 0, flags=6, address=BASE),
        section(b".symtab", 2, 1, link=3, entry=24),
        section(b".strtab", 3, 2),
        section(b".shstrtab", 3, 3),
    ]
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = ident + struct.pack(
        "<HHIQQQIHHHHHH", 2, 183, 1, BASE, 0, offsets[-1], 0, 64, 0, 0, 64, len(headers), 4
    )
    path.write_bytes(head + b"".join(parts) + b"".join(headers))
    return path


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> StackReport:
    return bound_stacks(write_elf(tmp_path_factory.mktemp("arm64") / "code"), list(FUNCTIONS))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("leaf", 32),
        ("large", 4096),
        ("outer", 64 + 4096),
        ("tail", 4096),
        ("branching", 64 + 4096),
        ("early", 0),
    ],
)
def test_the_bound_of_arm64_code_is_exact(report: StackReport, name: str, size: int) -> None:
    assert report[name].unbounded == ()
    assert report[name].bound == size


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("recursive", Cause.RECURSION),
        ("roomy", Cause.DYNAMIC_FRAME),
        ("pointed", Cause.INDIRECT_CALL),
        ("pointed_tail", Cause.INDIRECT_CALL),
    ],
)
def test_what_leaves_arm64_code_without_a_bound_is_named(
    report: StackReport, name: str, cause: Cause
) -> None:
    assert report[name].bound is None
    assert [reason.cause for reason in report[name].unbounded] == [cause]


def test_a_recursion_on_arm64_takes_its_frame(report: StackReport) -> None:
    (reason,) = report["recursive"].unbounded
    assert reason.detail == "recursion: recursive -> recursive, 64 B a round"
