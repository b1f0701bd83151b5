"""Connectivity checks (RFC 8445 §7.2) over a way: does the relay answer, how soon, and how evenly."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from aioice import stun

from media.ice import IceCredentials
from server.linktest.ways import Way

MAX_PENDING = 256
RETRY_S = 0.4
"""A second check may be under way before the first is answered: on a lossy link one in three is lost."""
EVERY_S = 0.1
"""Between the checks that measure: 7 kbit/s in all, so that they do not queue behind themselves."""
_PRIORITY = 126 << 24 | 0xFFFF << 8 | 255


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """What a series of checks found; times in ms."""

    sent: int
    answered: int
    least_ms: float
    median_ms: float
    most_ms: float
    jitter_ms: float
    """Mean difference between one round trip and the next."""

    @property
    def loss(self) -> float:
        """Share of checks without an answer: lost on either way."""
        return 1 - self.answered / self.sent if self.sent else 0.0


def round_trips(sent: int, times_s: list[float]) -> RoundTrips | None:
    """Summarise the round trips of a series in the order of sending; None without any."""
    if not times_s:
        return None
    steps = [abs(b - a) for a, b in itertools.pairwise(times_s)]
    return RoundTrips(
        sent=sent,
        answered=len(times_s),
        least_ms=round(1000 * min(times_s), 1),
        median_ms=round(1000 * statistics.median(times_s), 1),
        most_ms=round(1000 * max(times_s), 1),
        jitter_ms=round(1000 * statistics.fmean(steps), 1) if steps else 0.0,
    )


class Checks:
    """Checks over one way. `feed` it the datagrams that begin like STUN."""

    def __init__(
        self, way: Way, ours: IceCredentials, relay: IceCredentials, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._way = way
        self._username = f"{relay.ufrag}:{ours.ufrag}"
        self._key = relay.pwd.encode()
        self._clock = clock
        self._pending: dict[bytes, tuple[float, asyncio.Future[float]]] = {}

    def feed(self, datagram: bytes) -> None:
        """Take a response. One that does not prove to be the relay's, or that nobody waits for, is dropped."""
        try:
            message = stun.parse_message(datagram)
        except (ValueError, struct.error):
            return
        if message.message_class is not stun.Class.RESPONSE or not message.check_message_integrity(self._key):
            return
        sent_s, answered = self._pending.pop(message.transaction_id, (0.0, None))
        if answered is not None and not answered.done():
            answered.set_result(self._clock() - sent_s)

    def send(self, *, nominate: bool = False) -> asyncio.Future[float]:
        """Send one check; the future has its round trip in seconds, if an answer comes."""
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = self._username
        request.attributes["PRIORITY"] = _PRIORITY
        request.attributes["ICE-CONTROLLING"] = 1
        if nominate:
            request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(self._key)
        if len(self._pending) >= MAX_PENDING:
            self._pending.pop(next(iter(self._pending)))
        answered: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._pending[request.transaction_id] = (self._clock(), answered)
        self._way.send(bytes(request))
        return answered

    async def reach(self, timeout_s: float, *, nominate: bool = False) -> float | None:
        """Check again and again until one is answered; its round trip in seconds, None when none is in time."""
        waiting: set[asyncio.Future[float]] = set()
        until_s = self._clock() + timeout_s
        while (left_s := until_s - self._clock()) > 0:
            waiting.add(self.send(nominate=nominate))
            done, _ = await asyncio.wait(waiting, timeout=min(RETRY_S, left_s), return_when=asyncio.FIRST_COMPLETED)
            if done:
                return done.pop().result()
        return None

    async def series(self, count: int, wait_s: float) -> RoundTrips | None:
        """Send `count` checks evenly and wait for the answers of the last for `wait_s`."""
        sent = []
        for _ in range(count):
            sent.append(self.send())
            await asyncio.sleep(EVERY_S)
        await asyncio.wait(sent, timeout=wait_s)
        return round_trips(count, [one.result() for one in sent if one.done()])
