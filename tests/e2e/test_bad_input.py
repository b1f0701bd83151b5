"""What no page would send, against the whole product: typed errors, counters, nothing changed, nothing in the log."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import jwt
import pytest
import pytest_asyncio

from server.settings import TOKENS, derived
from signaling.protocol import CLIENT_EVENTS
from tests.e2e.product import Product
from tests.e2e.rawclient import Json, RawClient, post, session

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = "a-key-of-these-tests-and-of-nothing-else"
MARK = "Zxqvw Ilegible"
"""A text that would be found in the log if what a client sends were repeated there."""
CONSENT = {"version": "1", "language": "es-MX", "accepted_at_ms": 1_700_000_000_000}
JOIN = {"reason": MARK, "languages": ["es"], "skill": "general", "consent": CONSENT}
WRONG_SHAPES: list[Any] = [MARK, [], 42, {"zzz": MARK}, {"generation": "x", "leg": {}, "text": ["y"]}]

Enter = Callable[[str], Awaitable[RawClient]]


@pytest.fixture
def product(keyed_product: Product) -> Product:
    """A Puente whose signing key is known, so that tickets can be forged well."""
    keyed_product.private.add(MARK)
    return keyed_product


@pytest_asyncio.fixture(loop_scope="session")
async def enter(product: Product) -> AsyncIterator[Enter]:
    """Lets people in as raw clients; disconnects them after the test."""
    inside: list[RawClient] = []

    async def enter_one(link: str) -> RawClient:
        client = await RawClient.enter(product, link)
        inside.append(client)
        return client

    yield enter_one
    for client in inside:
        await client.close()


def _altered(token: str, **claims: Any) -> str:
    """The same token with other claims and a good signature."""
    known = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode({**known, **claims}, derived((KEY.encode(),), TOKENS)[0], algorithm="HS256")


def _forged(token: str) -> str:
    """The same claims, signed with a key that is not the server's."""
    return jwt.encode(jwt.decode(token, options={"verify_signature": False}), "k" * 40, algorithm="HS256")


LONG_AGO = {"iat": int(time.time()) - 7200, "exp": int(time.time()) - 3600}


async def test_the_api_refuses_what_is_no_link(product: Product) -> None:
    """A body of the wrong shape or size, and links that are forged, expired or no links at all, get an error each."""
    link = product.links()["patient"].partition("#t=")[2]
    who = await session(product, product.links()["patient"])
    cases: list[tuple[bytes | Json, set[int], set[str]]] = [
        (b"", {400}, {"bad_request"}),
        (b"{", {400}, {"bad_request"}),
        (b"[]", {400}, {"bad_request"}),
        (b"\xff\xfe\x00", {400}, {"bad_request"}),
        (b"[" * 10_000, {400}, {"bad_request"}),
        ({}, {400}, {"bad_request"}),
        ({"link": 7}, {400}, {"bad_request"}),
        ({"link": link, "zzz": MARK}, {400}, {"bad_request"}),
        ({"link": MARK + "x" * 40}, {403}, {"link_invalid"}),
        ({"link": _forged(link)}, {403}, {"link_invalid"}),
        ({"link": who["ticket"]}, {403}, {"link_invalid"}),
        ({"link": _altered(link, role="nurse")}, {403}, {"link_invalid"}),
        ({"link": _altered(link, **LONG_AGO)}, {410}, {"link_expired"}),
        (b"x" * 10_000_000, {413}, {"too_large"}),
    ]
    before = product.metric("puente_http_refused_total")
    for body, statuses, codes in cases:
        status, answer = await post(product, "/api/session", body)
        assert status in statuses, (body[:40] if isinstance(body, bytes) else body, status, answer)
        assert answer["error"]["code"] in codes
        assert MARK not in str(answer)
    assert product.metric("puente_http_refused_total") >= before + len(cases)
    await session(product, product.links()["patient"])


async def test_the_api_refuses_tickets_without_a_session(product: Product) -> None:
    """Only a session that stands gets a ticket: not none, a forged or expired one, nor a token of another kind."""
    who = await session(product, product.links()["nurse"])
    for bearer, code in [
        ("", "session_invalid"),
        ("Bearer ", "session_invalid"),
        (f"Bearer {who['ticket']}", "session_invalid"),
        (f"Bearer {_forged(who['session'])}", "session_invalid"),
        (f"Bearer {_altered(who['session'], sub='nobody')}", "session_invalid"),
        (f"Bearer {_altered(who['session'], **LONG_AGO)}", "session_expired"),
        (f"Bearer {MARK.encode().hex() * 2000}", "session_invalid"),
    ]:
        status, answer = await post(product, "/api/ticket", {}, Authorization=bearer)
        assert 400 <= status < 500, (bearer[:30], status, answer)
        if len(bearer) < 8000:  # a longer header is refused before anything reads it
            assert answer["error"]["code"] == code
    status, _ = await post(product, "/api/ticket", {}, Authorization=f"Bearer {who['session']}")
    assert status == 200


