"""Sends each person a snapshot when something that concerns them has changed: one at a time, the newest only."""

from __future__ import annotations

import asyncio
from functools import partial

from redis.exceptions import RedisError

from signaling.legs import FIRST_RETRY_S, LAST_RETRY_S, Legs, RelayTrouble, wants_leg
from signaling.loops import Loops
from signaling.metrics import LOOP_FAILURES
from signaling.pairing import Pairing, Side
from signaling.people import People
from signaling.protocol import LegView, PatientSnapshot, SlotView, StaffSnapshot
from signaling.records import Visit
from signaling.sessions import Session, Sessions
from signaling.snapshots import patient_snapshot, staff_snapshot
from signaling.sockets import Sockets

STORE_PAUSE_S = 1.0


class Refresh:
    """Builds and sends snapshots. Waking a session again while its snapshot is being made makes one more, not two."""

    def __init__(
        self, sessions: Sessions, pairing: Pairing, people: People, legs: Legs, sockets: Sockets, loops: Loops
    ) -> None:
        self._sessions = sessions
        self._pairing = pairing
        self._people = people
        self._legs = legs
        self._sockets = sockets
        self._loops = loops

    def wake(self, session: Session | None) -> None:
        """A snapshot is due."""
        if session is None or not session.is_open:
            return
        session.is_stale = True
        if not session.is_refreshing:
            session.is_refreshing = True
            self._loops.once("refresh", partial(self._run, session))

    def wake_person(self, side: Side, person: str) -> None:
        """A snapshot is due for this person, if connected here."""
        self.wake(self._sessions.of_person(side, person))

    def wake_all(self) -> None:
        """Something may have been missed: everybody gets a snapshot."""
        for session in self._sessions:
            self.wake(session)

    async def ensure_media(self, session: Session) -> None:
        """Put the legs of this session's visit together, and show what has changed."""
        for changed in await self._legs.ensure_media(session.side, session.person.id):
            self.wake(changed)

    async def _run(self, session: Session) -> None:
        try:
            while session.is_stale and session.is_open:
                session.is_stale = False
                try:
                    async with session.lock:
                        await self._send(session)
                except (RedisError, OSError):
                    LOOP_FAILURES.labels("snapshot").inc()
                    session.is_stale = True
                    await asyncio.sleep(STORE_PAUSE_S)
        finally:
            session.is_refreshing = False

    async def _send(self, session: Session) -> None:
        snapshot = await (self._of_patient(session) if session.side == "p" else self._of_nurse(session))
        if not session.is_open:
            return
        await self._sockets.emit(session.namespace, session.sid, "snapshot", snapshot)
        visit, held = session.visit, session.leg
        if visit is not None and visit.accepted and held is not None and not held.in_room:
            self._loops.once("ensure_media", partial(self.ensure_media, session))

    async def _of_patient(self, session: Session) -> PatientSnapshot:
        view = await self._pairing.patient(session.person.id)
        if session.is_new and await self._legs.adopt(session, view.visit):
            view = await self._pairing.patient(session.person.id)
        session.visit = view.visit
        leg = await self._leg(session, view.visit)
        nurse = None
        if view.visit is not None and (
            attending := view.visit.nurse if view.visit.accepted else view.visit.attended_by
        ):
            nurse = await self._people.person(attending)
        snapshot = patient_snapshot(view, session.person, nurse, leg, _slots(session))
        session.place = snapshot.queue
        return snapshot

    async def _of_nurse(self, session: Session) -> StaffSnapshot:
        view = await self._pairing.nurse(session.person.id)
        if session.is_new and await self._legs.adopt(session, view.visit):
            view = await self._pairing.nurse(session.person.id)
        session.visit = view.visit
        leg = await self._leg(session, view.visit)
        patient = await self._people.person(view.visit.patient) if view.visit else None
        wrapped = await self._people.person(view.wrapup.patient) if view.state == "wrapup" and view.wrapup else None
        queue = await self._pairing.queue(session.person.skills, session.person.languages)
        session.queue = queue
        ring_ms = self._pairing.deadlines.offer_ms
        return staff_snapshot(view, session.person, patient, wrapped, leg, _slots(session), queue, ring_ms)

    async def _leg(self, session: Session, visit: Visit | None) -> LegView | None:
        if session.is_new and wants_leg(session.side, visit):
            return None
        try:
            leg = await self._legs.settle(session, visit)
        except RelayTrouble:
            # The queue goes on without the relay; the page gets its leg when there is one.
            session.retry_s = min(max(session.retry_s * 2, FIRST_RETRY_S), LAST_RETRY_S)
            asyncio.get_running_loop().call_later(session.retry_s, self.wake, session)
            return None
        session.retry_s = 0.0
        return leg


def _slots(session: Session) -> list[SlotView]:
    return list(session.leg.slots) if session.leg else []
