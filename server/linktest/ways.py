"""Ways to the relay: UDP, TCP with framed datagrams (RFC 4571), and TURN. Each hands on what it hears as datagrams."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Any, Literal, Protocol, cast

from aioice import stun
from aioice.turn import TurnTransport, create_turn_endpoint

from server.linktest.offer import Address

Kind = Literal["udp", "tcp", "turn"]

_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER = 10, 23
_PMTUDISC_WANT, _PMTUDISC_PROBE = 1, 3
"""Of linux/in.h and in6.h: PROBE sets DF and leaves it to us what to make of sizes that do not pass."""

MAX_FRAME = 2048
"""Of TCP; the relay sends nothing above 1500 bytes."""
_UDP_RECEIVE_BYTES = 1 << 20

_TURN_URL = re.compile(
    r"(?P<scheme>turns?):(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:(?P<port>\d{1,5}))?(\?transport=(?P<by>udp|tcp))?"
)


class WayError(Exception):
    """A way cannot be opened: refused, unreachable, out of time, or not allowed in."""


class Way(Protocol):
    """An open way. `receive` is called with each datagram heard; until it is set they are dropped."""

    kind: Kind
    receive: Callable[[bytes], None]

    def send(self, datagram: bytes) -> bool:
        """Send one datagram; false when it was known at once not to leave (too long, or the way is closed)."""

    def close(self) -> None:
        """Let go of it. May be called twice."""


def _deaf(_datagram: bytes) -> None:
    """Hear nothing."""


class UdpWay(asyncio.DatagramProtocol):
    """A UDP socket connected to one of the relay's addresses."""

    kind: Kind = "udp"

    def __init__(self) -> None:
        self.receive: Callable[[bytes], None] = _deaf
        self._transport: asyncio.DatagramTransport | None = None
        self._failed = False

    @classmethod
    async def open(cls, address: Address) -> UdpWay:
        """Open a socket. Raises WayError."""
        try:
            _, way = await asyncio.get_running_loop().create_datagram_endpoint(cls, remote_addr=address)
        except OSError as error:
            raise WayError(error.strerror or "not possible") from None
        return way

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and room for what comes while we compute."""
        self._transport = cast(asyncio.DatagramTransport, transport)
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UDP_RECEIVE_BYTES)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Hand on a datagram; the kernel lets in only those of the address."""
        del addr
        self.receive(data)

    def error_received(self, exc: Exception) -> None:
        """Note that something did not leave, or that nobody listens: the checks find out by themselves."""
        del exc
        self._failed = True

    def send(self, datagram: bytes) -> bool:
        """Send one datagram."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._failed = False
        self._transport.sendto(datagram)
        return not self._failed

    def probe_mtu(self, *, on: bool) -> bool:
        """Send whole packets only, however long, or leave their length to the kernel again; false where that cannot
        be asked for."""
        if sys.platform != "linux":
            return False
        value = _PMTUDISC_PROBE if on else _PMTUDISC_WANT
        six = self._socket.family == socket.AF_INET6
        level, option = (socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER) if six else (socket.IPPROTO_IP, _IP_MTU_DISCOVER)
        try:
            self._socket.setsockopt(level, option, value)
        except OSError:
            return False
        return True

    @property
    def header_bytes(self) -> int:
        """IP and UDP header of a packet."""
        return 48 if self._socket.family == socket.AF_INET6 else 28

    @property
    def _socket(self) -> socket.socket:
        if self._transport is None:
            raise WayError("closed")
        return cast(socket.socket, self._transport.get_extra_info("socket"))

    def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()


class TcpWay(asyncio.Protocol):
    """A TCP connection to one of the relay's addresses."""

    kind: Kind = "tcp"

    def __init__(self) -> None:
        self.receive: Callable[[bytes], None] = _deaf
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()

    @classmethod
    async def open(cls, address: Address) -> TcpWay:
        """Connect. Raises WayError."""
        try:
            _, way = await asyncio.get_running_loop().create_connection(cls, *address)
        except OSError as error:
            raise WayError(error.strerror or "not possible") from None
        return way

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take frames apart."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= 2:
            size = buffer[0] << 8 | buffer[1]
            if size > MAX_FRAME:
                self.close()
                return
            if len(buffer) < 2 + size:
                return
            frame = bytes(buffer[2 : 2 + size])
            del buffer[: 2 + size]
            if frame:
                self.receive(frame)

    def send(self, datagram: bytes) -> bool:
        """Send one datagram as a frame."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(len(datagram).to_bytes(2, "big") + datagram)
        return True

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()


class TurnWay(asyncio.DatagramProtocol):
    """An allocation at a TURN server, towards one of the relay's addresses."""

    kind: Kind = "turn"

    def __init__(self, peer: Address) -> None:
        self.receive: Callable[[bytes], None] = _deaf
        self._peer = peer
        self._transport: TurnTransport | None = None

    @classmethod
    async def open(cls, url: str, username: str, credential: str, peer: Address) -> TurnWay:
        """Allocate an address at the server of `url`. Raises WayError."""
        found = _TURN_URL.fullmatch(url)
        if found is None:
            raise WayError("not a TURN address")
        secure = found["scheme"] == "turns"
        by = found["by"] or ("tcp" if secure else "udp")
        port = int(found["port"] or (5349 if secure else 3478))
        if secure and by == "udp":
            raise WayError("DTLS to a TURN server is not tried")
        try:
            transport, way = await create_turn_endpoint(
                lambda: cls(peer),
                server_addr=(found["host"].strip("[]"), port),
                username=username,
                password=credential,
                ssl=ssl.create_default_context() if secure else None,
                transport=by,
            )
        except (OSError, stun.TransactionError, ValueError) as error:
            raise WayError(type(error).__name__) from None
        way._transport = transport
        return way

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Hand on what the relay sent."""
        del addr
        self.receive(data)

    def error_received(self, exc: Exception) -> None:
        """A channel could not be bound, as to an address that the server does not let through: checks find out."""
        del exc

    def send(self, datagram: bytes) -> bool:
        """Send one datagram through the server."""
        if self._transport is None:
            return False
        self._transport.sendto(datagram, self._peer)
        return True

    def close(self) -> None:
        """Give the allocation back."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
