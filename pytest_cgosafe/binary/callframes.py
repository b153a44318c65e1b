"""Call frame information: where the caller of a function is found, at any of its instructions.

Compilers write it into ``.eh_frame``, Go's linker for Go functions into ``.debug_frame`` (DWARF 5, section 6.4; the
Linux Standard Base, Core, "Exception Frames"). The entries are indexed without being decoded, and only those that are
asked for are run: a Go binary has thousands.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OFFSET, _RESTORE, _ADVANCE = 0x80, 0xC0, 0x40
_ADVANCES: Final = {2: "<B", 3: "<H", 4: "<I"}
# Operands of the opcodes that have no further meaning here: "u" and "s" are LEB128 numbers, "b" a block.
_OPERANDS: Final = {
    0x05: "uu", 0x06: "u", 0x07: "u", 0x08: "u", 0x09: "uu", 0x0C: "uu", 0x0D: "u", 0x0E: "u", 0x0F: "b", 0x10: "ub",
    0x11: "us", 0x12: "us", 0x13: "s", 0x14: "uu", 0x15: "us", 0x16: "ub", 0x2E: "u", 0x2F: "uu",
}  # fmt: skip
_CFA_OPCODES: Final = frozenset((0x0C, 0x0D, 0x0E, 0x0F, 0x12, 0x13))  # DW_CFA_def_cfa and its kin
_OFFSETS: Final = frozenset((0x05, 0x11))  # DW_CFA_offset_extended, _sf
_LOST: Final = frozenset((0x07, 0x09, 0x14, 0x15, 0x16))  # undefined, in a register, or a value
_BREG0, _DEREF = 0x70, 0x06


@dataclass(frozen=True, slots=True)
class Place:
    """An address, or the word that stands there."""

    register: int | None
    """The DWARF number of the register that `offset` counts from; None: the canonical frame address (CFA)."""
    offset: int
    indirect: bool = False
    """The word at that address is meant."""


@dataclass(frozen=True, slots=True)
class Row:
    """How to find the caller's frame at one instruction."""

    cfa: Place | None
    """The CFA, the caller's stack pointer after the return; None where it is told in a way not understood here."""
    saved: Mapping[int, Place | None]
    """Where the caller's registers are, by DWARF number: None where they are lost, no entry where still the same."""
    is_signal: bool
    """The caller was interrupted by a signal: it made no call."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The extent of a function's code that is described together, as linked."""

    start: int
    end: int
    _table: _Table = field(repr=False)
    _at: int = field(repr=False)


@dataclass(slots=True)
class _State:
    cfa: Place | None = None
    saved: dict[int, Place | None] = field(default_factory=dict)

    def copy(self) -> _State:
        return _State(self.cfa, dict(self.saved))


@dataclass(frozen=True, slots=True)
class _Common:
    """A CIE: what a number of entries have in common."""

    code: int
    data: int
    encoding: int
    augmented: bool
    is_signal: bool
    program: bytes


class CallFrames:
    """The call frame information of one ELF file."""

    def __init__(self, tables: tuple[_Table, ...]) -> None:
        """Index what :func:`table` read."""
        self._entries = sorted(
            (entry for table in tables for entry in table.entries()), key=lambda entry: entry.start
        )
        self._starts = [entry.start for entry in self._entries]

    def entry(self, pc: int) -> Entry | None:
        """The entry that covers `pc`, as linked; None where there is none."""
        at = bisect_right(self._starts, pc) - 1
        return self._entries[at] if at >= 0 and pc < self._entries[at].end else None

    def row(self, pc: int) -> Row | None:
        """How to find the caller at `pc`, as linked; None where that is not told."""
        entry = self.entry(pc)
        rows = self.rows(entry) if entry else iter(())
        found = None
        for start, row in rows:
            if start > pc:
                break
            found = row
        return found

    def rows(self, entry: Entry) -> Iterator[tuple[int, Row]]:
        """Each row of an entry with the address where it begins to hold."""
        return entry._table.run(entry)


