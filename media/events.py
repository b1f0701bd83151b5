"""What happened to legs, kept for those who ask: a bounded log with sequence numbers, read by long poll."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import Callable

from media.control import EventKind, Events, LegEvent, LegReport, Limits, LinkMeasure

KEPT = 4096
"""Events kept. A leg has about five in its life: enough for 800 legs within one absence of a reader."""

AT_ONCE = 512
"""Events in one answer."""

MAX_WAIT_S = 30.0


class EventLog:
    """The log of one incarnation of a worker, named by `boot`."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.boot = secrets.token_hex(8)
        self._clock = clock
        self._kept: deque[LegEvent] = deque(maxlen=KEPT)
        self._last = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def add(
        self,
        *,
        leg: str,
        call: str,
        epoch: int,
        kind: EventKind,
        reason: str = "",
        limits: Limits | None = None,
        measure: LinkMeasure | None = None,
        report: LegReport | None = None,
    ) -> None:
        """Append an event, with what belongs to its kind, and wake those who wait."""
        self._last += 1
        at_ms = int(self._clock() * 1000)
        self._kept.append(
            LegEvent(
                seq=self._last, at_ms=at_ms, leg=leg, call=call, epoch=epoch, kind=kind, reason=reason,
                limits=limits, measure=measure, report=report,
            )
        )  # fmt: skip
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def after(self, boot: str, seq: int) -> Events:
        """Events later than `seq`. From another incarnation's point of view all is lost: start from `next`."""
        if boot != self.boot or seq > self._last:
            return Events(boot=self.boot, next=self._last, lost=True, events=[])
        first_kept = self._kept[0].seq if self._kept else self._last + 1
        skip = max(0, seq + 1 - first_kept)
        found = [self._kept[index] for index in range(skip, min(len(self._kept), skip + AT_ONCE))]
        lost = seq + 1 < first_kept
        return Events(boot=self.boot, next=found[-1].seq if found else seq, lost=lost, events=found)

    async def wait(self, boot: str, seq: int, wait_s: float) -> Events:
        """As `after`, but wait up to `wait_s` for the first event."""
        events = self.after(boot, seq)
        if events.events or events.lost or wait_s <= 0:
            return events
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(future, min(wait_s, MAX_WAIT_S))
        finally:
            self._waiting.discard(future)
        return self.after(boot, seq)

    def release(self) -> None:
        """Let everyone who waits go, for the end of the worker."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()
