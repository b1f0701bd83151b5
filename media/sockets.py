"""The worker's one media port: a UDP socket, and TCP connections on the same port number (RFC 6544, RFC 4571).

UDP is read by a loop of our own that drains the socket at each wake-up; what arrives is handed on synchronously.
TCP is for networks that let no UDP through: each frame is a datagram with a two-byte length before it. A TCP connection
that is slower than its media must not collect it: its kernel buffer is kept short, and video is dropped while ours is
full.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections import Counter
from collections.abc import Callable
from typing import cast

UDP_BUFFER_BYTES = 4 << 20
"""Half a second of the traffic of 20 calls, should the process be held up. The kernel may grant less."""

MAX_DATAGRAM = 2048
"""Room for one datagram. Longer than any accepted packet, so that a cut-off one is seen to be too long."""

DATAGRAMS_PER_WAKE = 128
"""How many datagrams are read before timers and TCP get their turn."""

MAX_CONNECTIONS = 1024
HELLO_TIMEOUT_S = 10.0
"""A TCP connection that has not authenticated by then is closed."""

TCP_VIDEO_BYTES = 48 * 1024
TCP_TOTAL_BYTES = 192 * 1024
TCP_UNSENT_BYTES = 16 * 1024
"""Bounds of what waits in a TCP connection: above the first no video is added, above the second nothing."""

_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_TCP_NOTSENT_LOWAT = 25
_PORT_TRIES = 16

UdpAddress = tuple[str, int] | tuple[str, int, int, int]


class TcpConnection(asyncio.Protocol):
    """One TCP connection: frames in, frames out. It is its own address in the plane's table."""

    def __init__(self, port: MediaPort) -> None:
        self._port = port
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._hello: asyncio.TimerHandle | None = None
        self.address: UdpAddress = ("0.0.0.0", 0)
        """Where the other side is, as it is seen from here."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept, unless there are too many connections already."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        if len(self._port.connections) >= MAX_CONNECTIONS or not peer:
            self._port.dropped["tcp_full"] += 1
            self._transport.abort()
            return
        self.address = peer
        self._port.connections.add(self)
        raw = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, TCP_UNSENT_BYTES)
        self._hello = asyncio.get_running_loop().call_later(HELLO_TIMEOUT_S, self._unproven)

    def authenticated(self) -> None:
        """Called when a packet of this connection proved who sends it: the connection may stay."""
        if self._hello is not None:
            self._hello.cancel()
            self._hello = None

    def _unproven(self) -> None:
        self._port.dropped["tcp_unproven"] += 1
        self.close()

    def data_received(self, data: bytes) -> None:
        """Split the stream into frames. A frame longer than any packet ends the connection: the framing is lost."""
        buffer = self._buffer
        buffer += data
        at, size = 0, len(buffer)
        while size - at >= 2:
            end = at + 2 + (buffer[at] << 8 | buffer[at + 1])
            if end - at - 2 > MAX_DATAGRAM:
                self._port.dropped["oversized"] += 1
                self.close()
                return
            if end > size:
                break
            self._port.receive(bytes(buffer[at + 2 : end]), self)
            if self._transport is None:
                return
            at = end
        del buffer[:at]

    def send(self, data: bytes, *, video: bool = False) -> bool:
        """Send one frame; false when it was dropped because the connection is slower than its media, or gone."""
        transport = self._transport
        if transport is None or transport.get_write_buffer_size() > (TCP_VIDEO_BYTES if video else TCP_TOTAL_BYTES):
            return False
        transport.write(len(data).to_bytes(2, "big") + data)
        return True

    def close(self) -> None:
        """End the connection without waiting for what is unsent."""
        if self._transport is not None:
            self._transport.abort()
            self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection and tell the owner once."""
        if self._transport is None:
            return
        self._transport = None
        self._buffer.clear()
        self.authenticated()
        if self in self._port.connections:
            self._port.connections.discard(self)
            self._port.lost(self)


Address = UdpAddress | TcpConnection
Receive = Callable[[bytes, Address], None]