class _Table:
    """One section."""

    def __init__(self, data: bytes, address: int, *, is_eh: bool) -> None:
        self._data = data
        self._address = address
        self._is_eh = is_eh
        self._commons: dict[int, _Common] = {}

    def entries(self) -> Iterator[Entry]:
        at, data = 0, self._data
        while at + 8 <= len(data):
            length, identity = struct.unpack_from("<II", data, at)
            if length >= 0xFFFFFFF0:  # 64-bit DWARF
                return
            if length and identity != (0 if self._is_eh else 0xFFFFFFFF):
                origin = at + 4 - identity if self._is_eh else identity
                common = self._common(origin)
                extent = common and self._extent(at + 8, common.encoding)
                if extent and extent[0]:  # what the linker discarded is at 0
                    yield Entry(extent[0], extent[0] + extent[1], self, at)
            at += 4 + length

    def _extent(self, at: int, encoding: int) -> tuple[int, int] | None:
        form = {0x0: "<QQ", 0x3: "<II", 0x4: "<QQ", 0xB: "<iI", 0xC: "<qQ"}.get(encoding & 0xF)
        if form is None or encoding & 0x70 not in (0, 0x10) or at + 16 > len(self._data) + 8:
            return None
        start, size = struct.unpack_from(form, self._data, at)
        return start + (self._address + at if encoding & 0x10 else 0), size

    def _common(self, at: int) -> _Common | None:
        if at not in self._commons:
            if not 0 <= at < len(self._data) - 8:
                return None
            self._commons[at] = self._read_common(at)
        return self._commons[at]

    def _read_common(self, at: int) -> _Common:
        (length,) = struct.unpack_from("<I", self._data, at)
        reader = _Reader(self._data, at + 8, at + 4 + length)
        version = reader.byte()
        augmentation = reader.text()
        if not self._is_eh and version >= 4:
            reader.byte(), reader.byte()  # address_size, segment_selector_size
        code, data = reader.unsigned(), reader.signed()
        reader.byte() if version == 1 else reader.unsigned()  # the return address's register
        encoding, end = 0, 0
        if augmentation.startswith("z"):
            size = reader.unsigned()
            end = reader.at + size
            for letter in augmentation[1:]:
                if letter == "R":
                    encoding = reader.byte()
                elif letter == "L":
                    reader.byte()
                elif letter == "P":
                    width = {0x2: 2, 0x3: 4, 0xA: 2, 0xB: 4}.get(reader.byte() & 0xF, 8)
                    reader.at += width
            reader.at = end
        program = self._data[reader.at : reader.end]
        return _Common(code, data, encoding, bool(end), "S" in augmentation, program)

    def run(self, entry: Entry) -> Iterator[tuple[int, Row]]:
        length, identity = struct.unpack_from("<II", self._data, entry._at)
        common = self._common(entry._at + 4 - identity if self._is_eh else identity)
        assert common  # it was, when the entry was made
        width = 4 if common.encoding & 0xF in (0x3, 0xB) else 8
        reader = _Reader(self._data, entry._at + 8 + 2 * width, entry._at + 4 + length)
        if common.augmented:
            reader.at += reader.unsigned()
        initial = _State()
        for _ in _Program(_Reader(common.program, 0, len(common.program)), common, initial, None):
            pass
        state = initial.copy()
        pc = entry.start
        for advance in _Program(reader, common, state, initial):
            yield pc, Row(state.cfa, dict(state.saved), common.is_signal)
            pc += advance
        yield pc, Row(state.cfa, dict(state.saved), common.is_signal)


@dataclass(slots=True)
class _Reader:
    data: bytes
    at: int
    end: int

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return int(value)

    def unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def signed(self) -> int:
        start = self.at
        value = self.unsigned()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if value >> (bits - 1) else value

    def text(self) -> str:
        start = self.at
        self.at = self.data.index(b"\0", start) + 1
        return self.data[start : self.at - 1].decode("ascii", "replace")

    def block(self) -> bytes:
        size = self.unsigned()
        self.at += size
        return self.data[self.at - size : self.at]