async def test_the_live_connection_wants_a_good_ticket(product: Product) -> None:
    """Connecting with no, a wrong, a forged, an expired or another role's ticket is refused with a code."""
    patient = await session(product, product.links()["patient"])
    ticket = patient["ticket"]
    cases: list[tuple[str, Any, set[str]]] = [
        ("/patient", None, {"bad_request"}),
        ("/patient", {"v": 1}, {"bad_request"}),
        ("/patient", {"v": 2, "ticket": ticket}, {"bad_request"}),
        ("/patient", {"v": 1, "ticket": ticket, "seq": "x"}, {"bad_request"}),
        ("/patient", {"v": 1, "ticket": MARK + "x" * 20}, {"ticket_invalid"}),
        ("/patient", {"v": 1, "ticket": _forged(ticket)}, {"ticket_invalid"}),
        ("/patient", {"v": 1, "ticket": patient["session"]}, {"ticket_invalid"}),
        ("/patient", {"v": 1, "ticket": _altered(ticket, sub="nobody")}, {"ticket_invalid", "not_allowed"}),
        ("/patient", {"v": 1, "ticket": _altered(ticket, **LONG_AGO)}, {"ticket_expired"}),
        ("/staff", {"v": 1, "ticket": ticket}, {"ticket_invalid", "not_allowed"}),
    ]
    refused = [product.metric("puente_live_connects_total", result=code) for code in ("bad_request", "ticket_invalid")]
    for namespace, auth, codes in cases:
        client = RawClient(namespace)
        try:
            assert not await client.connect(product, auth), auth
            reason = client.refused or {}
            code = (reason.get("data") or reason).get("code")
            assert code in codes, (auth, reason)
        finally:
            await client.close()
    now = [product.metric("puente_live_connects_total", result=code) for code in ("bad_request", "ticket_invalid")]
    assert all(after > before for before, after in zip(refused, now, strict=True))


async def test_every_event_refuses_wrong_shapes(product: Product, enter: Enter) -> None:
    """Each event of both namespaces answers a wrong type, an unknown or a missing field with `bad_request`."""
    links = product.links()
    counted = product.metric("puente_live_events_total", result="bad_request")
    for namespace, link in (("/patient", links["patient"]), ("/staff", links["nurse"])):
        client = await enter(link)
        before = client.snapshot["state"]
        for event in CLIENT_EVENTS[namespace]:
            codes = [(await client.ask(event, shape))["error"]["code"] for shape in WRONG_SHAPES]
            assert codes[0] in {"bad_request"}, (event, codes)
            assert set(codes) <= {"bad_request", "rate_limited"}, (event, codes)
        assert (await client.ask("zzz", {}))["error"]["code"] == "unknown_event"
        assert client.snapshot["state"] == before
    sent = sum(len(events) for events in CLIENT_EVENTS.values())
    assert product.metric("puente_live_events_total", result="bad_request") >= counted + sent


async def test_ten_megabytes_close_the_socket_and_nothing_else(product: Product, enter: Enter) -> None:
    """A message beyond the limit ends its own connection; the others, and the next, are served."""
    links = product.links()
    other = await enter(links["patient2"])
    client = await enter(links["patient"])
    await client.send("join", {**JOIN, "reason": "x" * 10_000_000})
    await client.gone()
    assert other.connected
    assert (await other.ask("join", JOIN))["ok"] is True
    assert (await other.ask("leave", {}))["ok"] is True


async def test_nobody_acts_for_somebody_else(product: Product, enter: Enter) -> None:
    """Legs, offers and calls of other people, and of other times, are out of reach; then the visit goes its way."""
    links = product.links()
    patient, stranger = await enter(links["patient"]), await enter(links["patient2"])
    nurse, other = await enter(links["nurse"]), await enter(links["nurse2"])
    assert (await patient.ask("join", JOIN))["ok"] is True
    await patient.see(lambda s: s["leg"] and s["leg"]["sdp"], "a leg")
    leg = patient.snapshot["leg"]
    answer = {"leg": leg["leg"], "epoch": leg["epoch"], "restart": 0, "sdp": "v=0\r\ns=" + MARK + "\r\n"}

    async def refused(client: RawClient, event: str, payload: Json, *codes: str) -> None:
        reply = await client.ask(event, payload)
        assert reply["ok"] is False, (event, reply)
        assert reply["error"]["code"] in codes, (event, reply)
        assert MARK not in str(reply)

    await refused(stranger, "leg.answer", answer, "not_allowed", "stale")
    await refused(stranger, "leg.restart", {"leg": leg["leg"], "epoch": leg["epoch"]}, "not_allowed", "stale")
    await refused(patient, "leg.answer", answer, "bad_request")
    await refused(patient, "leg.answer", {**answer, "epoch": leg["epoch"] + 7}, "stale", "not_allowed")
    await refused(patient, "offer.accept", {"generation": 1}, "unknown_event")
    await refused(patient, "call.end", {"generation": 1}, "unknown_event")
    await refused(patient, "chat.send", {"id": "12345678", "text": MARK}, "not_allowed", "stale")

    assert (await nurse.ask("available", {}))["ok"] is True
    await nurse.see(lambda s: s["state"] == "offered", "an offer")
    generation = nurse.snapshot["offer"]["generation"]
    await refused(nurse, "offer.accept", {"generation": generation - 1}, "stale")
    await refused(nurse, "offer.accept", {"generation": generation + 1}, "stale")
    await refused(other, "offer.accept", {"generation": generation}, "stale", "not_allowed")
    assert nurse.snapshot["state"] == "offered"

    assert (await nurse.ask("offer.accept", {"generation": generation}))["ok"] is True
    await patient.see(lambda s: s["state"] == "connecting", "the patient is called")
    now = patient.snapshot["generation"]
    await refused(other, "call.end", {"generation": now}, "not_allowed", "stale")
    await refused(stranger, "away", {"generation": now}, "not_allowed", "stale")
    visit = patient.snapshot["visit"]
    await refused(other, "wrapup.done", {"visit": visit, "outcome": "guidance", "note": MARK}, "not_allowed", "stale")
    await refused(nurse, "call.end", {"generation": now - 1}, "stale")
    assert (await nurse.ask("call.end", {"generation": nurse.snapshot["generation"]}))["ok"] is True
    await patient.see(lambda s: s["state"] == "ended", "the visit has ended")