class MediaPort:
    """The UDP socket and the TCP listener of one port number.

    `receive` is called with each datagram or frame and where it came from; `lost` with each TCP connection that ended.
    """

    def __init__(self, receive: Receive, lost: Callable[[TcpConnection], None], dropped: Counter[str]) -> None:
        self.receive = receive
        self.lost = lost
        self.dropped = dropped
        self.connections: set[TcpConnection] = set()
        self.number = 0
        self.sendto: Callable[[bytes, UdpAddress], int] = _not_open
        """The UDP socket's own `sendto`: raises OSError."""
        self._udp: socket.socket | None = None
        self._tcp: asyncio.Server | None = None

    async def open(self, host: str, port: int) -> None:
        """Bind `host`:`port` for both; port 0 takes one that is free for both. Raises OSError."""
        for attempt in range(_PORT_TRIES):
            udp = _udp_socket(host, port)
            try:
                self._tcp = await self._listen(host, udp.getsockname()[1])
            except OSError:
                udp.close()
                if port or attempt == _PORT_TRIES - 1:
                    raise
            else:
                break
        self._udp = udp
        self.number = udp.getsockname()[1]
        self.sendto = udp.sendto
        asyncio.get_running_loop().add_reader(udp.fileno(), self._readable, udp.recvfrom)

    async def _listen(self, host: str, port: int) -> asyncio.Server:
        listener = socket.socket(_family(host), socket.SOCK_STREAM)
        try:
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _accept_both_families(listener)
            listener.bind((host, port))
            return await asyncio.get_running_loop().create_server(lambda: TcpConnection(self), sock=listener)
        except OSError:
            listener.close()
            raise

    @property
    def receive_buffer_bytes(self) -> int:
        """What the kernel granted for the UDP socket."""
        return self._udp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) if self._udp else 0

    def _readable(self, recvfrom: Callable[[int], tuple[bytes, UdpAddress]]) -> None:
        receive = self.receive
        try:
            for _ in range(DATAGRAMS_PER_WAKE):
                data, address = recvfrom(MAX_DATAGRAM)
                receive(data, address)
        except BlockingIOError:
            pass
        except OSError:
            self.dropped["receive_failed"] += 1

    def send(self, data: bytes, address: Address, *, video: bool = False) -> bool:
        """Send one datagram or frame; false, and a counter, when it was dropped here."""
        try:
            if isinstance(address, TcpConnection):
                if address.send(data, video=video):
                    return True
                self.dropped["tcp_slow"] += 1
            else:
                self.sendto(data, address)
                return True
        except OSError:
            self.dropped["send_failed"] += 1
        return False

    async def close(self) -> None:
        """Close the socket, the listener and all connections."""
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp.fileno())
            self._udp.close()
            self._udp = None
            self.sendto = _not_open
        for connection in list(self.connections):
            connection.close()
        if self._tcp is not None:
            self._tcp.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._tcp.wait_closed(), 1.0)
            self._tcp = None


def _not_open(_data: bytes, _address: UdpAddress) -> int:
    raise OSError("the media port is not open")


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET


def _accept_both_families(opened: socket.socket) -> None:
    if opened.family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)


def _udp_socket(host: str, port: int) -> socket.socket:
    opened = socket.socket(_family(host), socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        _accept_both_families(opened)
        for forced, plain in ((_SO_RCVBUFFORCE, socket.SO_RCVBUF), (_SO_SNDBUFFORCE, socket.SO_SNDBUF)):
            try:
                opened.setsockopt(socket.SOL_SOCKET, forced, UDP_BUFFER_BYTES)  # needs CAP_NET_ADMIN
            except OSError:
                opened.setsockopt(socket.SOL_SOCKET, plain, UDP_BUFFER_BYTES)
        opened.bind((host, port))
    except OSError:
        opened.close()
        raise
    return opened


def plain_address(address: Address) -> tuple[str, int]:
    """Host and port as a mapped address says them: an IPv4 address that came through an IPv6 socket is IPv4 again."""
    host, port = (address.address if isinstance(address, TcpConnection) else address)[:2]
    host = host.partition("%")[0]
    return (host.removeprefix("::ffff:") if host.startswith("::ffff:") and "." in host else host), port