class _Program:
    """Runs instructions on a state; iterating yields the bytes of code by which each one that moves on does so."""

    def __init__(
        self, reader: _Reader, common: _Common, state: _State, initial: _State | None
    ) -> None:
        self._reader = reader
        self._common = common
        self._state = state
        self._initial = initial or _State()
        self._kept: list[_State] = []

    def __iter__(self) -> Iterator[int]:
        reader, common = self._reader, self._common
        while reader.at < reader.end:
            opcode = reader.byte()
            if opcode & 0xC0 == _ADVANCE:
                yield (opcode & 0x3F) * common.code
            elif opcode & 0xC0 == _OFFSET:
                self._state.saved[opcode & 0x3F] = Place(None, reader.unsigned() * common.data)
            elif opcode & 0xC0 == _RESTORE:
                self._restore(opcode & 0x3F)
            elif opcode in _ADVANCES:
                yield reader.number(_ADVANCES[opcode]) * common.code
            elif opcode in _OPERANDS:
                operands = [self._operand(kind) for kind in _OPERANDS[opcode]]
                self._apply(opcode, operands)
            elif opcode == 0x0A:
                self._kept.append(self._state.copy())
            elif opcode == 0x0B and self._kept:
                kept = self._kept.pop()
                self._state.cfa, self._state.saved = kept.cfa, kept.saved
            elif opcode:  # one that is not known: what follows can't be told
                self._state.cfa = None
                return

    def _operand(self, kind: str) -> int | bytes:
        reader = self._reader
        return (
            reader.block() if kind == "b" else reader.signed() if kind == "s" else reader.unsigned()
        )

    def _restore(self, register: int) -> None:
        if register in self._initial.saved:
            self._state.saved[register] = self._initial.saved[register]
        else:
            self._state.saved.pop(register, None)

    def _apply(self, opcode: int, operands: list[int | bytes]) -> None:
        state, data = self._state, self._common.data
        numbers = [value for value in operands if isinstance(value, int)]
        block = next((value for value in operands if isinstance(value, bytes)), b"")
        if opcode in _CFA_OPCODES:
            state.cfa = self._new_cfa(opcode, numbers, block)
        elif opcode in _OFFSETS:
            state.saved[numbers[0]] = Place(None, numbers[1] * data)
        elif opcode in _LOST:
            state.saved[numbers[0]] = None
        elif opcode == 0x10:
            state.saved[numbers[0]] = _expression(block)
        elif opcode == 0x06:
            self._restore(numbers[0])
        elif opcode == 0x08:
            state.saved.pop(numbers[0], None)

    def _new_cfa(self, opcode: int, numbers: list[int], block: bytes) -> Place | None:
        cfa, data = self._state.cfa, self._common.data
        match opcode:
            case 0x0C:
                return Place(numbers[0], numbers[1])
            case 0x12:
                return Place(numbers[0], numbers[1] * data)
            case 0x0D:
                return cfa and replace(cfa, register=numbers[0])
            case 0x0E:
                return cfa and replace(cfa, offset=numbers[0])
            case 0x13:
                return cfa and replace(cfa, offset=numbers[0] * data)
        return _expression(block)


def _expression(block: bytes) -> Place | None:
    """``register + offset``, or the word there: all that compilers need for realigned stacks and signal frames."""
    if not block or not _BREG0 <= block[0] < _BREG0 + 32:
        return None
    reader = _Reader(block, 1, len(block))
    offset = reader.signed()
    rest = block[reader.at :]
    if rest not in (b"", bytes([_DEREF])):
        return None
    return Place(block[0] - _BREG0, offset, indirect=bool(rest))


def table(data: bytes, address: int, *, is_eh: bool) -> _Table:
    """The section ``.eh_frame`` (`is_eh`) or ``.debug_frame`` with its contents and its address as linked."""
    return _Table(data, address, is_eh=is_eh)
