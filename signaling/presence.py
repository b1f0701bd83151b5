"""People come and go: connecting, being replaced by a newer page, losing the socket and coming back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from signaling.legs import Legs
from signaling.limits import Buckets
from signaling.loops import Loops
from signaling.metrics import CONNECTS, SESSIONS
from signaling.pairing import Attached, Pairing
from signaling.people import People
from signaling.ports import Person
from signaling.protocol import ConnectAuth, Replaced
from signaling.refresh import Refresh
from signaling.refusal import Refusal
from signaling.sessions import NAMESPACES, ROLES, Session, Sessions
from signaling.sockets import Sockets
from signaling.tickets import TicketError, TicketExpired, Tickets

log = structlog.get_logger(__name__)

CONNECTS_PER_S = 0.5
CONNECTS_AT_ONCE = 10
CONNECTS_KEPT = 10_000
STORE_PAUSE_S = 0.5


@dataclass(slots=True)
class Doors:
    """Whether this process lets anybody in. Shared by all who ask."""

    closing_retry_ms: int | None = None
    """Set when the process is going down."""

    def check(self) -> None:
        """Raise the refusal of a process that is going down.

        Raises:
            Refusal: `closing`.
        """
        if self.closing_retry_ms is not None:
            raise Refusal("closing", "this server is going down", self.closing_retry_ms)


class Presence:
    """Connects and disconnects.

    Args:
        hold_s: how long a lost socket is waited for while the media flow, before the other side is told.
    """

    def __init__(
        self,
        *,
        process: str,
        sessions: Sessions,
        pairing: Pairing,
        people: People,
        tickets: Tickets,
        sockets: Sockets,
        legs: Legs,
        refresh: Refresh,
        loops: Loops,
        doors: Doors,
        hold_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._process = process
        self._sessions = sessions
        self._pairing = pairing
        self._people = people
        self._tickets = tickets
        self._sockets = sockets
        self._legs = legs
        self._refresh = refresh
        self._loops = loops
        self._doors = doors
        self._hold_s = hold_s
        self._clock = clock
        self._connects = Buckets(CONNECTS_PER_S, CONNECTS_AT_ONCE, CONNECTS_KEPT)

    async def connect(self, namespace: str, sid: str, auth: object) -> None:
        """Let a page in.

        Raises:
            Refusal: bad request, ticket, too often, or a part that is needed does not answer.
        """
        try:
            await self._admit(namespace, sid, auth)
        except Refusal as refusal:
            CONNECTS.labels(namespace, refusal.body.code).inc()
            raise
        except (RedisError, OSError, TimeoutError):
            CONNECTS.labels(namespace, "unavailable").inc()
            raise Refusal("unavailable", "the store does not answer", retry_ms=1000) from None
        except Exception as error:
            # The edge towards the client: without an answer it would wait for ever.
            CONNECTS.labels(namespace, "failed").inc()
            log.error("live.connect_failed", error=type(error).__name__)  # noqa: TRY400 - its text may hold a name
            raise Refusal("unavailable", "try again", retry_ms=2000) from None
        CONNECTS.labels(namespace, "ok").inc()

    async def _admit(self, namespace: str, sid: str, auth: object) -> None:
        self._doors.check()
        try:
            wanted = ConnectAuth.model_validate(auth)
        except ValidationError:
            raise Refusal("bad_request", "auth is not a ConnectAuth") from None
        person = await self._person(namespace, wanted.ticket)
        side = NAMESPACES[namespace]
        if wanted.seq:
            await self._pairing.seen(side, person.id, wanted.seq)
        session = Session(sid, namespace, side, person, wanted.leg, is_open=False)
        session.connection = (await self._attach(session)).connection
        before = self._sessions.add(session)
        if before is not None and before.is_open:
            self._loops.once("replace", partial(self._replace, before))

    async def _person(self, namespace: str, ticket: str) -> Person:
        try:
            claims = self._tickets.read(ticket, "ticket")
        except TicketExpired:
            raise Refusal("ticket_expired", "get a fresh ticket") from None
        except TicketError:
            raise Refusal("ticket_invalid", "not a ticket for this") from None
        if claims.role != ROLES[namespace]:
            raise Refusal("ticket_invalid", "a ticket for another namespace")
        wait_s = self._connects.take(claims.person, self._clock())
        if wait_s > 0:
            raise Refusal("rate_limited", "too many connects", int(wait_s * 1000) + 1)
        person = await self._people.now(claims.person)
        if person is None or person.role != claims.role:
            raise Refusal("ticket_invalid", "nobody who is let in")
        return person

    async def _attach(self, session: Session) -> Attached:
        if session.side == "p":
            return await self._pairing.patient_attach(session.person.id, self._process)
        return await self._pairing.nurse_attach(session.person.id, self._process)

    def connected(self, namespace: str, sid: str) -> None:
        """The page has been told that it is connected: from now on it hears events."""
        session = self._sessions.of_socket(namespace, sid)
        if session is not None:
            session.is_open = True
            self._refresh.wake(session)

    async def _replace(self, session: Session) -> None:
        session.is_open = False
        await self._sockets.emit(session.namespace, session.sid, "replaced", Replaced())
        await self._sockets.disconnect(session.namespace, session.sid)

    async def moved(self, session: Session, connection: int) -> None:
        """The person has connected to another process, as connection number `connection`."""
        if connection > session.connection and self._sessions.is_current(session):
            self._sessions.remove(session)
            await self._replace(session)

    async def disconnected(self, namespace: str, sid: str) -> None:
        """The socket has gone. Its person may be back in a moment."""
        session = self._sessions.of_socket(namespace, sid)
        if session is not None:
            session.is_open = False
            self._loops.once("hold", partial(self._hold, session))

    async def _hold(self, session: Session) -> None:
        accepted = session.visit is not None and session.visit.accepted
        flows = session.leg is not None and not session.leg.silent
        if flows or not accepted:
            try:
                async with asyncio.timeout(self._hold_s):
                    await session.media_lost.wait()
            except TimeoutError:
                pass
        while self._sessions.is_current(session):
            try:
                await self._drop(session)
            except (RedisError, OSError):
                await asyncio.sleep(STORE_PAUSE_S)
            else:
                break
        self._sessions.remove(session)

    async def _drop(self, session: Session) -> None:
        if session.side == "p":
            await self._pairing.patient_drop(session.person.id, self._process, session.connection)
        else:
            await self._pairing.nurse_drop(session.person.id, self._process, session.connection)

    async def attach_all(self) -> None:
        """The store has counted our people as lost (it or we were away): bind them again."""
        for session in self._sessions:
            if session.is_open:
                session.connection = (await self._attach(session)).connection
                self._refresh.wake(session)

    async def sweep(self, now_s: float) -> None:
        """Find sockets that have gone without a word and those that never connected, and count the others."""
        await self._sockets.sweep(now_s)
        for session in self._sessions:
            if session.is_open and not self._sockets.is_open(session.namespace, session.sid):
                await self.disconnected(session.namespace, session.sid)
        for namespace in NAMESPACES:
            SESSIONS.labels(namespace).set(sum(session.namespace == namespace for session in self._sessions))

    def open_sessions(self) -> Sequence[Session]:
        """Those who can be told something."""
        return [session for session in self._sessions if session.is_open]
