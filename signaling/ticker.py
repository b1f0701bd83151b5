"""The heartbeat of a process: keeps its lease, carries out what is due, looks after its sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from signaling.metrics import TICKS
from signaling.pairing import Pairing
from signaling.presence import Presence

SWEEP_EVERY_S = 5.0
AT_ONCE = 100


class Ticker:
    """Any number of processes may tick: each thing that is due is done once.

    Args:
        lease_s: a process that has not beaten for so long counts as dead, and its people as lost.
        tick_s: how exact deadlines are.
    """

    def __init__(
        self,
        pairing: Pairing,
        presence: Presence,
        process: str,
        *,
        lease_s: float = 5.0,
        tick_s: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pairing = pairing
        self._presence = presence
        self._process = process
        self._lease_s = lease_s
        self._tick_s = tick_s
        self._clock = clock
        self._beat_s = float("-inf")
        self._sweep_s = clock()
        self._hold_until_s = float("-inf")
        self.is_beating = False

    async def turn(self) -> None:
        """One step, then a pause."""
        await self.step()
        await asyncio.sleep(self._tick_s)

    async def step(self) -> None:
        """Beat, tick and sweep as far as each is due."""
        now_s = self._clock()
        try:
            if now_s - self._beat_s >= self._lease_s / 5:
                await self.beat()
            if now_s >= self._hold_until_s:
                await self._tick()
        except Exception:
            # The store was away, perhaps longer than a lease: first everybody beats, only then is anybody counted out.
            self.is_beating = False
            self._hold()
            raise
        if now_s - self._sweep_s >= SWEEP_EVERY_S:
            self._sweep_s = now_s
            await self._presence.sweep(now_s)

    async def _tick(self) -> None:
        while True:
            done = await self._pairing.tick(AT_ONCE, self._process)
            if done < 0:
                # As after an outage, only that the client's own retries have bridged it.
                self._hold()
                await self.beat()
                return
            TICKS.inc(done)
            if done < AT_ONCE:
                return

    def _hold(self) -> None:
        self._beat_s = float("-inf")
        self._hold_until_s = self._clock() + 2 * self._lease_s

    async def beat(self) -> None:
        """Keep the lease; when it had run out, bind our people again."""
        was_out = await self._pairing.beat(self._process, int(self._lease_s * 1000))
        self._beat_s = self._clock()
        self.is_beating = True
        if was_out:
            await self._presence.attach_all()
