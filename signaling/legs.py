"""Legs: the connection of each page to the relay, as visits need them.

A leg is named `<visit>.<side><epoch>`; the epoch is in the store and rises when a leg is given up, so a leg's name says
whose it is and which of them counts. The relay answers the same request with the same leg, so asking again is safe.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from media.client import RelayRefused, RelayUnreachable
from media.control import (
    AnswerLeg,
    CloseLeg,
    CreateLeg,
    JoinRoom,
    LeaveRoom,
    LinkHint,
    ReportLeg,
    RestartLeg,
    RoomState,
)
from signaling.link import client_report_of
from signaling.metrics import RELAY
from signaling.pairing import Call, LegMedia, Pairing, Side
from signaling.ports import Relay
from signaling.protocol import LegAnswer, LegOfferAck, LegRestart, LegView, SlotView
from signaling.protocol_media import MediaReport
from signaling.records import Visit
from signaling.refusal import Refusal
from signaling.sessions import HeldLeg, Session, Sessions
from signaling.turn import Turn

FIRST_RETRY_S = 0.5
LAST_RETRY_S = 8.0
UNREACHABLE_FOR_S = 0.5
"""After the relay did not answer it is not asked for so long, so that one slow answer does not hold up everybody."""

RelayTrouble = (RelayRefused, RelayUnreachable)


def leg_name(visit: str, side: Side, epoch: int) -> str:
    """The name of a leg."""
    return f"{visit}.{side}{epoch}"


def wants_leg(side: Side, visit: Visit | None) -> bool:
    """Whether a person needs a leg now: a patient from joining to the end, a nurse from the ringing of the offer."""
    if visit is None or visit.state == "ended":
        return False
    return not visit.patient_away if side == "p" else True


class Legs:
    """Makes, keeps and closes the legs of this process's sessions.

    Args:
        relay: the worker.
        pairing: where epochs and media states are kept.
        sessions: whose legs.
        turn: what goes with each offer.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        relay: Relay,
        pairing: Pairing,
        sessions: Sessions,
        turn: Turn,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._turn = turn
        self._relay = relay
        self._pairing = pairing
        self._sessions = sessions
        self._clock = clock
        self._unreachable_until_s = float("-inf")

    # --- The leg of a snapshot

    async def adopt(self, session: Session, visit: Visit | None) -> bool:
        """Look once at what a page that has just connected still holds. True when the visit's epochs have changed.

        A page that holds the current leg keeps it; one that does not (it was reloaded) gets a new one, because a
        description can only be answered by the page that made the connection.
        """
        if visit is None or not wants_leg(session.side, visit):
            session.is_new = False
            return False
        epoch = visit.patient_epoch if session.side == "p" else visit.nurse_epoch
        name = leg_name(visit.visit, session.side, epoch)
        if session.claimed_leg == name:
            kept = await self._still_up(name, visit.visit, epoch)
            if kept is not None:
                session.is_new = False
                self._sessions.hold(session, kept)
                return False
        await self._pairing.new_leg(session.side, session.person.id, epoch)
        session.is_new = False
        await self._close(name, visit.visit, epoch)
        return True

    async def _still_up(self, name: str, visit: str, epoch: int) -> HeldLeg | None:
        try:
            self._check_reachable()
            stats = await self._relay.leg(name)
        except RelayRefused as refused:
            RELAY.labels("leg", refused.code).inc()
            return None
        except RelayUnreachable:
            # Nothing is known: the page's connection may be alive, and if it is not the relay will say so.
            self._is_unreachable("leg")
            return HeldLeg(name, visit, epoch, 0, None)
        if stats.state in ("new", "closed"):
            return None
        return HeldLeg(name, visit, epoch, stats.restart, None, silent=stats.state == "silent")

    async def settle(self, session: Session, visit: Visit | None) -> LegView | None:
        """Bring the session's leg in line with the visit, and return it as the page is to see it.

        Raises:
            RelayRefused, RelayUnreachable: there is no leg for now; ask again later.
        """
        held = session.leg
        if visit is None or not wants_leg(session.side, visit):
            await self.release(session)
            return None
        epoch = visit.patient_epoch if session.side == "p" else visit.nurse_epoch
        name = leg_name(visit.visit, session.side, epoch)
        if held is not None and held.name != name:
            await self.release(session)
            held = None
        if held is None:
            held = await self._create(name, visit.visit, epoch)
            self._sessions.hold(session, held)
        if held.in_room and not visit.accepted:
            await self._leave(held)
        if held.offer is None:
            return LegView(leg=held.name, epoch=held.epoch, restart=held.restart, sdp=None)
        return LegView(
            leg=held.name,
            epoch=held.epoch,
            restart=held.restart,
            sdp=held.offer.sdp,
            ice_servers=held.ice_servers,
        )

    async def _create(self, name: str, visit: str, epoch: int) -> HeldLeg:
        self._check_reachable()
        try:
            offer = await self._relay.create_leg(CreateLeg(leg=name, call=visit, epoch=epoch))
        except RelayUnreachable:
            self._is_unreachable("create_leg")
            raise
        except RelayRefused as refused:
            RELAY.labels("create_leg", refused.code).inc()
            raise
        RELAY.labels("create_leg", "ok").inc()
        return HeldLeg(name, visit, epoch, offer.restart, offer, ice_servers=self._turn.servers())

    async def release(self, session: Session) -> None:
        """Close the session's leg, if it has one."""
        held = session.leg
        if held is not None:
            self._sessions.hold(session, None)
            await self._close(held.name, held.visit, held.epoch)

    async def _close(self, name: str, visit: str, epoch: int) -> None:
        # A leg that cannot be closed now is freed by the relay itself once its page sends nothing any more.
        with suppress(*RelayTrouble):
            self._check_reachable()
            await self._relay.close(name, CloseLeg(call=visit, epoch=epoch))

    async def _leave(self, held: HeldLeg) -> None:
        held.in_room, held.slots = False, []
        with suppress(*RelayTrouble):
            await self._relay.leave(held.visit, LeaveRoom(call=held.visit, epoch=held.epoch, leg=held.name))

    # --- What the page asks

    def _held(self, session: Session, name: str, epoch: int) -> HeldLeg:
        held = session.leg
        if held is not None and held.name == name and held.epoch == epoch:
            return held
        own = session.visit is not None and name.startswith(f"{session.visit.visit}.{session.side}")
        if own:
            raise Refusal("stale", "this leg has been replaced")
        raise Refusal("not_allowed", "not a leg of this person")

    async def answer(self, session: Session, message: LegAnswer) -> None:
        """Hand the browser's answer to the relay.

        Raises:
            Refusal: not this session's leg, an answer to an older offer, not an answer, or no relay.
        """
        held = self._held(session, message.leg, message.epoch)
        hint = LinkHint.model_validate(message.memory.model_dump()) if message.memory is not None else None
        request = AnswerLeg(call=held.visit, epoch=held.epoch, restart=message.restart, sdp=message.sdp, hint=hint)
        try:
            await self._relay.answer(held.name, request)
        except RelayRefused as refused:
            RELAY.labels("answer", refused.code).inc()
            if refused.code in ("bad_sdp", "bad_request", "too_large"):
                raise Refusal("bad_request", "the relay does not take this answer") from None
            if refused.code == "not_found":
                await self.renew(session, held)
            raise Refusal("stale", "this offer is no longer open") from None
        except RelayUnreachable:
            self._is_unreachable("answer")
            raise Refusal("unavailable", "the relay does not answer", retry_ms=1000) from None
        RELAY.labels("answer", "ok").inc()
        held.offer = None

    async def restart(self, session: Session, message: LegRestart) -> LegOfferAck:
        """A new offer for the same connection, after the network has changed.

        Raises:
            Refusal: not this session's leg, or no relay.
        """
        held = self._held(session, message.leg, message.epoch)
        request = RestartLeg(call=held.visit, epoch=held.epoch, restart=held.restart + 1)
        try:
            offer = await self._relay.restart(held.name, request)
        except RelayRefused as refused:
            RELAY.labels("restart", refused.code).inc()
            if refused.code == "not_found":
                await self.renew(session, held)
            raise Refusal("stale", "this leg is no longer up") from None
        except RelayUnreachable:
            self._is_unreachable("restart")
            raise Refusal("unavailable", "the relay does not answer", retry_ms=1000) from None
        RELAY.labels("restart", "ok").inc()
        held.restart = offer.restart
        return LegOfferAck(
            leg=held.name,
            epoch=held.epoch,
            restart=offer.restart,
            sdp=offer.sdp,
            ice_servers=self._turn.servers(),
        )

    async def report(self, session: Session, seen: MediaReport) -> None:
        """Tell the relay what the page sees. Nothing depends on it, so trouble is only counted."""
        held = session.leg
        if held is None:
            return
        request = ReportLeg(call=held.visit, epoch=held.epoch, report=client_report_of(seen))
        try:
            self._check_reachable()
            await self._relay.report(held.name, request)
        except RelayRefused as refused:
            RELAY.labels("report", refused.code).inc()
        except RelayUnreachable:
            RELAY.labels("report", "unreachable").inc()
        else:
            RELAY.labels("report", "ok").inc()

    async def renew(self, session: Session, held: HeldLeg) -> None:
        """Give this leg up for a new one; the next snapshot carries its offer."""
        await self._pairing.new_leg(session.side, session.person.id, held.epoch)
        if session.leg is held:
            await self.release(session)

    # --- The room

    async def ensure_media(self, side: Side, person: str) -> list[Session]:
        """Join both legs of an accepted visit, and tell the store whether their media flow. Doing it again is safe.

        Returns the sessions here whose slots have changed.
        """
        call = await self._pairing.call_of(side, person)
        if call is None:
            return []
        names = {"p": leg_name(call.visit, "p", call.patient_epoch), "n": leg_name(call.visit, "n", call.nurse_epoch)}
        epochs = {"p": call.patient_epoch, "n": call.nurse_epoch}
        room: RoomState | None = None
        for letter, name in names.items():
            if letter == "p" and call.patient_away:
                continue
            room = await self._join(call, name, epochs[letter]) or room
        if room is None:
            return []
        changed = self._remember(room)
        up = {member.leg for member in room.members if member.connected and await self._flows(member.leg)}
        await self._pairing.media(
            call.patient,
            call.visit,
            LegMedia(call.patient_epoch, names["p"] in up),
            LegMedia(call.nurse_epoch, names["n"] in up),
        )
        return changed

    async def _join(self, call: Call, name: str, epoch: int) -> RoomState | None:
        try:
            self._check_reachable()
            room = await self._relay.join(call.visit, JoinRoom(call=call.visit, epoch=epoch, leg=name))
        except RelayRefused as refused:
            # Its page has not got its leg yet, or the relay has lost it: then the event `gone` brings a new one.
            RELAY.labels("join", refused.code).inc()
            return None
        except RelayUnreachable:
            self._is_unreachable("join")
            return None
        RELAY.labels("join", "ok").inc()
        return room

    async def _flows(self, name: str) -> bool:
        """Whether the relay hears the leg. Ours we know from events; of another process's we ask."""
        session = self._sessions.of_leg(name)
        if session is not None and session.leg is not None:
            return not session.leg.silent
        with suppress(*RelayTrouble):
            return (await self._relay.leg(name)).state == "connected"
        return False

    def _remember(self, room: RoomState) -> list[Session]:
        changed = []
        for member in room.members:
            session = self._sessions.of_leg(member.leg)
            if session is None or session.leg is None:
                continue
            slots = [
                SlotView(
                    participant="nurse" if slot.source.rpartition(".")[2].startswith("n") else "patient",
                    audio_mid=slot.audio_mid,
                    video_mid=slot.video_mid,
                )
                for slot in member.slots
            ]
            session.leg.in_room = True
            if slots != session.leg.slots:
                session.leg.slots = slots
                changed.append(session)
        return changed

    async def lost(self, session: Session) -> None:
        """The media of this session's leg do not flow: the other side is to see it."""
        held, visit = session.leg, session.visit
        if held is None or visit is None:
            return
        media = LegMedia(held.epoch, up=False)
        if session.side == "p":
            await self._pairing.media(visit.patient, held.visit, of_patient=media)
        else:
            await self._pairing.media(visit.patient, held.visit, of_nurse=media)

    # --- A relay that does not answer

    def _check_reachable(self) -> None:
        if self._clock() < self._unreachable_until_s:
            raise RelayUnreachable("asked a moment ago")

    def _is_unreachable(self, request: str) -> None:
        RELAY.labels(request, "unreachable").inc()
        self._unreachable_until_s = self._clock() + UNREACHABLE_FOR_S
