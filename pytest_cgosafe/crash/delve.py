"""A second opinion: what Delve says of the same core, and where it disagrees.

Only of cores: attached to a living process, Delve writes breakpoints into it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_cgosafe.errors import DebuggerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_cgosafe.results import Backtrace

_TIMEOUT = 60.0
_MOST_FRAMES = 400
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r"^ *\d+ +0x[0-9a-f]+ in (.+)$", re.MULTILINE)
_REFUSAL = re.compile(r"^Command failed: (.+)$", re.MULTILINE)
_UNKNOWN = "???"


def find_delve() -> Path | None:
    """The dlv on PATH, or where ``go install`` puts programs (``go help install``), or None."""
    gopath = os.environ.get("GOPATH") or str(Path.home() / "go")
    installed = os.environ.get("GOBIN") or str(Path(gopath.split(os.pathsep)[0], "bin"))
    found = shutil.which("dlv") or shutil.which("dlv", path=installed)
    return Path(found) if found else None


def cross_check(core: Path, binary: Path, ours: Backtrace, *, delve: Path) -> tuple[str, ...]:
    """What Delve says to `ours`, the backtrace of a core, as notes; also when it has no answer."""
    if ours.tid is None:
        return ("no cross-check: the thread is not known",)
    try:
        delves = delve_backtrace(core, binary, ours.tid, delve=delve)
    except DebuggerError as error:
        return (f"no cross-check: {error.message}",)
    found = disagreements(ours, delves)
    if not found:
        depth, height = _comparable(ours), len(ours.frames)
        part = f"the first {depth} of {height} frames, above those left out here"
        found = (f"Delve agrees with {part if depth < height else 'every frame'}",)
    return tuple(f"cross-check: {line}" for line in found)


def delve_backtrace(core: Path, binary: Path, tid: int, *, delve: Path) -> tuple[str | None, ...]:
    """The functions that Delve shows for a thread of a core, innermost first; None for its ``???``.

    At most 401 of them. Raises DebuggerError: Delve could not read the core, or did not answer.
    """
    command = [
        *(str(delve), "core", str(binary), str(core)),
        *("--check-go-version=false", "--allow-non-terminal-interactive=true"),
    ]
    questions = f"thread {tid}\nstack {_MOST_FRAMES}\nexit\n"
    try:
        run = subprocess.run(
            command,
            input=questions,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
            env={**os.environ, "TERM": "dumb"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DebuggerError(
            f"Delve did not answer: {error}", next_step=f"{delve} core {binary} {core}"
        ) from error
    # The first frame may share its line with the prompt.
    said = _COLOUR.sub("", run.stdout).replace("(dlv) ", "")
    names = [name.strip().removeprefix("C.") for name in _FRAME.findall(said)]
    refusal = _REFUSAL.search(run.stderr)  # after which it would show another thread's frames
    if refusal or not names:
        why = refusal[1] if refusal else _last_words(run.stderr) or _last_words(said) or "nothing"
        raise DebuggerError(
            f"Delve showed no frames: {why}", next_step=f"{delve} core {binary} {core}"
        )
    return tuple(None if name == _UNKNOWN else name for name in names)


def disagreements(ours: Backtrace, delves: Sequence[str | None]) -> tuple[str, ...]:
    """Where Delve's frames differ from `ours`, a line for each place; nothing where they agree.

    Held against each other down to where `ours` leaves frames out on purpose, or where Delve had enough.
    """
    depth = _comparable(ours)
    mine = [frame.function for frame in ours.frames[:depth]]
    found = []
    matcher = SequenceMatcher(a=mine, b=list(delves), autojunk=False)
    for kind, start, end, first, last in matcher.get_opcodes():
        below_ours = kind == "insert" and start == depth < len(ours.frames)
        below_delves = kind == "delete" and first == len(delves) > _MOST_FRAMES
        if kind == "equal" or below_ours or below_delves:
            continue
        place = f"after `{mine[start - 1]}`" if start else "at the innermost frame"
        said = _listed(delves[first:last])
        if kind == "insert":
            found.append(f"{place} Delve shows {said} more")
        elif kind == "delete":
            found.append(f"{place} Delve does not show {_listed(mine[start:end])}")
        else:
            found.append(f"{place} Delve shows {said} instead of {_listed(mine[start:end])}")
    return tuple(found)


def _comparable(ours: Backtrace) -> int:
    """The number of frames above the first that were left out."""
    return min((gap.after for gap in ours.gaps if gap.elided), default=len(ours.frames))


def _last_words(text: str) -> str:
    lines = [line for line in text.splitlines() if line and not line.startswith("WARNING")]
    return lines[-1] if lines else ""


def _listed(names: Sequence[str | None]) -> str:
    shown = [f"`{name}`" if name else _UNKNOWN for name in names[:4]]
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(shown) + more
