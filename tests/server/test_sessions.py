"""Links, sessions and tickets over real HTTP."""

from __future__ import annotations

import io
from typing import Any

import pytest

from server.rates import MAX_ADDRESSES, Rates, client_address
from server.sessions import SESSION_LIFETIME_S, SESSIONS_BURST, TICKET_LIFETIME_S
from server.settings import Settings
from signaling.ports import Person
from signaling.tickets import Tickets
from tests.server.conftest import Site

JSON = {"Accept": "application/json"}


async def _links(site: Site) -> dict[str, str]:
    answer = await site.client.get("/demo", headers=JSON)
    links: dict[str, str] = await answer.json()
    return {key: url.partition("#t=")[2] for key, url in links.items()}


async def _post(site: Site, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
    sent: dict[str, Any] = {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body}
    if isinstance(body, bytes):
        headers.setdefault("Content-Type", "application/json")
    answer = await site.client.post(path, headers=headers, **sent)
    return answer.status, await answer.json()


def _code(answer: tuple[int, dict[str, Any]]) -> tuple[int, str]:
    return answer[0], answer[1]["error"]["code"]


async def test_a_link_becomes_a_session_and_a_ticket(site: Site) -> None:
    """The answer says who one is and where to connect; its tokens are good for what they are for."""
    links = await _links(site)
    status, patient = await _post(site, "/api/session", {"link": links["patient"]})
    assert status == 200
    assert (patient["role"], patient["name"], patient["namespace"]) == ("patient", "Rosa Salgado", "/patient")
    assert patient["expires_at_ms"] == int(site.clock.now_s + SESSION_LIFETIME_S) * 1000
    assert patient["ticket_expires_at_ms"] == int(site.clock.now_s + TICKET_LIFETIME_S) * 1000
    assert site.tickets.read(patient["ticket"], "ticket").role == "patient"
    status, nurse = await _post(site, "/api/session", {"link": links["nurse"]})
    assert (nurse["role"], nurse["namespace"]) == ("nurse", "/staff")
    person = await site.people.person(site.tickets.read(nurse["ticket"], "ticket").sub)
    assert person is not None
    assert person.licence == "0000000"


async def test_opening_a_link_twice_is_the_same_person(site: Site) -> None:
    """A link opened in two windows, or by a page that was reloaded too early, does not make two people."""
    link = (await _links(site))["patient"]
    people = {site.tickets.read((await _post(site, "/api/session", {"link": link}))[1]["session"], "session").sub
              for _ in range(2)}  # fmt: skip
    assert len(people) == 1


async def test_each_visit_to_the_demo_page_makes_new_people(site: Site) -> None:
    """Two visitors never fight over one person."""
    first, second = await _links(site), await _links(site)
    subjects = [site.tickets.read(link, "link").sub for links in (first, second) for link in links.values()]
    assert len(set(subjects)) == 8


async def test_a_session_gets_fresh_tickets(site: Site) -> None:
    """As often as needed while the session is good, and not a second longer."""
    _, session = await _post(site, "/api/session", {"link": (await _links(site))["patient"]})
    bearer = {"Authorization": f"Bearer {session['session']}"}
    site.clock.now_s += SESSION_LIFETIME_S - 60
    status, ticket = await _post(site, "/api/ticket", None, **bearer)
    assert status == 200
    assert site.tickets.read(ticket["ticket"], "ticket").sub == site.tickets.read(session["session"], "session").sub
    site.clock.now_s += 120
    assert _code(await _post(site, "/api/ticket", None, **bearer)) == (401, "session_expired")


async def test_an_old_link_is_expired_and_a_strange_one_invalid(site: Site) -> None:
    """The page says different things: ask for a new one, or this never was one."""
    link = (await _links(site))["patient"]
    _, session = await _post(site, "/api/session", {"link": link})
    other = Tickets([b"x" * 32], site.clock)
    forged = other.issue("link", "p", "patient", 600, "patient").token
    unknown = site.tickets.issue("link", "nobody", "patient", 600).token
    wrong_role = site.tickets.issue("link", "someone", "nurse", 600, "patient").token
    no_template = site.tickets.issue("link", "someone", "nurse", 600, "emperor").token
    for token in (forged, unknown, wrong_role, no_template, session["session"], session["ticket"], "x" * 40):
        assert _code(await _post(site, "/api/session", {"link": token})) == (403, "link_invalid")
    site.clock.now_s += 3 * 3600
    assert _code(await _post(site, "/api/session", {"link": link})) == (410, "link_expired")


async def test_only_a_session_gets_tickets(site: Site) -> None:
    """Not nothing, not another scheme, not a link or a ticket, not a forged one, not somebody who was barred."""
    link = (await _links(site))["nurse"]
    _, session = await _post(site, "/api/session", {"link": link})
    for header in ("", "Basic eHg6eHg=", "Bearer", "Bearer x", f"Bearer {link}", f"Bearer {session['ticket']}"):
        answer = await site.client.post("/api/ticket", headers={"Authorization": header})
        assert (answer.status, (await answer.json())["error"]["code"]) == (401, "session_invalid")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    bearer = {"Authorization": f"Bearer {session['session']}"}
    await site.people.bar(site.tickets.read(session["session"], "session").sub)
    assert _code(await _post(site, "/api/ticket", None, **bearer)) == (401, "session_invalid")
    assert _code(await _post(site, "/api/session", {"link": link})) == (403, "link_invalid")


async def test_a_link_without_a_template_leads_to_whom_it_names(site: Site) -> None:
    """People who are known are found; nothing of demo mode is needed for that."""
    await site.people.add(Person("known", "nurse", "Elena Cruz", "Elena"))
    link = site.tickets.issue("link", "known", "nurse", 600).token
    status, session = await _post(site, "/api/session", {"link": link})
    assert (status, session["name"]) == (200, "Elena Cruz")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (400, "bad_request")),
        (b"null", (400, "bad_request")),
        (b"{", (400, "bad_request")),
        (b'"link"', (400, "bad_request")),
        (b"\xff\xfe\x00", (400, "bad_request")),
        (b"[" * 10_000, (400, "bad_request")),
        (b'{"link": 7}', (400, "bad_request")),
        (b'{"link": "short"}', (400, "bad_request")),
        (b'{"link": "0123456789abcdef", "geheim": 1}', (400, "bad_request")),
        (b'{"link": "\\ud800aaaaaaaaaaaaaaaaaaaaa"}', (400, "bad_request")),
        (b'{"link": "' + b"a" * 5000 + b'"}', (400, "bad_request")),
        (b" " * 16_385, (413, "too_large")),
        (b"x" * 10_000_000, (413, "too_large")),
    ],
)
async def test_a_bad_body_is_a_typed_error(site: Site, body: bytes, expected: tuple[int, str]) -> None:
    """Whatever arrives, the answer has a code, repeats nothing, and the next request is served."""
    status, answer = await _post(site, "/api/session", body)
    assert (status, answer["error"]["code"]) == expected
    assert "geheim" not in str(answer)
    assert (await site.client.get("/healthz")).status == 200


