"""A raw client whose browser part counts packets transport-wide: it numbers what it sends and reports what it gets."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from media import extension, rtcp
from media.control import AnswerLeg, CreateLeg, JoinRoom
from media.sdp import ABS_SEND_TIME_ID, AUDIO_LEVEL_ID, TRANSPORT_SEQUENCE_ID, TRANSPORT_SEQUENCE_URI
from media.twcc import Arrivals
from tests.media.client import RawClient, until

FEEDBACK_S = 0.05


class CountingClient(RawClient):
    """Sends with level, send time and transport number; `counted` are the numbers of what came, in order."""

    def __init__(self, offer: str, **options: Any) -> None:
        super().__init__(offer, **options)
        self.number = 0
        self.level_db = 20
        self.counted: list[int] = []
        self.arrivals = Arrivals()
        self.reporting: asyncio.Task[None] | None = None

    def answer(self) -> str:
        lines = [f"a=extmap:{TRANSPORT_SEQUENCE_ID} {TRANSPORT_SEQUENCE_URI}", "a=rtcp-fb:* transport-cc", ""]
        return super().answer().replace("a=rtcp-mux\r\n", "a=rtcp-mux\r\n" + "\r\n".join(lines))

    def protected(self, packet: bytes) -> bytes:
        self.number = (self.number + 1) & 0xFFFF
        send_time = int(time.monotonic() * (1 << 18)) & 0xFFFFFF
        elements = b"".join((
            bytes((AUDIO_LEVEL_ID << 4, self.level_db)),
            bytes((ABS_SEND_TIME_ID << 4 | 2,)) + send_time.to_bytes(3, "big"),
            bytes((TRANSPORT_SEQUENCE_ID << 4 | 1,)) + self.number.to_bytes(2, "big") + bytes(3),
        ))  # fmt: skip
        head = bytes((packet[0] | 0x10,)) + packet[1:12]
        return super().protected(head + b"\xbe\xde\x00\x03" + elements + packet[12:])

    def datagram(self, data: bytes) -> None:
        before = len(self.received)
        super().datagram(data)
        for packet in self.received[before:]:
            at, _ = extension.read(packet)
            if at:
                number = extension.sequence_of(packet, at)
                self.counted.append(number)
                self.arrivals.received(number, time.monotonic())

    @property
    def media(self) -> list[bytes]:
        """What came and is not padding."""
        return [packet for packet in self.received if not packet[0] & 0x20]

    def report(self) -> None:
        """Send feedback about all that came since the last."""
        assert self.srtp is not None
        for packet in self.arrivals.build(1, 2, time.monotonic()):
            self.send(self.srtp.protect_rtcp(packet))

    def keep_reporting(self) -> None:
        """Send feedback as a browser does, until `close`."""

        async def run() -> None:
            while True:
                self.report()
                await asyncio.sleep(FEEDBACK_S)

        self.reporting = asyncio.create_task(run())

    async def close(self, *, goodbye: bool = True) -> None:
        if self.reporting is not None:
            self.reporting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.reporting
        await super().close(goodbye=goodbye)

    def feedback(self) -> list[rtcp.TransportFeedback]:
        """The relay's transport-wide feedback so far."""
        return [report for report in self.reports if isinstance(report, rtcp.TransportFeedback)]


async def counting(relay: Any, name: str, room: str | None = "room") -> CountingClient:
    """A counting client of a new leg, connected, in `room` if there is one, and reporting."""
    offer = relay.create(CreateLeg(leg=name, call="call", epoch=1))
    client = CountingClient(offer.sdp)
    relay.answer(name, AnswerLeg(call="call", epoch=1, restart=0, sdp=client.answer()))
    await client.connect()
    await until(lambda: relay.legs[name].connected)
    client.keep_reporting()
    if room is not None:
        relay.join(room, JoinRoom(call="call", epoch=1, leg=name))
    return client
