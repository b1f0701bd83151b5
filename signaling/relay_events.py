"""What happens at the relay, as far as it concerns the people of this process."""

from __future__ import annotations

from functools import partial

from media.client import RelayRefused, RelayUnreachable
from media.control import EventKind
from signaling.legs import Legs
from signaling.loops import Loops
from signaling.metrics import RELAY_EVENTS
from signaling.ports import Relay
from signaling.refresh import Refresh
from signaling.sessions import HeldLeg, Session, Sessions

WAIT_S = 10.0


class RelayEvents:
    """Reader of the relay's events. After a gap, or when the relay was started anew, every leg is looked at."""

    def __init__(self, relay: Relay, sessions: Sessions, legs: Legs, refresh: Refresh, loops: Loops) -> None:
        self._relay = relay
        self._sessions = sessions
        self._legs = legs
        self._refresh = refresh
        self._loops = loops
        self._boot = ""
        self._next = 0
        self.is_reachable = False

    async def turn(self) -> None:
        """Wait for events and carry them out."""
        try:
            events = await self._relay.events(self._boot, self._next, WAIT_S if self.is_reachable else 0)
        except RelayUnreachable:
            self.is_reachable = False
            raise
        is_first = self._boot == ""
        self._boot, self._next = events.boot, events.next
        if not self.is_reachable:
            self.is_reachable = True
            self._refresh.wake_all()
        if events.lost and not is_first:
            await self._look_at_all()
        for event in events.events:
            session = self._sessions.of_leg(event.leg)
            if session is not None and session.leg is not None:
                RELAY_EVENTS.labels(event.kind).inc()
                await self._happened(session, session.leg, event.kind)

    async def _happened(self, session: Session, held: HeldLeg, kind: EventKind) -> None:
        if kind in ("connected", "active"):
            held.silent = False
            session.media_lost.clear()
            self._loops.once("ensure_media", partial(self._refresh.ensure_media, session))
        elif kind == "silent":
            held.silent = True
            await self._lost(session)
        elif kind == "gone":
            held.silent = True
            await self._lost(session)
            if session.is_open:
                async with session.lock:
                    if session.leg is held:
                        await self._legs.renew(session, held)
                self._refresh.wake(session)

    async def _lost(self, session: Session) -> None:
        if session.visit is not None and session.visit.accepted:
            session.media_lost.set()
        await self._legs.lost(session)

    async def _look_at_all(self) -> None:
        for session in self._sessions:
            held = session.leg
            if held is None:
                continue
            kind: EventKind = "gone"
            try:
                state = (await self._relay.leg(held.name)).state
            except RelayRefused:
                pass
            except RelayUnreachable:
                return
            else:
                if state in ("new", "connecting"):
                    continue
                kind = "connected" if state == "connected" else "silent" if state == "silent" else "gone"
            await self._happened(session, held, kind)
