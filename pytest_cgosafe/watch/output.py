"""A program's standard streams: fed and drained by one thread, each output kept to a bound."""

from __future__ import annotations

import os
import selectors
from collections import deque
from threading import Thread

_CHUNK = 1 << 18
_LARGEST_PIPE = 1 << 20  # /proc/sys/fs/pipe-max-size, unless an administrator raised it


class Tail:
    """The last `limit` bytes of a stream; what is told last matters most when a program dies."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: deque[bytes] = deque()
        self._kept = 0
        self._total = 0

    def add(self, chunk: bytes) -> None:
        """Append to the stream."""
        self._chunks.append(chunk)
        self._kept += len(chunk)
        self._total += len(chunk)
        while self._kept - len(self._chunks[0]) >= self._limit > 0:
            self._kept -= len(self._chunks.popleft())

    @property
    def dropped(self) -> int:
        """Bytes that were not kept."""
        return max(0, self._total - self._limit)

    @property
    def text(self) -> str:
        """What was kept, as UTF-8; other bytes survive as surrogate escapes."""
        kept = b"".join(self._chunks)
        if self.dropped:
            kept = kept[len(kept) - self._limit :]
            # The cut may have gone through a character: at most three bytes continue one.
            head = kept[:3]
            kept = kept[
                next((i for i, byte in enumerate(head) if byte & 0xC0 != 0x80), len(head)) :
            ]
        return kept.decode("utf-8", "surrogateescape")


class Streams:
    """Feeds a program its stdin and drains its outputs, until they end or `finish` is called."""

    def __init__(
        self, stdin: int | None, data: bytes, outputs: tuple[tuple[int, Tail], ...]
    ) -> None:
        """Take over these file descriptors."""
        self._selector = selectors.DefaultSelector()
        self._data = memoryview(data)
        self._ended, self._end = os.pipe()
        self._selector.register(self._ended, selectors.EVENT_READ)
        for output, tail in outputs:
            os.set_blocking(output, False)
            self._selector.register(output, selectors.EVENT_READ, tail)
        if stdin is not None:
            os.set_blocking(stdin, False)
            self._selector.register(stdin, selectors.EVENT_WRITE)
        self._thread = Thread(target=self._run, name="cgosafe-streams", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Take what is there and come to an end; to be called when the program is gone.

        Whoever still holds the other end of a pipe is not waited for.
        """
        os.write(self._end, b".")
        self._thread.join()
        os.close(self._end)

    def _run(self) -> None:
        while self._ended in self._selector.get_map():
            for key, events in self._selector.select():
                if key.fd == self._ended:
                    self._drop(key.fd)
                elif events == selectors.EVENT_READ:
                    self._read(key.fd, key.data)
                else:
                    self._write(key.fd)
        for key in list(self._selector.get_map().values()):
            if key.data is None or not self._read_rest(key.fd, key.data):
                self._drop(key.fd)
        self._selector.close()

    def _read_rest(self, output: int, tail: Tail) -> bool:
        """Read what waits in the pipe, and no more than one can hold. Returns whether the stream's end was reached."""
        for _ in range(_LARGEST_PIPE // _CHUNK):
            if not self._read(output, tail):
                return output not in self._selector.get_map()
        return False

    def _read(self, output: int, tail: Tail) -> bool:
        try:
            chunk = os.read(output, _CHUNK)
        except BlockingIOError:
            return False
        if chunk:
            tail.add(chunk)
        else:
            self._drop(output)
        return bool(chunk)

    def _write(self, stdin: int) -> None:
        try:
            self._data = self._data[os.write(stdin, self._data[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # a program need not read to the end
            self._data = self._data[:0]
        if not self._data:
            self._drop(stdin)

    def _drop(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        os.close(descriptor)
