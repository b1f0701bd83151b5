"""Credentials for TURN servers."""

from __future__ import annotations

import base64
import hashlib
import hmac

from signaling.turn import Turn


def test_credentials_are_what_a_server_with_the_secret_computes() -> None:
    """The user name says until when, the password proves it; each is new, and says nothing of anybody."""
    turn = Turn(["turn:a.example", "turns:a.example:443"], "secret", 3600, clock=lambda: 1_800_000_000.9)
    [one], [two] = turn.servers(), turn.servers()
    expires, _, nonce = one.username.partition(":")
    assert (int(expires), len(nonce)) == (1_800_003_600, 16)
    assert one.username != two.username
    expected = base64.b64encode(hmac.digest(b"secret", one.username.encode(), hashlib.sha1)).decode()
    assert one.credential == expected
    assert one.urls == ["turn:a.example", "turns:a.example:443"]


def test_without_addresses_there_are_no_servers() -> None:
    """Pages are told of none."""
    assert Turn([], "", 0).servers() == []
