"""What patients and staff may both do: legs, chat, stills, and saying how it goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from signaling.dispatch import Handler
from signaling.legs import Legs
from signaling.loops import Loops
from signaling.pairing import Pairing
from signaling.protocol import ChatSend, LegAnswer, LegOfferAck, LegRenew, LegRestart
from signaling.protocol_media import LinkReport, MediaState
from signaling.refresh import Refresh
from signaling.refusal import Refusal
from signaling.sessions import Session
from signaling.stills import Stills

LINK_EVERY_S = 2.0


class Shared:
    """Handlers of the events of both namespaces."""

    def __init__(
        self,
        pairing: Pairing,
        legs: Legs,
        refresh: Refresh,
        stills: Stills,
        loops: Loops,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stills = stills
        self._loops = loops
        self._pairing = pairing
        self._legs = legs
        self._refresh = refresh
        self._clock = clock

    def handlers(self) -> dict[str, Handler]:
        """By event name."""
        return {
            "leg.answer": self.leg_answer,
            "leg.restart": self.leg_restart,
            "leg.renew": self.leg_renew,
            "media": self.media,
            "link": self.link,
            "chat.send": self.chat_send,
            **self._stills.handlers(),
        }

    async def leg_answer(self, session: Session, message: LegAnswer) -> None:
        """The browser's answer."""
        async with session.lock:
            try:
                await self._legs.answer(session, message)
            finally:
                if session.leg is None:
                    self._refresh.wake(session)

    async def leg_restart(self, session: Session, message: LegRestart) -> LegOfferAck:
        """An ICE restart."""
        async with session.lock:
            try:
                return await self._legs.restart(session, message)
            finally:
                if session.leg is None:
                    self._refresh.wake(session)

    async def leg_renew(self, session: Session, message: LegRenew) -> None:
        """A new leg; also how a patient who had left for now comes back."""
        async with session.lock:
            held = session.leg
            if session.side == "p" and session.visit is not None and session.visit.patient_away:
                await self._pairing.patient_return(session.person.id)
            elif held is None and (session.visit is None or session.visit.state == "ended"):
                raise Refusal("not_allowed", "there is no visit to have a leg in")
            elif held is not None and message.leg in (None, held.name):
                await self._legs.renew(session, held)
            elif message.leg is not None and not self._was_own(session, message.leg):
                raise Refusal("not_allowed", "not a leg of this person")
        self._refresh.wake(session)

    @staticmethod
    def _was_own(session: Session, leg: str) -> bool:
        return session.visit is not None and leg.startswith(f"{session.visit.visit}.{session.side}")

    async def media(self, session: Session, message: MediaState) -> None:
        """What this person sends."""
        await self._pairing.note(session.side, session.person.id, "ms", message.model_dump_json())

    async def link(self, session: Session, message: LinkReport) -> None:
        """How the page sees its link; what comes too soon is not used."""
        now_s = self._clock()
        if now_s - session.link_noted_s >= LINK_EVERY_S:
            session.link_noted_s = now_s
            if message.media is not None:
                # Beside: the page's next event does not wait for the relay.
                self._loops.once("report", partial(self._legs.report, session, message.media))
            await self._pairing.note(session.side, session.person.id, "b", str(message.bars))

    async def chat_send(self, session: Session, message: ChatSend) -> None:
        """A chat line, in an accepted visit."""
        written = await self._pairing.chat(session.side, session.person.id, message.id, message.text)
        if written == "no_call":
            raise Refusal("not_allowed", "there is no call to write into")
        if written == "full":
            raise Refusal("rate_limited", "this visit has too many lines")