async def test_a_body_without_a_length_is_bounded_too(site: Site) -> None:
    """Chunked bodies are counted while they arrive."""

    async def endless() -> Any:
        for _ in range(1000):
            yield b"x" * 1000

    answer = await site.client.post("/api/session", data=endless(), headers={"Content-Type": "application/json"})
    assert answer.status == 413


async def test_only_json_is_taken(site: Site) -> None:
    """A form of another site cannot send this type without asking first."""
    answer = await _post(site, "/api/session", b'{"link": "0123456789abcdef"}', **{"Content-Type": "text/plain"})
    assert _code(answer) == (400, "bad_request")


async def test_a_flood_from_one_address_is_turned_away_for_a_while(site: Site) -> None:
    """With how long to wait; other paths and other addresses are served."""
    for _ in range(SESSIONS_BURST):
        assert (await site.client.post("/api/session")).status == 400
    answer = await site.client.post("/api/session")
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert (await site.client.get("/readyz")).status == 200


def test_a_bucket_fills_again_and_the_table_has_an_end() -> None:
    """One token a second here; the address longest unseen is forgotten first."""
    now = [0.0]
    rates = Rates(per_minute=60, burst=2, clock=lambda: now[0])
    assert [rates.take("a") for _ in range(3)] == [0, 0, 1]
    now[0] += 1
    assert rates.take("a") == 0
    assert rates.take("a") > 0
    for number in range(MAX_ADDRESSES + 50):
        rates.take(f"address {number}")
    assert len(rates) == MAX_ADDRESSES
    assert rates.take("a") == 0


class _Request:
    """As much of a request as an address is read from."""

    def __init__(self, remote: str | None, *forwarded: str) -> None:
        self.remote = remote
        self.headers = _Headers(forwarded)


class _Headers:
    def __init__(self, values: tuple[str, ...]) -> None:
        self._values = list(values)

    def getall(self, _name: str, _default: list[str]) -> list[str]:
        return self._values


@pytest.mark.parametrize(
    ("remote", "forwarded", "expected"),
    [
        ("203.0.113.9", (), "203.0.113.9"),
        ("203.0.113.9", ("198.51.100.1",), "203.0.113.9"),
        ("127.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("127.0.0.1", ("192.0.2.66, 198.51.100.1",), "198.51.100.1"),
        ("127.0.0.1", ("192.0.2.66", "198.51.100.1, 127.0.0.2"), "198.51.100.1"),
        ("127.0.0.1", ("garbage",), "127.0.0.1"),
        ("::ffff:203.0.113.9", (), "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", (), "2001:db8:1:2::/64"),
        (None, (), "None"),
    ],
)
def test_an_address_is_believed_only_from_a_trusted_proxy(
    remote: str | None, forwarded: tuple[str, ...], expected: str
) -> None:
    """The nearest untrusted hop counts; what a client writes itself does not."""
    request: Any = _Request(remote, *forwarded)
    assert client_address(request, Settings.model_fields["trusted_proxies"].default) == expected
