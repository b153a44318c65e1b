"""A crash or a hang as text that a person can act on: most useful line first, user frames first to the eye."""

from __future__ import annotations

import linecache
import textwrap
from typing import TYPE_CHECKING

from pytest_cgosafe.crash.layout import Repeat, Switch, lay_out
from pytest_cgosafe.crash.naming import c_function_called, user_frames
from pytest_cgosafe.crash.text import columns, cut, pad, printable, short_function, short_place
from pytest_cgosafe.results import Frame, Gap, Language
from pytest_cgosafe.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_cgosafe.crash.layout import Layout
    from pytest_cgosafe.results import Backtrace, Crash, GoroutineGroup, Hang, Recursion

MORE_IN_PYTEST = "--cgosafe-backtrace=full"
_WIDEST_FUNCTION = 34
_WIDEST_PLACE = 24
_SIZE_WIDTH = 9
_SOURCES_SHOWN = 2
_LANGUAGES = {
    Language.C: "C",
    Language.GO: "Go",
    Language.ASM: "assembly",
    Language.PYTHON: "Python",
}


class _Pen:
    """Paints text with ANSI colours (SGR), or leaves it as it is; and knows the option that shows more."""

    def __init__(self, colour: bool, more: str) -> None:
        self._colour = colour
        self.more = more

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and text else text

    def alarm(self, text: str) -> str:
        return self._paint("1;31", text)

    def strong(self, text: str) -> str:
        return self._paint("1", text)

    def faint(self, text: str) -> str:
        return self._paint("2", text)

    def mark(self, text: str) -> str:
        return self._paint("36", text)


def render_crash(
    crash: Crash,
    *,
    full: bool = False,
    colour: bool = False,
    width: int = 80,
    more: str = MORE_IN_PYTEST,
) -> Iterator[str]:
    """The lines of a crash report, at most `width` columns each but for unbreakable words.

    `more` is the option that gives `full`: frames of the runtime, whole arguments, locals, registers and the words at
    the stack pointer.
    """
    pen = _Pen(colour, more)
    layout = lay_out(crash.backtrace, crash.recursion, full=full)
    folded = lay_out(crash.backtrace, crash.recursion) if full else layout
    for line in _wrap(_headline(crash, folded), width):
        yield pen.alarm(line)
    yield from _wrap("; ".join(filter(None, _circumstances(crash, layout))), width)
    yield ""
    yield from _backtrace(crash.backtrace, layout, pen, full=full, width=width)
    if crash.others:
        yield from _wrap(f"other goroutines: {', '.join(_others(crash.others))}", width)
    for note in crash.notes:
        yield from _wrap(f"note: {note}", width)
    if full:
        yield from _machine_state(crash, width)


def render_hang(
    hang: Hang,
    *,
    full: bool = False,
    colour: bool = False,
    width: int = 80,
    more: str = MORE_IN_PYTEST,
) -> Iterator[str]:
    """The lines that say where every thread stood; threads that run nothing of the user's are only counted."""
    pen = _Pen(colour, more)
    idle = [thread for thread in hang.threads if next(user_frames(thread.frames), None) is None]
    nothing_else = len(idle) == len(hang.threads) and not hang.others
    if full or nothing_else:
        idle = []
    for thread in hang.threads:
        if thread in idle:
            continue
        yield ""
        yield pen.strong(f"{_who(thread)}:")
        yield from _backtrace(thread, lay_out(thread, full=full), pen, full=full, width=width)
    if hang.others:
        yield ""
        yield from _wrap(f"other goroutines: {', '.join(_others(hang.others))}", width)
    if idle:
        yield ""
        count = len(idle)
        yield f"({count} more {_plural('thread', count)} with no code of the user's; {more} shows them)"


def _headline(crash: Crash, layout: Layout) -> str:
    if crash.signal is None or crash.cause.startswith((crash.signal, "panic: ", "fatal error: ")):
        return crash.cause
    frame = next((line for line in layout.lines if isinstance(line, Frame)), None)
    language = _LANGUAGES.get(frame.language) if frame and frame.language else None
    return f"{crash.signal}{f' in {language}' if language else ''}: {crash.cause}"


def _circumstances(crash: Crash, layout: Layout) -> Iterator[str]:
    if crash.recursion:
        yield _depth(crash, crash.recursion)
    detail = crash.code or crash.signal
    if detail and detail not in crash.cause and not crash.recursion:
        signal = f"{crash.signal} ({crash.code})" if crash.code else detail
        address = crash.address is not None and f"{crash.address:#x}" not in crash.cause
        yield f"{signal} at address {crash.address:#x}" if address else signal
    where = _who(crash.backtrace)
    yield (
        where.removeprefix(f"thread {crash.backtrace.tid}, ")
        if f"thread {crash.backtrace.tid}" in crash.cause
        else where
    )
    caller = next((frame for frame in layout.user if frame.language is Language.GO), None)
    if caller and layout.user[0].language is not Language.GO:
        yield f"called from {short_function(caller.function or '', _WIDEST_FUNCTION)}"


def _depth(crash: Crash, recursion: Recursion) -> str:
    levels = f"{recursion.levels:,} levels"
    told = levels in crash.cause
    if recursion.bytes_per_level is None:
        return "" if told else levels
    used = format_size(recursion.levels * recursion.bytes_per_level)
    return (
        f"{used} of stack used"
        if told
        else f"{levels} of {recursion.bytes_per_level} B used {used}"
    )


