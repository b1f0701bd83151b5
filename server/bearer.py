"""Who asks: `Authorization: Bearer <session>`."""

from __future__ import annotations

from aiohttp import hdrs, web

from server.api import Refused
from server.people import People
from signaling.ports import Person
from signaling.tickets import TicketExpired, TicketInvalid, Tickets


class Bearer:
    """Reads the session of a request."""

    def __init__(self, tickets: Tickets, people: People) -> None:
        self._tickets = tickets
        self._people = people

    async def person(self, request: web.Request) -> Person:
        """Whose session it is. Raises Refused: `session_expired`, or `session_invalid` for anything else."""
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refused("session_invalid", "Authorization: Bearer <session> is needed")
        try:
            claims = self._tickets.read(token.strip(), "session")
        except TicketExpired:
            raise Refused("session_expired", "the session is over; open a link again") from None
        except TicketInvalid:
            raise Refused("session_invalid", "this is not a session of this server") from None
        person = await self._people.person(claims.sub)
        if person is None or person.role != claims.role:
            raise Refused("session_invalid", "this session belongs to nobody")
        return person
