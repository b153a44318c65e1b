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
_UNKNOWN = "???"


def find_delve() -> Path | None:
    """The dlv on PATH, or in the go command's own place for programs, or None."""
    places = [os.environ.get("GOBIN"), str(Path.home() / "go" / "bin")]
    found = shutil.which("dlv") or shutil.which("dlv", path=os.pathsep.join(filter(None, places)))
    return Path(found) if found else None


def delve_backtrace(core: Path, binary: Path, tid: int, *, delve: Path) -> tuple[str | None, ...]:
    """The functions that Delve shows for a thread of a core, innermost first; None for its ``???``.

    Raises DebuggerError: Delve could not read the core, or did not answer.
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
    if not names:
        last = (run.stderr.strip() or said.strip() or "nothing").splitlines()[-1]
        raise DebuggerError(
            f"Delve showed no frames: {last}", next_step=f"{delve} core {binary} {core}"
        )
    return tuple(None if name == _UNKNOWN else name for name in names)


def disagreements(ours: Backtrace, delves: Sequence[str | None]) -> tuple[str, ...]:
    """Where Delve's frames differ from `ours`, a line for each place; nothing where they agree."""
    mine = [frame.function for frame in ours.frames]
    found = []
    matcher = SequenceMatcher(a=mine, b=list(delves), autojunk=False)
    for kind, start, end, first, last in matcher.get_opcodes():
        if kind == "equal":
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


def _listed(names: Sequence[str | None]) -> str:
    shown = [f"`{name}`" if name else _UNKNOWN for name in names[:4]]
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(shown) + more
