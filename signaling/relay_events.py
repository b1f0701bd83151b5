"""What happens at the relay, as far as it concerns the people of this process."""

from __future__ import annotations

from functools import partial

from media.client import RelayRefused, RelayUnreachable
from media.control import EventKind, LegEvent, Limits
from signaling.legs import Legs
from signaling.link import limits_of, link_test_of, rung_text
from signaling.loops import Loops
from signaling.metrics import RELAY_EVENTS
from signaling.pairing import Pairing
from signaling.ports import Relay
from signaling.protocol_media import LinkTestView
from signaling.refresh import Refresh
from signaling.reports import Reports, call_report
from signaling.sessions import HeldLeg, Session, Sessions
from signaling.sockets import Sockets

WAIT_S = 10.0


class RelayEvents:
    """Reader of the relay's events. After a gap, or when the relay was started anew, every leg is looked at."""

    def __init__(
        self,
        relay: Relay,
        sessions: Sessions,
        pairing: Pairing,
        legs: Legs,
        refresh: Refresh,
        reports: Reports,
        sockets: Sockets,
        loops: Loops,
    ) -> None:
        self._relay = relay
        self._pairing = pairing
        self._reports = reports
        self._sockets = sockets
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
            await self._event(event)

    async def _event(self, event: LegEvent) -> None:
        report = call_report(event)
        if report is not None and self._sessions.had_leg(event.leg):
            self._reports.note(report)
        session = self._sessions.of_leg(event.leg)
        held = session.leg if session is not None else None
        if session is None or held is None:
            return
        RELAY_EVENTS.labels(event.kind).inc()
        if event.limits is not None:
            await self._limits(session, held, event.limits)
        if event.measure is not None and session.side == "p":
            await self._measured(session, held, link_test_of(event.measure))
        await self._happened(session, held, event.kind)

    async def _limits(self, session: Session, held: HeldLeg, limits: Limits) -> None:
        """First the page that is to send less, then the store, and by it the other side and the journal."""
        view = limits_of(limits)
        if session.is_open:
            await self._sockets.emit(session.namespace, session.sid, "limits", view)
        kept, rung = view.model_dump_json(), rung_text(limits)
        await self._pairing.limits(session.side, session.person.id, held.epoch, kept, rung)

    async def _measured(self, session: Session, held: HeldLeg, link: LinkTestView) -> None:
        is_news = await self._pairing.link(session.person.id, held.epoch, link.model_dump_json())
        if is_news and session.is_open:
            await self._sockets.emit(session.namespace, session.sid, "link", link)

    async def _happened(self, session: Session, held: HeldLeg, kind: EventKind) -> None:
        """What has become of a leg."""
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
        if session.is_open:
            self._loops.once("probe", partial(self._sockets.probe, session.namespace, session.sid))
        await self._legs.lost(session)

    async def _look_at_all(self) -> None:
        for session in self._sessions:
            held = session.leg
            if held is None:
                continue
            kind: EventKind = "gone"
            limits: Limits | None = None
            try:
                stats = await self._relay.leg(held.name)
            except RelayRefused:
                pass
            except RelayUnreachable:
                return
            else:
                state, limits = stats.state, stats.limits
                if state in ("new", "connecting"):
                    continue
                kind = "connected" if state == "connected" else "silent" if state == "silent" else "gone"
            if limits is not None:
                await self._limits(session, held, limits)
            await self._happened(session, held, kind)
