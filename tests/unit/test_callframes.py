"""Call frame information, against pyelftools' reading of the same files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from elftools.dwarf.callframe import FDE
from elftools.elf.elffile import ELFFile

from pytest_cgosafe.binary.callframes import Place
from pytest_cgosafe.binary.codefile import CodeFile, read_code

Build = Callable[..., Path]


def code_of(path: Path) -> CodeFile:
    code = read_code(path)
    assert code is not None
    return code


def expected_rows(path: Path, section: str) -> Iterator[tuple[int, int | None, int]]:
    """Address, register and offset of every row that counts from a register."""
    with path.open("rb") as file:
        dwarf = ELFFile(file).get_dwarf_info(relocate_dwarf_sections=False)
        entries = dwarf.EH_CFI_entries() if section == ".eh_frame" else dwarf.CFI_entries()
        for entry in entries:
            if isinstance(entry, FDE) and entry["initial_location"]:
                for row in entry.get_decoded().table:
                    if row["cfa"].expr is None:
                        yield row["pc"], row["cfa"].reg, row["cfa"].offset


def test_every_row_of_a_c_program_is_read(c_program: Build) -> None:
    path = c_program("attribution/plain", "-O2")
    frames = code_of(path).frames
    rows = list(expected_rows(path, ".eh_frame"))
    assert len(rows) > 50
    for pc, register, offset in rows:
        row = frames.row(pc)
        assert row is not None, hex(pc)
        assert row.cfa == Place(register, offset), hex(pc)


def test_the_rows_of_go_functions_are_read(program: Build) -> None:
    path = program("watch/ends")
    code = code_of(path)
    main = code.named("main.main")
    assert main is not None
    rows = [row for row in expected_rows(path, ".debug_frame") if main.start <= row[0] < main.end]
    assert rows
    for pc, register, offset in rows:
        row = code.frames.row(pc)
        assert row is not None, hex(pc)
        assert row.cfa == Place(register, offset), hex(pc)


def test_what_a_signal_handler_returns_to_is_known_as_such(c_program: Build) -> None:
    code = code_of(c_program("attribution/plain", "-O1", "-static"))
    restore = code.named("__restore_rt")
    assert restore is not None
    row = code.frames.row(restore.start)
    assert row is not None
    assert row.is_signal


def test_a_call_is_recognised_by_where_it_returns_to(c_program: Build) -> None:
    code = code_of(c_program("attribution/plain", "-O0"))
    function = code.named("first")
    assert function is not None
    addresses = range(function.start, function.end + 1)
    targets = [
        found.name
        for pc in addresses
        if (call := code.call_before(pc)) and call.target and (found := code.function(call.target))
    ]
    assert targets == ["recurse"]


def test_a_call_of_a_library_has_the_name_that_is_looked_up(c_program: Build) -> None:
    for flags in (("-O0",), ("-O0", "-no-pie", "-fno-plt")):
        code = code_of(c_program("attribution/plain", *flags))
        function = code.named("prints")
        assert function is not None
        addresses = range(function.start, function.end + 1)
        symbols = [call.symbol for pc in addresses if (call := code.call_before(pc))]
        assert symbols == ["snprintf"], flags
