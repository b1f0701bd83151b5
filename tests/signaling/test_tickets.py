"""Signed links, sessions and tickets."""

from __future__ import annotations

import base64
import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.tickets import Kind, TicketExpired, TicketInvalid, Tickets

OLD, NEW = "o" * 32, "n" * 32


class Clock:
    """A clock that stands still until it is moved."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_ticket_says_who_it_is_for() -> None:
    """What is issued is read back."""
    clock = Clock()
    tickets = Tickets([NEW], clock)
    issued = tickets.issue("link", "pat1", "patient", 60, template="patient")
    claims = tickets.read(issued.token, "link")
    assert (claims.person, claims.role, claims.tpl, claims.expires_at_ms) == (
        "pat1",
        "patient",
        "patient",
        1_000_060_000,
    )
    assert issued.expires_at_ms == claims.expires_at_ms


def test_no_two_are_alike() -> None:
    """Each has an id of its own."""
    tickets = Tickets([NEW], Clock())
    assert tickets.issue("link", "p", "patient", 60).token != tickets.issue("link", "p", "patient", 60).token


@pytest.mark.parametrize("kind", ["link", "session", "ticket"])
@pytest.mark.parametrize("wanted", ["link", "session", "ticket"])
def test_a_kind_is_never_taken_for_another(kind: Kind, wanted: Kind) -> None:
    """A link is no session, a session no ticket."""
    tickets = Tickets([NEW], Clock())
    token = tickets.issue(kind, "pat1", "patient", 60).token
    if kind == wanted:
        tickets.read(token, wanted)
    else:
        with pytest.raises(TicketInvalid):
            tickets.read(token, wanted)


def test_it_expires() -> None:
    """After its time, and a little leeway for clocks, it is expired, not invalid."""
    clock = Clock()
    tickets = Tickets([NEW], clock)
    token = tickets.issue("ticket", "pat1", "patient", 60).token
    clock.now += 64
    tickets.read(token, "ticket")
    clock.now += 2
    with pytest.raises(TicketExpired):
        tickets.read(token, "ticket")


def test_it_is_not_good_before_it_was_issued() -> None:
    """One from the future is of a wrong clock or a forger."""
    clock = Clock()
    tickets = Tickets([NEW], clock)
    token = tickets.issue("ticket", "pat1", "patient", 60).token
    clock.now -= 60
    with pytest.raises(TicketInvalid):
        tickets.read(token, "ticket")


def test_keys_can_be_changed() -> None:
    """What an older key signed is read while that key is listed; the first key signs."""
    old = Tickets([OLD], Clock()).issue("ticket", "pat1", "patient", 60).token
    both = Tickets([NEW, OLD], Clock())
    assert both.read(old, "ticket").person == "pat1"
    with pytest.raises(TicketInvalid):
        Tickets([NEW], Clock()).read(old, "ticket")
    Tickets([NEW], Clock()).read(both.issue("ticket", "pat1", "patient", 60).token, "ticket")


@pytest.mark.parametrize("keys", [[], ["short"], [NEW, "short"]])
def test_a_weak_key_is_not_taken(keys: list[str]) -> None:
    """No key, or one that is shorter than the hash, is an error of configuration."""
    with pytest.raises(ValueError, match="32 bytes"):
        Tickets(keys)


GOOD = {"sub": "pat1", "role": "patient", "kind": "ticket", "exp": 2_000_000, "iat": 1_000_000, "jti": "x"}


def test_other_algorithms_are_not_taken() -> None:
    """Neither `none` nor a longer hash with the same key."""
    tickets = Tickets([NEW * 2], Clock())
    body = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "none"}, GOOD)]
    for token in (b".".join(body).decode() + ".", jwt.encode(GOOD, NEW * 2, algorithm="HS512")):
        with pytest.raises(TicketInvalid):
            tickets.read(token, "ticket")
    tickets.read(jwt.encode(GOOD, NEW * 2, algorithm="HS256"), "ticket")


@pytest.mark.parametrize(
    "change",
    [
        {"sub": None},
        {"sub": "a b"},
        {"sub": ""},
        {"role": "god"},
        {"exp": "soon"},
        {"exp": None},
        {"more": 1},
        {"jti": None},
    ],
)
def test_claims_must_be_as_we_write_them(change: dict[str, object]) -> None:
    """A good signature over wrong claims is refused, and their content is not in the error."""
    payload = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    with pytest.raises(TicketInvalid) as raised:
        Tickets([NEW], Clock()).read(jwt.encode(payload, NEW, algorithm="HS256"), "ticket")
    assert "pat1" not in str(raised.value)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_garbage_is_invalid(token: str) -> None:
    """Whatever is no token is invalid, never another error."""
    with pytest.raises(TicketInvalid):
        Tickets([NEW], Clock()).read(token, "ticket")


@given(st.integers(min_value=0), st.characters(codec="ascii"))
def test_a_damaged_ticket_is_invalid(place: int, character: str) -> None:
    """A ticket with one character changed is refused or says the same."""
    tickets = Tickets([NEW], Clock())
    token = tickets.issue("ticket", "pat1", "patient", 60).token
    place %= len(token)
    damaged = token[:place] + character + token[place + 1 :]
    try:
        assert tickets.read(damaged, "ticket").person == "pat1"
    except TicketInvalid:
        assert damaged != token


def test_a_huge_token_is_not_looked_at() -> None:
    """Longer than any of ours is refused before anything is computed."""
    with pytest.raises(TicketInvalid, match="too long"):
        Tickets([NEW], Clock()).read("x" * 1_000_000, "ticket")
