"""What waits for one client."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from engineio import packet

from signaling.outqueue import MAX_WAITING, MAX_WAITING_BYTES, OutQueue


def message(text: str) -> Any:
    """A packet of the library's."""
    return packet.Packet(packet.MESSAGE, data=text)


async def drained(queue: OutQueue) -> list[str]:
    """All that waits, in order."""
    return [(await queue.get()).data for _ in range(queue.qsize())]


async def test_the_newest_takes_the_place_of_the_one_that_waits() -> None:
    """Of one key only the newest waits, where the first stood; others keep their order."""
    queue = OutQueue()
    queue.put_newest("snapshot", message("s1"))
    await queue.put(message("chat"))
    queue.put_newest("limits", message("l1"))
    queue.put_newest("snapshot", message("snapshot 2"))
    assert queue.bytes == len("snapshot 2" + "chat" + "l1")
    assert await drained(queue) == ["snapshot 2", "chat", "l1"]
    assert queue.bytes == 0
    queue.put_newest("snapshot", message("s3"))
    assert await drained(queue) == ["s3"]


async def test_a_ping_does_not_wait_behind_what_is_slow() -> None:
    """Its answer is timed from when it is queued."""
    queue = OutQueue()
    await queue.put(message("a"))
    await queue.put(packet.Packet(packet.PING))
    assert (await queue.get()).packet_type == packet.PING


async def test_packets_are_handed_out_one_at_a_time() -> None:
    """What the library has taken could not be replaced any more, so it cannot take all at once."""
    queue = OutQueue()
    await queue.put(message("a"))
    with pytest.raises(asyncio.QueueEmpty):
        queue.get_nowait()
    waiting = asyncio.create_task(queue.join())
    assert (await queue.get()).data == "a"
    queue.task_done()
    await waiting
    assert queue.empty()


@pytest.mark.parametrize("too_many", [True, False])
async def test_more_than_may_wait_ends_the_socket(too_many: bool) -> None:
    """Beyond so many messages or bytes everything is forgotten, the owner is told once, and the reader ends."""
    queue, told = OutQueue(), []
    queue.on_overflow = lambda: told.append(1)
    text = "x" if too_many else "x" * (MAX_WAITING_BYTES // 4)
    for _ in range(MAX_WAITING + 5 if too_many else 10):
        await queue.put(message(text))
    queue.put_newest("snapshot", message("s"))
    assert (told, queue.is_over, queue.bytes, queue.qsize()) == ([1], True, 0, 1)
    assert await queue.get() is None
    queue.task_done()
    await queue.join()


async def test_one_message_is_let_in_however_large() -> None:
    """A snapshot with a long chat must reach a page that has nothing else to read."""
    queue = OutQueue()
    await queue.put(message("x" * (MAX_WAITING_BYTES + 1)))
    assert not queue.is_over
