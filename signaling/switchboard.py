"""Live signalling, put together: one `Signaling` per process, any number of equal processes on one store."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence

import structlog
from aiohttp import web
from redis.exceptions import RedisError

from signaling.deadlines import Deadlines
from signaling.dispatch import Dispatch
from signaling.journal import JournalFeed
from signaling.legs import Legs
from signaling.line import EVERY_S, Line
from signaling.loops import Loops
from signaling.model import Model
from signaling.outbox import BLOCK_S, Outbox
from signaling.pairing import Pairing, server_clock
from signaling.patients import Patients
from signaling.people import People
from signaling.ports import Directory, Relay, VisitJournal
from signaling.presence import Doors, Presence
from signaling.protocol import CLIENT_EVENTS, Closing
from signaling.refresh import Refresh
from signaling.relay_events import RelayEvents
from signaling.reports import Reports
from signaling.sessions import Sessions
from signaling.shared import Shared
from signaling.sockets import Sockets
from signaling.staff import Staff
from signaling.stills import Stills
from signaling.store import Store
from signaling.ticker import Ticker
from signaling.tickets import Tickets
from signaling.turn import Turn

log = structlog.get_logger(__name__)

HOLD_S = 5.0
"""A lost socket is waited for so long while its media flow."""
RESUME_S = 5.0
"""After an orderly stop people have so long, beyond the pause they were told, to connect elsewhere."""


LAST_REPORTS_S = 1.0
"""Of a stop: for reports of legs that are not kept yet."""


class Signaling:
    """The live side of Puente.

    Args:
        store: the living state; it is not closed here.
        relay: the relay worker; it is not closed here.
        directory: who somebody is.
        journal: where visits are remembered.
        tickets: who may connect.
        programme: tenant.
        deadlines: how long states last.
        clock: Unix ms for the store's deadlines; by default the store's own.
        origins: pages of which other origins may connect.
        turn: TURN servers for pages; None means there are none.
        lease_s, tick_s, line_s, hold_s: how quick this process is; tests use less.
    """

    def __init__(
        self,
        *,
        store: Store,
        relay: Relay,
        directory: Directory,
        journal: VisitJournal,
        tickets: Tickets,
        programme: str = "migrantes",
        deadlines: Deadlines | None = None,
        clock: Callable[[], int] = server_clock,
        origins: Sequence[str] | None = None,
        turn: Turn | None = None,
        lease_s: float = 5.0,
        tick_s: float = 0.5,
        line_s: float = EVERY_S,
        hold_s: float = HOLD_S,
    ) -> None:
        self.process = secrets.token_hex(8)
        self.sessions = Sessions()
        self.pairing = Pairing(store.client, programme, deadlines or Deadlines(), clock)
        self._loops = Loops()
        self._doors = Doors()
        self._sockets = Sockets(self, list(CLIENT_EVENTS), origins)
        people = People(directory)
        self._legs = Legs(relay, self.pairing, self.sessions, turn or Turn((), "", 0))
        self._reports = Reports(journal)
        self._refresh = Refresh(self.sessions, self.pairing, people, self._legs, self._sockets, self._loops)
        self._presence = Presence(
            process=self.process,
            sessions=self.sessions,
            pairing=self.pairing,
            people=people,
            tickets=tickets,
            sockets=self._sockets,
            legs=self._legs,
            refresh=self._refresh,
            loops=self._loops,
            doors=self._doors,
            hold_s=hold_s,
        )
        stills = Stills(self.pairing.script)
        shared = Shared(self.pairing, self._legs, self._refresh, stills, self._loops)
        patients = Patients(self.process, self.pairing, self._legs, self._refresh, self._doors, shared)
        staff = Staff(self.process, self.pairing, journal, self._refresh, self._doors, shared)
        self._dispatch = Dispatch(self.sessions, {"/patient": patients.handlers(), "/staff": staff.handlers()})
        self._ticker = Ticker(self.pairing, self._presence, self.process, lease_s=lease_s, tick_s=tick_s)
        self._line = Line(self.pairing, self.sessions, self._sockets, line_s)
        self._relay_events = RelayEvents(
            relay,
            self.sessions,
            self.pairing,
            self._legs,
            self._refresh,
            self._reports,
            self._sockets,
            self._loops,
        )
        self._outbox = Outbox(
            store.blocking(BLOCK_S),
            f"{self.pairing.prefix}out:{self.process}",
            self.sessions,
            self._refresh,
            self._presence,
            self._sockets,
        )
        self._feed = JournalFeed(
            store.client, store.blocking(BLOCK_S), self.pairing.prefix, self.process, journal, time.monotonic
        )

    # --- For the composer

    def attach(self, app: web.Application, path: str = "/live/") -> None:
        """Serve the live protocol at `path` of this application."""
        self._sockets.attach(app, path)

    async def start(self) -> None:
        """Begin to beat, to read and to tick."""
        try:
            await self._ticker.beat()
        except (RedisError, OSError):
            log.warning("live.store_unreachable")
        self._loops.repeat("ticker", self._ticker.turn)
        self._loops.repeat("outbox", self._outbox.turn)
        self._loops.repeat("relay_events", self._relay_events.turn)
        self._loops.repeat("line", self._line.turn)
        self._loops.repeat("journal", self._feed.turn)
        self._loops.repeat("reports", self._reports.turn)

    async def drain(self, retry_ms: int) -> None:
        """Take no new visits and let nobody in; tell everybody to connect again after `retry_ms`."""
        self._doors.closing_retry_ms = retry_ms
        for session in self._presence.open_sessions():
            await self._sockets.emit(session.namespace, session.sid, "closing", Closing(retry_ms=retry_ms))

    async def stop(self) -> None:
        """Stop everything of this process.

        Nobody is dropped: the lease runs out a little after the pause clients were told, so those who have connected
        elsewhere by then have lost nothing.
        """
        retry_ms = self._doors.closing_retry_ms
        if retry_ms is None:
            retry_ms = self._doors.closing_retry_ms = 1000
        await self._loops.stop()
        try:
            async with asyncio.timeout(LAST_REPORTS_S):
                await self._reports.flush()
        except Exception as error:
            # Whatever the journal's trouble is, stopping goes on. Its text may name what it was about to write.
            log.warning("live.reports_lost", error=type(error).__name__)
        try:
            await self.pairing.bye(self.process, retry_ms + int(RESUME_S * 1000))
        except (RedisError, OSError):
            log.warning("live.store_unreachable")
        await self._feed.release()
        await self._sockets.close()

    def ready(self) -> list[str]:
        """What is missing before this process can take visits: `store`, `relay`, `closing`."""
        missing = []
        if not self._ticker.is_beating:
            missing.append("store")
        if not self._relay_events.is_reachable:
            missing.append("relay")
        if self._doors.closing_retry_ms is not None:
            missing.append("closing")
        return missing

    # --- For the sockets

    async def connect(self, namespace: str, sid: str, auth: object) -> None:
        """A page wants in."""
        await self._presence.connect(namespace, sid, auth)

    def connected(self, namespace: str, sid: str) -> None:
        """A page is in."""
        self._presence.connected(namespace, sid)

    async def event(self, namespace: str, sid: str, name: object, arguments: Sequence[object]) -> Model:
        """A page wants something."""
        return await self._dispatch.event(namespace, sid, name, arguments)

    async def disconnected(self, namespace: str, sid: str) -> None:
        """A page has gone."""
        await self._presence.disconnected(namespace, sid)
