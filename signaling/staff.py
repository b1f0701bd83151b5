"""What staff may do."""

from __future__ import annotations

from signaling.dispatch import Handler
from signaling.pairing import Pairing
from signaling.ports import VisitJournal
from signaling.presence import Doors
from signaling.protocol import Available, Break, CallEnd, OfferAccept, OfferDecline, OffShift, WrapupDone, WrapupExtend
from signaling.refresh import Refresh
from signaling.refusal import Refusal
from signaling.sessions import Session
from signaling.shared import Shared


class Staff:
    """Handlers of the namespace `/staff`."""

    def __init__(
        self, process: str, pairing: Pairing, journal: VisitJournal, refresh: Refresh, doors: Doors, shared: Shared
    ) -> None:
        self._process = process
        self._pairing = pairing
        self._journal = journal
        self._refresh = refresh
        self._doors = doors
        self._shared = shared

    def handlers(self) -> dict[str, Handler]:
        """By event name."""
        return {
            "available": self.available,
            "break": self.break_,
            "off_shift": self.off_shift,
            "offer.accept": self.offer_accept,
            "offer.decline": self.offer_decline,
            "call.end": self.call_end,
            "wrapup.extend": self.wrapup_extend,
            "wrapup.done": self.wrapup_done,
            **self._shared.handlers(),
        }

    async def available(self, session: Session, _message: Available) -> None:
        """Ready for offers."""
        self._doors.check()
        person = session.person
        attached = await self._pairing.nurse_online(
            person.id, self._process, skills=person.skills, languages=person.languages
        )
        session.connection = attached.connection
        self._refresh.wake(session)

    async def break_(self, session: Session, _message: Break) -> None:
        """No offers for now."""
        if not await self._pairing.nurse_break(session.person.id):
            raise Refusal("not_allowed", "not while an offer rings, in a visit, or off shift")

    async def off_shift(self, session: Session, _message: OffShift) -> None:
        """Off shift."""
        if not await self._pairing.nurse_offline(session.person.id):
            raise Refusal("not_allowed", "not while an offer rings or in a visit")
        self._refresh.wake(session)

    async def offer_accept(self, session: Session, message: OfferAccept) -> None:
        """Take the visit. Both legs are warm, so joining them is all there is to do."""
        if await self._pairing.accept(session.person.id, message.generation) is None:
            raise Refusal("stale", "that offer is no longer open")
        await self._refresh.ensure_media(session)

    async def offer_decline(self, session: Session, message: OfferDecline) -> None:
        """Not this one."""
        if not await self._pairing.decline(session.person.id, message.generation):
            raise Refusal("stale", "that offer is no longer open")

    async def call_end(self, session: Session, message: CallEnd) -> None:
        """End the visit."""
        if not await self._pairing.end(session.person.id, message.generation):
            raise Refusal("stale", "that call is not the current one")

    async def wrapup_extend(self, session: Session, _message: WrapupExtend) -> None:
        """More time."""
        if not await self._pairing.extend(session.person.id):
            raise Refusal("stale", "there is no wrap-up to extend")

    async def wrapup_done(self, session: Session, message: WrapupDone) -> None:
        """The outcome counts even when the time of the wrap-up was over already."""
        nurse = session.person.id
        if not await self._pairing.may_write(nurse, message.visit):
            raise Refusal("not_allowed", "not the visit this person attended last")
        await self._journal.outcome(message.visit, nurse, message.outcome, message.note)
        await self._pairing.wrapup_done(nurse, message.visit, message.available)
