"""ICE-lite (RFC 8445 §2.5): answer the browser's connectivity checks, send none.

The relay has a public address (or one its operator forwards), so it needs no candidates of the browser, no checks of
its own and no consent timers: the browser checks, nominates and keeps the path alive, and a request that carries the
leg's password is what proves an address to be the browser's. The wire format is aioice's.
"""

from __future__ import annotations

import ipaddress
import secrets
import struct
from dataclasses import dataclass
from typing import Any

from aioice import stun

MAX_REQUEST_BYTES = 1024
"""Checks of browsers are 80-140 bytes; a USERNAME may have 513 (RFC 8489 §14.3)."""

_COOKIE = stun.COOKIE.to_bytes(4, "big")
_BINDING_REQUEST = b"\x00\x01"


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """User fragment and password of one side (RFC 8839 §5.4)."""

    ufrag: str
    pwd: str

    @classmethod
    def fresh(cls) -> IceCredentials:
        """Return new random credentials: 48 bits of name, so that all legs of a worker differ, 128 bits of secret."""
        return cls(secrets.token_hex(6), secrets.token_hex(16))


class BindingRequest:
    """A STUN binding request as it came. Nothing in it is to be believed before `authentic` has said yes."""

    __slots__ = ("_message", "remote_ufrag", "ufrag", "use_candidate")

    def __init__(self, message: Any, ufrag: str, remote_ufrag: str, *, use_candidate: bool) -> None:
        self._message = message
        self.ufrag = ufrag
        """Our side's user fragment: names the leg."""
        self.remote_ufrag = remote_ufrag
        self.use_candidate = use_candidate
        """The browser nominates the pair this request came on."""

    @property
    def transaction_id(self) -> bytes:
        """The 12 bytes that the response repeats."""
        transaction_id: bytes = self._message.transaction_id
        return transaction_id

    def authentic(self, pwd: str) -> bool:
        """Tell whether MESSAGE-INTEGRITY was made with our password (RFC 8489 §9.1.3); without one it was not."""
        return bool(self._message.check_message_integrity(pwd.encode()))


def parse_request(datagram: bytes) -> BindingRequest | None:
    """Return the binding request in a datagram, None for anything else. Never raises.

    The cheap looks come first: anyone on the internet can send us datagrams.
    """
    if not 20 <= len(datagram) <= MAX_REQUEST_BYTES or datagram[:2] != _BINDING_REQUEST or datagram[4:8] != _COOKIE:
        return None
    try:
        message = stun.parse_message(datagram)
    except (ValueError, struct.error):
        return None
    username = message.attributes.get("USERNAME", "")
    ufrag, colon, remote_ufrag = username.partition(":")
    if not colon or not ufrag:
        return None
    return BindingRequest(message, ufrag, remote_ufrag, use_candidate="USE-CANDIDATE" in message.attributes)


def _plain_address(address: tuple[Any, ...]) -> tuple[str, int]:
    """Return host and port as STUN writes them: no zone, and IPv4 where the socket shows it as mapped IPv6."""
    host = ipaddress.ip_address(str(address[0]).partition("%")[0])
    if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped is not None:
        host = host.ipv4_mapped
    return str(host), int(address[1])


def binding_response(request: BindingRequest, pwd: str, address: tuple[Any, ...]) -> bytes:
    """Return the success response to a request that came from the socket address `address` (RFC 8489 §6.3.1).

    Role conflicts are not looked at: against a lite peer a full one is always controlling (RFC 8445 §6.1.1).
    """
    response = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id)
    response.attributes["XOR-MAPPED-ADDRESS"] = _plain_address(address)
    response.add_message_integrity(pwd.encode())
    return bytes(response)
