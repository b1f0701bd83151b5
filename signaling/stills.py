"""Still pictures: sharp ones in place of a moving picture that the link does not carry, or of what must be legible.

They are kept in the store, so that the two sides may be at different processes, and only while their visit lasts. Who
may do what, and all bounds, are in `waiting_room/stills.lua`.
"""

from __future__ import annotations

from signaling.dispatch import Handler
from signaling.pictures import type_of
from signaling.protocol_media import StillAck, StillAsk, StillBegin, StillData, StillPart, StillRefuse, StillWant
from signaling.refusal import Refusal
from signaling.script import Script
from signaling.sessions import Session
from signaling.values import whole

NO_CALL, NO_STILL, NO_ROOM, OTHER_TYPE = -1, -2, -3, -4
"""What the script answers in place of a number of bytes."""


def _bytes_or_refusal(answer: object) -> int:
    number = whole(answer)
    if number == NO_CALL:
        raise Refusal("not_allowed", "there is no call to show anything in")
    if number == NO_STILL:
        raise Refusal("stale", "there is no such still (any more); begin it with a new id")
    if number == NO_ROOM:
        raise Refusal("too_large", "more than was announced")
    if number == OTHER_TYPE:
        raise Refusal("bad_request", "not the type that was announced")
    return number


class Stills:
    """Handlers of the events `still.…`, the same for both sides."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def handlers(self) -> dict[str, Handler]:
        """By event name."""
        return {
            "still.begin": self.begin,
            "still.part": self.part,
            "still.want": self.want,
            "still.ask": self.ask,
            "still.refuse": self.refuse,
        }

    async def begin(self, session: Session, message: StillBegin) -> StillAck:
        """Announce a still, or ask how much of it has come.

        Raises:
            Refusal: no call, or the id is that of another still.
        """
        form = f"{message.type} {message.width} {message.height} {message.kind}"
        person = session.person.id
        have = await self._script.run("still_begin", session.side, person, message.id, form, str(message.bytes))
        return StillAck(offset=_bytes_or_refusal(have))

    async def part(self, session: Session, message: StillPart) -> StillAck:
        """Take the next piece; the answer says from where to go on.

        Raises:
            Refusal: no call, no such still, too much, or not a picture of a kind that is shown.
        """
        kind = type_of(message.data) if message.offset == 0 else ""
        if kind is None:
            raise Refusal("bad_request", "neither WebP nor JPEG, or of too many pixels")
        person, offset = session.person.id, str(message.offset)
        have = await self._script.run("still_part", session.side, person, message.id, offset, kind, message.data)
        return StillAck(offset=_bytes_or_refusal(have))

    async def want(self, session: Session, message: StillWant) -> StillData:
        """Give a piece of the other side's still.

        Raises:
            Refusal: no call, or no such still.
        """
        person, offset, most = session.person.id, str(message.offset), str(message.max_bytes)
        answer = await self._script.run_for_bytes("still_want", session.side, person, message.id, offset, most)
        if not isinstance(answer, bytes):
            _bytes_or_refusal(answer)
            raise TypeError("the script answers bytes or a refusal")
        return StillData(id=message.id, offset=message.offset, data=answer)

    async def ask(self, session: Session, message: StillAsk) -> None:
        """Ask the other side for one.

        Raises:
            Refusal: no call, or no such still.
        """
        answer = await self._script.run("still_ask", session.side, session.person.id, message.id or "")
        _bytes_or_refusal(answer)

    async def refuse(self, session: Session, _message: StillRefuse) -> None:
        """Tell the other side that there will be none.

        Raises:
            Refusal: no call.
        """
        _bytes_or_refusal(await self._script.run("still_refuse", session.side, session.person.id))
