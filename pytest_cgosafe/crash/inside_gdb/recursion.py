"""Deep recursion: finds the cycle among the innermost frames, and skips to its far end.

A stack that ran over has up to 500,000 frames (in Go, millions), which gdb would take minutes to
unwind. Where every level takes the same number of bytes, the same return addresses stand at that
stride all the way up; where sizes vary, the chain of saved frame pointers leads there. What is
skipped is counted, never estimated.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .arch import Arch

_LONGEST_CYCLE = 16
_CHUNK = 4 << 20
_LARGEST_FRAME = 1 << 20
_FEWEST_SKIPPED = 32  # frames; fewer are as soon walked as left out


@dataclass(frozen=True)
class Physical:
    """One real frame, with the functions that are inlined into it in front of its own."""

    pc: int
    sp: int
    functions: Sequence[str | None]


@dataclass(frozen=True)
class Skip:
    """A jump to the far end of a recursion."""

    frames: int
    """The frames that are left out, inlined ones counted too."""
    functions: Sequence[str | None]
    """Those of one level, innermost first."""
    stride: int | None
    """Bytes of one level, or None where levels differ."""
    registers: Mapping[str, int]
    """Those of the last frame that is left out."""


def find_skip(
    frames: Sequence[Physical], registers: Mapping[str, int], arch: Arch, top: int
) -> Skip | None:
    """The jump from the last of `frames`, which has `registers`, on a stack that ends at `top`."""
    period = _period(frames)
    if period:
        skip = _by_stride(frames, period, registers, arch, top)
        if skip:
            return skip
    return _by_frame_pointers(frames, period, registers, arch, top)


def _period(frames: Sequence[Physical]) -> int:
    """The length of the shortest cycle in which the last frames are caught, or 0."""
    pcs = [frame.pc for frame in frames]
    for period in range(1, _LONGEST_CYCLE + 1):
        window = max(3 * period, 12)
        if len(pcs) < window + period:
            break
        if all(pcs[i] == pcs[i - period] for i in range(len(pcs) - window, len(pcs))):
            return period
    return 0


def _by_stride(
    frames: Sequence[Physical], period: int, registers: Mapping[str, int], arch: Arch, top: int
) -> Skip | None:
    here, level = frames[-1], frames[-period - 1 :]
    stride = here.sp - level[0].sp
    if stride % 8 or any(
        frames[-n].sp - frames[-n - period].sp != stride for n in range(1, 2 * period + 1)
    ):
        return None
    slots = [_return_slot(lower, upper) for lower, upper in zip(level, level[1:])]
    levels = min(
        _levels(slot, upper.pc, stride, top) if slot else 0 for slot, upper in zip(slots, level[1:])
    )
    levels -= 2  # the frames of the last ones restore the registers that differ at the far end
    names = _names(level[1:])
    if levels * len(names) < _FEWEST_SKIPPED:
        return None
    moved = levels * stride
    return Skip(
        frames=levels * len(names),
        functions=names,
        stride=stride,
        registers={
            **{
                name: value + moved if here.sp <= value < here.sp + _LARGEST_FRAME else value
                for name, value in registers.items()
            },
            arch.pc: here.pc,
            arch.sp: here.sp + moved,
        },
    )


def _by_frame_pointers(
    frames: Sequence[Physical], period: int, registers: Mapping[str, int], arch: Arch, top: int
) -> Skip | None:
    here = frames[-1]
    inside = frames[-period:] if period else frames[len(frames) // 2 :]
    pcs = {frame.pc for frame in inside}
    fp = registers.get(arch.fp, 0)
    data = memory.read(here.sp, top - here.sp) if here.sp <= fp < top else None
    if data is None:
        return None
    chain: list[tuple[int, int]] = []
    end = 0
    while here.sp <= fp <= top - 16:
        saved, back = struct.unpack_from("<QQ", data, fp - here.sp)
        chain.append((fp, back))
        if back in pcs:
            end = len(chain)
        if saved <= fp:
            break
        fp = saved
    count = end - 2
    if count < _FEWEST_SKIPPED:
        return None
    fp, back = chain[count - 1]
    far = {**registers, arch.pc: back, arch.sp: fp + 16, arch.fp: chain[count][0]}
    names = list(dict.fromkeys(_names(inside)))
    return Skip(frames=count, functions=names, stride=None, registers=far)


def _names(frames: Sequence[Physical]) -> list[str | None]:
    return [name for frame in frames for name in frame.functions]


def _return_slot(lower: Physical, upper: Physical) -> int | None:
    """Where `lower` keeps the return address into `upper`: the highest such word below it."""
    start = max(lower.sp, upper.sp - _LARGEST_FRAME)
    data = memory.read(start, upper.sp - start) if upper.sp > start else None
    if data is None or len(data) % 8:
        return None
    wanted = struct.pack("<Q", upper.pc)
    places = (at for at in range(len(data) - 8, -1, -8) if data[at : at + 8] == wanted)
    at = next(places, None)
    return None if at is None else start + at


def _levels(slot: int, pc: int, stride: int, top: int) -> int:
    """How many times in a row `pc` stands at `slot` and every `stride` bytes above it."""
    per_chunk = max(1, _CHUNK // stride)
    levels = 0
    while slot <= top - 8:
        count = min(per_chunk, (top - 8 - slot) // stride + 1)
        data = memory.read(slot, (count - 1) * stride + 8)
        if data is None:
            return levels
        found = memoryview(data).cast("Q")[:: stride // 8].tolist()
        if found.count(pc) < count:
            return levels + next(i for i, value in enumerate(found) if value != pc)
        levels += count
        slot += count * stride
    return levels
