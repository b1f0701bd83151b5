"""From a link to a session to tickets.

A link is what a person was given. Its token is in the fragment of the address, so it reaches no log; the page hands it
in once, gets a session, and with that a fresh ticket each time it connects.
"""

from __future__ import annotations

from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from server.api import Endpoint, Model, Refused, json_answer, read_body
from server.bearer import Bearer
from server.demo import Demo
from server.people import People
from server.rates import Rates, client_address
from server.settings import IpNetwork
from signaling.ports import Person, Role
from signaling.tickets import MAX_TOKEN_CHARS, Claims, TicketExpired, TicketInvalid, Tickets

SESSION_LIFETIME_S = 12 * 3600
"""A shift. Nothing is renewed: who comes back tomorrow comes with a new link."""
TICKET_LIFETIME_S = 300

# Many people may share one address (a clinic, a carrier's NAT), so these stop floods, not crowds.
SESSIONS_PER_MINUTE, SESSIONS_BURST = 60, 40
TICKETS_PER_MINUTE, TICKETS_BURST = 600, 200

Namespace = Literal["/patient", "/staff"]
NAMESPACES: dict[Role, Namespace] = {"patient": "/patient", "nurse": "/staff"}

Token = Annotated[str, Field(min_length=16, max_length=MAX_TOKEN_CHARS)]


class OpenSession(Model):
    """The token of a link."""

    link: Token


class Ticket(Model):
    """What the live connection is opened with."""

    ticket: str
    ticket_expires_at_ms: int


class Session(Ticket):
    """A session, and the first ticket. `name` is the person's own, to be greeted with."""

    session: str
    role: Role
    name: str
    expires_at_ms: int
    namespace: Namespace


class Sessions:
    """The endpoints."""

    def __init__(
        self,
        tickets: Tickets,
        people: People,
        bearer: Bearer,
        demo: Demo | None,
        trusted_proxies: tuple[IpNetwork, ...] = (),
    ) -> None:
        self._bearer = bearer
        self._tickets = tickets
        self._people = people
        self._demo = demo
        self._trusted = trusted_proxies
        self._session_rates = Rates(SESSIONS_PER_MINUTE, SESSIONS_BURST)
        self._ticket_rates = Rates(TICKETS_PER_MINUTE, TICKETS_BURST)

    def endpoints(self) -> list[Endpoint]:
        """What to serve."""
        return [
            Endpoint(
                "POST", "/api/session", self._open, "Exchange a link's token for a session",
                body=OpenSession, answer=Session, refusals=("link_expired", "link_invalid"),
            ),
            Endpoint(
                "POST", "/api/ticket", self._ticket, "A fresh ticket for the live connection",
                answer=Ticket, bearer=True,
            ),
        ]  # fmt: skip

    async def _open(self, request: web.Request) -> web.Response:
        self._limit(self._session_rates, request)
        body = await read_body(request, OpenSession)
        try:
            claims = self._tickets.read(body.link, "link")
        except TicketExpired:
            raise Refused("link_expired", "this link was good once; ask for a new one") from None
        except TicketInvalid:
            raise Refused("link_invalid", "this is not a link of this server") from None
        person = await self._person_of_link(claims)
        if person is None or person.role != claims.role:
            raise Refused("link_invalid", "this link leads to nobody")
        session = self._tickets.issue("session", person.id, person.role, SESSION_LIFETIME_S)
        ticket = self._tickets.issue("ticket", person.id, person.role, TICKET_LIFETIME_S)
        return json_answer(
            Session(
                session=session.token,
                role=person.role,
                name=person.name,
                expires_at_ms=session.expires_at_ms,
                namespace=NAMESPACES[person.role],
                ticket=ticket.token,
                ticket_expires_at_ms=ticket.expires_at_ms,
            )
        )

    async def _person_of_link(self, claims: Claims) -> Person | None:
        if claims.tpl is None:
            return await self._people.person(claims.sub)
        if self._demo is None:
            return None
        return await self._demo.person(claims.sub, claims.tpl)

    async def _ticket(self, request: web.Request) -> web.Response:
        self._limit(self._ticket_rates, request)
        person = await self._bearer.person(request)
        ticket = self._tickets.issue("ticket", person.id, person.role, TICKET_LIFETIME_S)
        return json_answer(Ticket(ticket=ticket.token, ticket_expires_at_ms=ticket.expires_at_ms))

    def _limit(self, rates: Rates, request: web.Request) -> None:
        wait_s = rates.take(client_address(request, self._trusted))
        if wait_s > 0:
            raise Refused("rate_limited", "too many requests from this address", retry_after_s=wait_s)
