"""A stranger throws 20,000 datagrams at the media port during calls: not one media packet may be lost by it."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Sequence

from bench.figures import Row
from bench.forwarding import connected
from bench.load import Load
from bench.machine import socket_drops
from bench.relay import Relay

CLIENTS = 24
DATAGRAMS = 20_000
THROWN_S = 10.0
WINDOW_S = 12.0
AFTER_S = 2.0
HUGE = 65_507
SEED = 20_000


def junk(overheard: Sequence[bytes]) -> list[bytes]:
    """Random bytes of any length, nothing at all, the longest UDP can carry, what looks like STUN, DTLS or SRTP and is
    not, and true packets of the clients again."""
    chance = random.Random(SEED)
    huge = chance.randbytes(HUGE)
    kinds = (
        lambda: chance.randbytes(chance.randint(1, 1500)),
        lambda: b"",
        lambda: bytes([chance.choice((0, 20, 22, 128, 144))]) + huge[: chance.randint(1501, HUGE - 1)],
        lambda: chance.choice(overheard),
        lambda: b"\x00\x01" + chance.randbytes(2) + b"\x21\x12\xa4\x42" + chance.randbytes(chance.randint(0, 200)),
        lambda: bytes([chance.randint(20, 63)]) + chance.randbytes(chance.randint(0, 1400)),
        lambda: b"\x90" + chance.randbytes(chance.randint(0, 60)),
    )
    return [chance.choices(kinds, (25, 10, 10, 25, 10, 10, 10))[0]() for _ in range(DATAGRAMS)]


def throw(datagrams: Sequence[bytes], target: tuple[str, int]) -> int:
    """Send them from one socket, evenly over `THROWN_S`; returns how many left."""
    thrown = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        start = time.monotonic()
        for number, datagram in enumerate(datagrams):
            early = start + number * THROWN_S / len(datagrams) - time.monotonic()
            if early > 0:
                time.sleep(early)
            thrown += stranger.sendto(datagram, target) == len(datagram)
    return thrown


async def stranger() -> Sequence[Row]:
    """The section `junk`."""
    async with Relay() as relay:
        with Load(await connected(relay, CLIENTS)) as load:
            await load.run(1.0)
            datagrams = junk([load.overheard(number) for number in range(CLIENTS)])
            target = relay.media_port(load.clients[0])
            during, thrown = await asyncio.gather(load.run(WINDOW_S), asyncio.to_thread(throw, datagrams, target))
            after = await load.run(AFTER_S)
            standing = await relay.connected(load.clients)
            dropped = (await relay.stats()).dropped
            unread = socket_drops(target[1])
    lost = during.sent - during.returned
    counted = ", ".join(f"{reason} {count:,}" for reason, count in sorted(dropped.items()) if count)
    return [
        Row("media packets lost meanwhile", f"{lost} of {during.sent:,}", "0", lost == 0 and thrown == DATAGRAMS,
            f"{thrown:,} datagrams thrown; {unread:,} of all datagrams not read in time", [lost]),
        Row("media packets lost after it", f"{after.sent - after.returned} of {after.sent:,}", "0",
            after.sent == after.returned, "", [after.sent - after.returned]),
        Row("legs still connected", f"{'all' if standing else 'NOT ALL'} {CLIENTS}", "all", standing),
        Row("what the relay counted", f"{sum(dropped.values()):,} dropped", note=counted),
    ]  # fmt: skip