def _who(backtrace: Backtrace) -> str:
    thread = f"thread {backtrace.tid}" if backtrace.tid is not None else ""
    goroutine = f"goroutine {backtrace.goroutine}" if backtrace.goroutine is not None else ""
    return ", ".join(filter(None, (thread, goroutine))) or "an unknown thread"


def _backtrace(
    backtrace: Backtrace, layout: Layout, pen: _Pen, *, full: bool, width: int
) -> Iterator[str]:
    table = _Table([line for line in layout.lines if isinstance(line, Frame)], width, full=full)
    sources = {id(frame) for frame in _with_source(layout.user)}
    written = {id(frame) for frame in layout.user}
    for line in layout.lines:
        match line:
            case Frame():
                yield table.row(line, pen, user=id(line) in written)
                if id(line) in sources:
                    yield _source(line, width)
                if full:
                    yield from _variables(line, width)
            case Repeat():
                yield _repeat(line, width)
            case Switch():
                yield pen.mark(f"-- {line.inner} stack | {line.why} ".ljust(width - 8, "-"))
            case Gap():
                yield from _wrap(_missing(line), width, indent="  ")
    if created := backtrace.created_by:
        place = short_place(created.file, created.line, _WIDEST_PLACE)
        by = f" (goroutine {created.goroutine})" if created.goroutine else ""
        yield cut(
            f"  created by {printable(created.function)}{f' at {place}' if place else ''}{by}",
            width,
        )
    if layout.folded:
        frames = f"{layout.folded} {_plural('frame', layout.folded)} of the Go runtime folded"
        yield pen.faint(f"({frames}; {pen.more} shows {'them' if layout.folded > 1 else 'it'})")


class _Table:
    """The columns of a backtrace: function, place, bytes of stack, arguments."""

    def __init__(self, frames: Sequence[Frame], width: int, *, full: bool) -> None:
        self._width = width
        self._cut_args = not full
        names = [columns(printable(frame.function or "??")) for frame in frames]
        places = [columns(short_place(frame.file, frame.line, _WIDEST_PLACE)) for frame in frames]
        self._function = min(max(names, default=0), _WIDEST_FUNCTION)
        self._place = max(places, default=0)

    def row(self, frame: Frame, pen: _Pen, *, user: bool) -> str:
        name = (
            printable(frame.function)
            if frame.function
            else f"{frame.pc:#x}"
            if frame.pc is not None
            else "?"
        )
        function = pad(short_function(name, self._function), self._function)
        place = pad(short_place(frame.file, frame.line, _WIDEST_PLACE), self._place)
        size = f"{format_size(frame.size) if frame.size is not None else '':>{_SIZE_WIDTH}}"
        head = f"  {function}  {place} {size}"
        args = printable(frame.args or "")
        if self._cut_args:
            args = cut(args, max(0, self._width - columns(head) - 2))
        painted = f"  {pen.strong(function) if user else pen.faint(function)}  {place} {size}"
        return f"{painted}  {args}".rstrip() if args else painted.rstrip()


def _with_source(user: Sequence[Frame]) -> Iterator[Frame]:
    """The innermost frame of the user's, and the innermost in another language: who crashed, and who called it."""
    found = [frame for frame in user if _source_line(frame)]
    yield from found[:1]
    other = (frame for frame in found[1:] if frame.language is not found[0].language)
    yield from list(other)[: _SOURCES_SHOWN - 1]


def _source_line(frame: Frame) -> str:
    if frame.file is None or frame.line is None:
        return ""
    return linecache.getline(frame.file, frame.line).strip()


def _source(frame: Frame, width: int) -> str:
    return cut(f"    > {frame.line:>3} | {printable(_source_line(frame))}", width)


def _variables(frame: Frame, width: int) -> Iterator[str]:
    for variable in frame.locals:
        yield from _wrap(f"{variable.name} = {printable(variable.value)}", width, indent="        ")


def _repeat(repeat: Repeat, width: int) -> str:
    count = f" x {repeat.levels:,}"
    return cut(f"  ... {' <- '.join(repeat.functions)}", width - len(count)) + count


def _missing(gap: Gap) -> str:
    if gap.elided is None:
        return f"... frames are missing here: {gap.reason}"
    return f"... {gap.elided:,} {_plural('frame', gap.elided)} left out ({gap.reason})"


def _others(groups: Iterable[GoroutineGroup]) -> Iterator[str]:
    idle = 0
    for group in groups:
        if group.function is None:
            idle += group.count
        else:
            called = c_function_called(group.function)
            yield f"{group.count} in {group.state} ({f'C.{called}' if called else group.function})"
    if idle:
        yield f"{idle} idle of the runtime"


def _machine_state(crash: Crash, width: int) -> Iterator[str]:
    if crash.registers:
        yield ""
        cells = [f"{register.name:<7}{register.value:#018x}" for register in crash.registers]
        per_line = max(1, width // 27)
        yield from ("  ".join(cells[at : at + per_line]) for at in range(0, len(cells), per_line))
    sp = next(
        (register.value for register in crash.registers if register.name in ("rsp", "sp")), None
    )
    if crash.words:
        yield ""
        for at in range(0, len(crash.words), 2):
            where = f"{sp + 8 * at:#018x}" if sp is not None else f"sp+{8 * at}"
            yield f"{where}:  " + "  ".join(f"{word:#018x}" for word in crash.words[at : at + 2])


def _wrap(text: str, width: int, *, indent: str = "") -> Iterator[str]:
    yield from textwrap.wrap(
        printable(text),
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
