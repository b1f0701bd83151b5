"""One client's websocket and the packets on it, bounded in every direction. What is private in python-engineio and
python-socketio is touched here and in `sockets.py`."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import WSMsgType, web
from socketio import packet

from signaling.limits import Bucket
from signaling.metrics import DROPPED
from signaling.protocol_media import MAX_STILL_PART_BYTES

WRITE_BUFFER_BYTES = 4096
"""aiohttp's 256 KiB are a minute of a 64 kbit/s link in which everything new waits behind what is old."""
KERNEL_BUFFER_BYTES = 32 * 1024
"""Linux doubles it for its own book-keeping. Fits a link of 1.5 s and 170 kbit/s; left alone it grows to megabytes."""
UNSENT_BYTES = 4096
"""Of those, how many may not be on their way yet (TCP_NOTSENT_LOWAT): what waits should be where it can be replaced."""
SEND_WITHIN_S = 60.0
"""A client that takes nothing for so long is gone, or wants us to wait for ever."""
CLOSE_TIMEOUT_S = 2.0
MAX_MESSAGES_PER_S = 80
MAX_MESSAGES_AT_ONCE = 400
"""The original of a still is 256 pieces, which on a good link come as fast as they are acknowledged."""

_with_attachment = re.compile(r'51-/[a-z]{1,32},\d{0,15}\["still\.part",')
"""How a Socket.IO packet begins that is followed by a binary message: the only kind that is not refused."""


class BoundedWebSocket:
    """The driver's websocket with bounds: no compression (a page of 64 KB of state per connection for messages that are
    mostly keys and numbers once, and secrets beside what others chose), small buffers, a message rate, and no binary
    message but the one piece of a still that was announced."""

    def __init__(self, handler: Callable[[Any], Awaitable[None]], server: Any) -> None:
        self._handler = handler
        self._max_bytes: int = server.max_http_buffer_size
        self._sock = web.WebSocketResponse(
            max_msg_size=self._max_bytes,
            compress=False,
            writer_limit=0,  # look after each message whether the transport holds too much
            timeout=CLOSE_TIMEOUT_S,
        )
        self._rate = Bucket.full(MAX_MESSAGES_PER_S, MAX_MESSAGES_AT_ONCE, time.monotonic())
        self._expects_binary = False
        self.heard_s = time.monotonic()
        """When anything last came."""
        self._transport: asyncio.Transport | None = None
        self.environ: dict[str, Any] = {}

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        """Serve the connection until it ends."""
        request: web.Request = environ["aiohttp.request"]
        await self._sock.prepare(request)
        self._transport = request.transport
        if self._transport is not None:
            _keep_little(self._transport)
        # The handler is a method of the library's socket, whose queue is an `OutQueue`.
        engine_socket = self._handler.__self__  # type: ignore[attr-defined]
        engine_socket.queue.on_overflow = self._abort
        engine_socket.bounded = self
        self.environ = environ
        await self._handler(self)
        return self._sock

    async def close(self) -> None:
        """Close in order, within `CLOSE_TIMEOUT_S`, or else without order."""
        try:
            async with asyncio.timeout(2 * CLOSE_TIMEOUT_S):
                await self._sock.close()
        except TimeoutError:
            self._abort()

    async def send(self, message: str | bytes) -> None:
        """Send one message; returns when little of it is left to be sent.

        Raises:
            OSError: the client has taken nothing for `SEND_WITHIN_S`.
        """
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                if isinstance(message, bytes):
                    await self._sock.send_bytes(message)
                else:
                    await self._sock.send_str(message)
        except TimeoutError:
            DROPPED.labels("slow_reader").inc()
            self._abort()
            raise OSError from None

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def wait(self) -> str | bytes:
        """The next text message, or the binary one that it announced.

        Raises:
            OSError: the connection has ended, or its client sent what no client of ours sends.
        """
        while True:
            message = await self._sock.receive()
            self.heard_s = time.monotonic()
            is_announced = self._expects_binary and message.type is WSMsgType.BINARY
            if not is_announced and self._rate.take(time.monotonic()) > 0:
                await self._refuse("flood")
            if message.type is WSMsgType.TEXT and not self._expects_binary:
                text: str = message.data
                self._expects_binary = _with_attachment.match(text, 1) is not None
                return text
            if is_announced:
                self._expects_binary = False
                data: bytes = message.data
                if len(data) > MAX_STILL_PART_BYTES:
                    await self._refuse("binary")
                return data
            if message.type is WSMsgType.BINARY:
                # Attachments would be collected without a bound; the event they belong to is refused by itself.
                DROPPED.labels("binary").inc()
                continue
            if message.type is WSMsgType.TEXT:
                await self._refuse("binary")
            if message.type is WSMsgType.ERROR:
                DROPPED.labels("too_large_or_malformed").inc()
            raise OSError

    async def _refuse(self, why: str) -> None:
        DROPPED.labels(why).inc()
        await self._sock.close(code=1008)
        raise OSError


def _keep_little(transport: asyncio.Transport) -> None:
    """Make transport and kernel keep little, so that what waits does so in the `OutQueue`. A balancer keeps its own."""
    # aiohttp waits only once the transport says that it holds too much, which by itself is at 64 KiB (measured).
    transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
    plain = transport.get_extra_info("socket")
    if plain is None or plain.family not in (socket.AF_INET, socket.AF_INET6):
        return
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER_BYTES)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)


class BoundedPacket(packet.Packet):  # type: ignore[misc]
    """A Socket.IO packet whose binary attachments are not waited for, except the one of a piece of a still: what else
    has some is refused, not kept."""

    packet_type: int
    data: Any
    attachment_count: int

    def decode(self, encoded_packet: str) -> int:
        """Parse a packet; a binary event becomes an ordinary one with data that no model accepts."""
        super().decode(encoded_packet)
        self.attachment_count = 0
        if self.packet_type == packet.BINARY_EVENT:
            if _with_attachment.match(encoded_packet):
                return 1
            self.packet_type = packet.EVENT
            self.data = [self.data[0] if isinstance(self.data, list) and self.data else None, None]
        elif self.packet_type == packet.BINARY_ACK:
            self.packet_type = packet.ACK
        return 0

    def add_attachment(self, attachment: bytes) -> bool:
        """Put the piece where it belongs; placeholders are not looked for, whatever the client says of them."""
        fields = self.data[1] if isinstance(self.data, list) and len(self.data) == 2 else None
        fields = {**fields, "data": attachment} if isinstance(fields, dict) else None
        self.data = ["still.part", fields]
        return True
