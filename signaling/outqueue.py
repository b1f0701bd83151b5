"""What waits to be sent to one client: bounded, and of what replaces itself only the newest.

It takes the place of the queue that python-engineio makes for each socket, and offers what that library uses of one.
Nothing is handed out before the socket has taken what came before, so whatever still waits can be replaced.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from itertools import count
from typing import Any

from engineio import packet

from signaling.metrics import DROPPED

MAX_WAITING = 200
"""Messages. A snapshot replaces what a client has missed, so beyond this its socket is dropped instead."""
MAX_WAITING_BYTES = 256 * 1024
"""A minute of a 32 kbit/s link: whoever is that far behind is helped more by a new snapshot. One message is always let
in, since a snapshot with a long chat may be larger by itself."""


def _size(item: Any) -> int:
    data = getattr(item, "data", None)
    return len(data) if isinstance(data, str | bytes) else 0


class OutQueue:
    """The queue of one socket, for one reader.

    `on_overflow` is called once, when more waits than may.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[Hashable, Any] = OrderedDict()
        self._numbers = count()
        self._news = asyncio.Event()
        self._unfinished = 0
        self._all_done = asyncio.Event()
        self._all_done.set()
        self.is_over = False
        self.bytes = 0
        self.on_overflow: Callable[[], None] = _nothing

    async def put(self, item: Any) -> None:
        """Add a packet of the library's; None is the end. A ping does not wait behind what is slow: its answer is
        counted from here."""
        self.put_nowait(item)

    def put_nowait(self, item: Any) -> None:
        """As `put`."""
        number = next(self._numbers)
        self._add(number, item)
        if getattr(item, "packet_type", None) == packet.PING and number in self._waiting:
            self._waiting.move_to_end(number, last=False)

    def put_newest(self, key: str, item: Any) -> None:
        """Add a packet, in the place of the one with the same key that still waits."""
        before = self._waiting.get(key)
        if before is None:
            self._add(key, item)
        else:
            self._waiting[key] = item
            self.bytes += _size(item) - _size(before)

    async def get(self) -> Any:
        """Wait for the next packet."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        _, item = self._waiting.popitem(last=False)
        self.bytes -= _size(item)
        return item

    def get_nowait(self) -> Any:
        """Raise: the library would take all that waits at once, and then nothing of it could be replaced."""
        raise asyncio.QueueEmpty

    def task_done(self) -> None:
        """What `get` gave has been taken."""
        self._unfinished -= 1
        if not self._unfinished:
            self._all_done.set()

    async def join(self) -> None:
        """Wait until everything has been taken."""
        await self._all_done.wait()

    def qsize(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def empty(self) -> bool:
        """Whether none waits."""
        return not self._waiting

    def end(self) -> None:
        """Forget what waits, take no more, and let the reader come to its end."""
        self.is_over = True
        self._unfinished -= len(self._waiting)
        self._waiting.clear()
        self.bytes = 0
        self._push("end", None)

    def _add(self, key: Hashable, item: Any) -> None:
        if self.is_over:
            return
        size = _size(item)
        too_many = len(self._waiting) >= MAX_WAITING
        if item is not None and (too_many or (self._waiting and self.bytes + size > MAX_WAITING_BYTES)):
            DROPPED.labels("slow_reader").inc()
            self.end()
            self.on_overflow()
            return
        self.bytes += size
        self._push(key, item)

    def _push(self, key: Hashable, item: Any) -> None:
        self._waiting[key] = item
        self._unfinished += 1
        self._all_done.clear()
        self._news.set()


def _nothing() -> None:
    """What a queue without a socket does."""
