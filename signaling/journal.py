"""Hands every transition of every visit to the journal: at least once, and in the order of one visit.

One process at a time does it, under a lease in the store; another goes on where it stopped. What was read and not
acknowledged stays in the consumer group and is delivered again.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast, get_args

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from signaling.metrics import JOURNAL
from signaling.ports import VisitEvent, VisitEventKind, VisitJournal
from signaling.values import whole

log = structlog.get_logger(__name__)

GROUP = "journal"
READER = "reader"
"""Only one process reads at a time, so all are the same consumer, and what one has left behind is the next one's."""
LEASE_S = 15.0
RECORD_TIMEOUT_S = 5.0
BLOCK_S = 2.0
AT_ONCE = 100
MAX_TRIES = 200
"""With pauses of up to 5 s this is a quarter of an hour; then the entry is set aside so that others get through."""
SET_ASIDE_MAX = 10_000
KINDS = frozenset(get_args(VisitEventKind))

Fields = dict[str, str]


def visit_event(entry_id: str, fields: Fields) -> VisitEvent | None:
    """Parse an entry of the stream; None when it is not about a visit.

    Raises:
        ValueError: when it is damaged.
    """
    kind = fields.get("e", "")
    if kind not in KINDS or not fields.get("v"):
        return None
    extra = fields.get("x", "")
    data = json.loads(extra) if kind == "joined" and extra else {}
    return VisitEvent(
        id=entry_id,
        at_ms=whole(fields["t"]),
        kind=cast(VisitEventKind, kind),
        visit=fields["v"],
        patient=fields["p"],
        nurse=fields.get("n") or None,
        generation=whole(fields.get("g") or 0),
        detail="" if kind == "joined" else extra,
        data={str(key): str(value) for key, value in data.items()},
    )


class JournalFeed:
    """Reads the audit stream and records it.

    Args:
        client: for commands that answer at once.
        blocking: a client of its own for the reads that wait.
        prefix: of the programme's keys.
        process: who reads.
        journal: where to.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        client: Redis,
        blocking: Redis,
        prefix: str,
        process: str,
        journal: VisitJournal,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._blocking = blocking
        self._stream = prefix + "ev"
        self._lease = prefix + "jl"
        self._aside = prefix + "ev:aside"
        self._process = process
        self._journal = journal
        self._clock = clock
        self._leased_until_s = float("-inf")
        self._has_group = False
        self._has_pending = True
        self._tries: dict[str, int] = {}

    async def turn(self) -> None:
        """Record what there is, or wait for more; when another process does it, wait."""
        if not await self._lead():
            self._has_pending = True
            await asyncio.sleep(LEASE_S / 5)
            return
        try:
            if not self._has_group:
                await self._make_group()
            if self._has_pending:
                await self._record_pending()
            else:
                for entry_id, fields in await self._read(">", int(BLOCK_S * 1000)):
                    await self._record(entry_id, fields)
        except ResponseError:
            # The store may have been emptied, and the group with it.
            self._has_group = False
            raise

    async def _make_group(self) -> None:
        with suppress(ResponseError):  # it exists
            await self._client.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        self._has_group = True

    async def release(self) -> None:
        """Let another process go on at once."""
        with suppress(RedisError, OSError):
            if await self._client.get(self._lease) == self._process:
                await self._client.delete(self._lease)

    async def _lead(self) -> bool:
        now_s = self._clock()
        if now_s < self._leased_until_s - LEASE_S / 2:
            return True
        lease_ms = int(LEASE_S * 1000)
        if await self._client.get(self._lease) == self._process:
            leads = bool(await self._client.pexpire(self._lease, lease_ms))
        else:
            leads = bool(await self._client.set(self._lease, self._process, nx=True, px=lease_ms))
        self._leased_until_s = now_s + LEASE_S if leads else float("-inf")
        return leads

    async def _record_pending(self) -> None:
        """What this or an earlier reader had read and not acknowledged."""
        while entries := await self._read("0", None):
            for entry_id, fields in entries:
                await self._record(entry_id, fields)
            if self._leased_until_s < self._clock():
                return
        self._has_pending = False

    async def _read(self, after: str, block_ms: int | None) -> list[tuple[str, Fields]]:
        answer = await self._blocking.xreadgroup(GROUP, READER, {self._stream: after}, count=AT_ONCE, block=block_ms)
        streams = cast(list[tuple[str, list[tuple[str, Fields]]]], answer or [])
        return [entry for _, entries in streams for entry in entries]

    async def _record(self, entry_id: str, fields: Fields | None) -> None:
        if not await self._lead():
            self._has_pending = True
            return
        try:
            event = visit_event(entry_id, fields) if fields else None
        except (ValueError, KeyError):
            JOURNAL.labels("damaged").inc()
            event = None
        if event is not None:
            await self._hand_over(event, fields or {})
        await self._client.xack(self._stream, GROUP, entry_id)
        self._tries.pop(entry_id, None)

    async def _hand_over(self, event: VisitEvent, fields: Fields) -> None:
        try:
            async with asyncio.timeout(RECORD_TIMEOUT_S):
                await self._journal.record(event)
        except Exception as error:
            # Whatever the journal's trouble is, the entry stays and comes again; those behind it wait, so that the
            # order of a visit holds.
            self._has_pending = True
            JOURNAL.labels("again").inc()
            self._tries[event.id] = self._tries.get(event.id, 0) + 1
            if self._tries[event.id] < MAX_TRIES:
                raise
            JOURNAL.labels("set_aside").inc()
            log.error("journal.set_aside", entry=event.id, error=type(error).__name__)  # noqa: TRY400
            aside = cast(Mapping[Any, Any], {**fields, "id": event.id})
            await self._client.xadd(self._aside, dict(aside), maxlen=SET_ASIDE_MAX, approximate=True)
            return
        JOURNAL.labels("ok").inc()
