"""The client's side of a relay leg: DTLS, SRTP, packets that are counted, and feedback about what came."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import time
from collections.abc import Sequence

from media import extension, rtcp
from media.dtls import Certificate, Dtls, DtlsError
from media.sdp import ABS_SEND_TIME_ID, TRANSPORT_SEQUENCE_ID, VP8
from media.sentlog import PacketResult, SentLog
from media.srtp import Srtp, SrtpError
from media.twcc import Arrivals, Clock, parse
from server.linktest.checks import Checks
from server.linktest.offer import RelayOffer, Sender
from server.linktest.ramp import Step, Train
from server.linktest.ways import Way

HANDSHAKE_S = 12.0
REPORT_EVERY_S = 1.0
TICK_S = 0.02
SPIN_S = 0.005
"""How finely packets are paced: at 3 Mbit/s two leave at a time."""
MAX_RESULTS = 4096
"""Of one step; the longest has 270 packets."""
UNREPORTED_S = 1.2
"""Feedback comes twice a second at least; one may be lost."""

MAX_EARLY = 64
"""Packets kept from before the keys are known. When the last flight of the handshake is lost the relay has the keys a
second before we have, and its first train of padding is sent meanwhile."""

_NTP_EPOCH_S = 2_208_988_800
_HEADER_BYTES = 24
_IP_UDP_BYTES = 28
"""As the relay counts, whatever the way."""
_VIDEO_HZ = 90_000


class LegError(Exception):
    """The leg did not come up."""


class Gaps:
    """Counts what is missing in a row of numbers."""

    def __init__(self) -> None:
        self._first = self._highest = -1
        self._seen = 0

    def take(self, number: int) -> None:
        """Note that this number came."""
        if self._first < 0:
            self._first = number
        self._highest = max(self._highest, number)
        self._seen += 1

    @property
    def expected(self) -> int:
        """How many were sent from the first to the last that came."""
        return self._highest - self._first + 1 if self._first >= 0 else 0

    @property
    def missing(self) -> int:
        """How many of them did not come."""
        return max(0, self.expected - self._seen)


class Leg:
    """One leg over an open way. `connect` it, `send_step`s, `close` it."""

    def __init__(self, way: Way, offer: RelayOffer, sender: Sender, certificate: Certificate, checks: Checks) -> None:
        self.way = way
        self.checks = checks
        self.rtcp_gaps = Gaps()
        """The relay's RTCP by its SRTCP index (RFC 3711 §3.4): what is missing was lost on the way here."""
        self.padding_gaps = Gaps()
        """The relay's padding by its transport-wide number."""
        self.train = Train()
        """The relay's first padding."""
        self.rtcp_rtt_s: float | None = None
        """The least round trip by reports (RFC 3550 §6.4.1)."""
        self.link_bps: int | None = None
        """What the way to the relay is known to carry: feedback is sent as often as that allows."""
        self._offer = offer
        self._sender = sender
        self._dtls = Dtls(certificate, self._send)
        self._srtp: Srtp | None = None
        self._early: list[tuple[float, bytes]] = []
        self._log = SentLog()
        self._clock = Clock()
        self._arrivals = Arrivals()
        self._number = 0
        self._sequence = 0
        self._packets = self._octets = 0
        self._step = -1
        self._results: list[PacketResult] = []
        self._reported: dict[int, float] = {}
        self._telling: asyncio.Task[None] | None = None
        way.receive = self._datagram

    async def connect(self) -> None:
        """Do the handshake and begin to report. Raises LegError."""
        try:
            self._srtp = await self._dtls.handshake([("sha-256", self._offer.fingerprint)], "client", HANDSHAKE_S)
        except DtlsError as error:
            raise LegError(str(error)) from None
        for came_s, datagram in self._early:
            self._protected(self._srtp, datagram, came_s)
        self._early.clear()
        self._telling = asyncio.create_task(self._keep_telling(), name="linktest-feedback")

    async def close(self) -> None:
        """Say goodbye and close the way."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        with contextlib.suppress(ConnectionError):
            await self._dtls.close()
        self.way.close()

    # ---- steps

    async def send_step(self, step: Step, rtt_s: float) -> list[PacketResult]:
        """Send a step's packets evenly, and return how each fared once all is known, or will not be any more."""
        self._step, self._results = step.number, []
        begun_s = time.monotonic()
        sent = 0
        while sent < step.packets:
            due = min(1 + int((time.monotonic() - begun_s) / step.gap_s), step.packets)
            for _ in range(due - sent):
                self.send_packet(step.packet_bytes, step.number)
            sent = max(due, sent)
            await asyncio.sleep(min(max(step.gap_s / 2, SPIN_S), TICK_S))
        # On a way that is full the last packets stand in its queue for as long as the step took, at twice its rate.
        patience_s = rtt_s + UNREPORTED_S + step.packets * step.gap_s
        await self._all_told(step.packets, patience_s)
        return self._results

    async def came_through(self, packet_bytes: int, copies: int, number: int, rtt_s: float) -> bool | None:
        """Send packets of this length and tell whether one arrived; None: this host would not send them."""
        self._step, self._results = number, []
        if not all(self.send_packet(packet_bytes, number) for _ in range(copies)):
            return None
        await self._all_told(1, rtt_s + UNREPORTED_S)
        return any(result.arrived_s is not None for result in self._results)

    async def _all_told(self, packets: int, timeout_s: float) -> None:
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            told = sum(not result.amends for result in self._results)
            if told >= packets and any(result.arrived_s is not None for result in self._results):
                return
            await asyncio.sleep(TICK_S)

    def send_packet(self, packet_bytes: int, step: int) -> bool:
        """Send one packet like a picture's, of this length on the wire; false when it did not even leave."""
        if self._srtp is None:
            return False
        self._number = (self._number + 1) & 0xFFFF
        self._sequence = (self._sequence + 1) & 0xFFFF
        now_s = time.monotonic()
        head = struct.pack(
            "!BBHII", 0x90, 0x80 | VP8, self._sequence, int(now_s * _VIDEO_HZ) & 0xFFFF_FFFF, self._sender.video_ssrc
        )
        send_time = int(now_s * (1 << 18)) & 0xFF_FFFF
        elements = b"".join((
            b"\xbe\xde\x00\x02",
            bytes((ABS_SEND_TIME_ID << 4 | 2,)), send_time.to_bytes(3, "big"),
            bytes((TRANSPORT_SEQUENCE_ID << 4 | 1,)), self._number.to_bytes(2, "big"), b"\x00",
        ))  # fmt: skip
        overhead = _IP_UDP_BYTES + _HEADER_BYTES + self._tag_bytes
        payload = b"\x10\x01" + os.urandom(max(0, packet_bytes - overhead - 2))
        datagram = self._srtp.protect(head + elements + payload)
        self._log.sent(self._number, now_s, len(datagram) + _IP_UDP_BYTES, step)
        self._packets += 1
        self._octets += len(payload)
        return self.way.send(datagram)

    @property
    def _tag_bytes(self) -> int:
        return 16 if self._aead else 10

    @property
    def _aead(self) -> bool:
        return "AEAD" in (self._dtls.profile or "")

    # ---- what comes

    def _send(self, datagram: bytes) -> None:
        self.way.send(datagram)

    def _datagram(self, datagram: bytes) -> None:
        if not datagram:
            return
        first = datagram[0]
        if first < 4:
            self.checks.feed(datagram)
        elif 19 < first < 64:
            self._dtls.receive(datagram)
        elif 127 < first < 192 and len(datagram) > 12:
            if self._srtp is not None:
                self._protected(self._srtp, datagram, time.monotonic())
            elif len(self._early) < MAX_EARLY:
                self._early.append((time.monotonic(), datagram))

    def _protected(self, srtp: Srtp, datagram: bytes, now_s: float) -> None:
        with contextlib.suppress(SrtpError, rtcp.RtcpError):
            if 191 < datagram[1] < 224:
                self._rtcp(srtp, datagram)
            else:
                self._media(srtp.unprotect(datagram), now_s)

    def _media(self, packet: bytes, now_s: float) -> None:
        at, _ = extension.read(packet)
        if at:
            number = packet[at] << 8 | packet[at + 1]
            self._arrivals.received(number, now_s)
            self.padding_gaps.take(number)
            self.train.take(now_s, len(packet) + self._tag_bytes + _IP_UDP_BYTES)

    def _rtcp(self, srtp: Srtp, datagram: bytes) -> None:
        packets, _ = rtcp.parse_compound(srtp.unprotect_rtcp(datagram))
        # The index stands at the end, before the tag where that is not part of the cipher (RFC 7714 §9.2).
        index = datagram[-4:] if self._aead else datagram[-14:-10]
        self.rtcp_gaps.take(int.from_bytes(index, "big") & 0x7FFF_FFFF)
        for packet in packets:
            match packet:
                case rtcp.TransportFeedback():
                    self._take(self._log.match(parse(packet.body, self._clock)))
                case rtcp.ReceiverReport() | rtcp.SenderReport():
                    self._round_trip(packet.reports)

    def _take(self, results: Sequence[PacketResult]) -> None:
        for result in results:
            if result.probe != self._step or len(self._results) >= MAX_RESULTS:
                continue
            if result.amends:  # it was only late
                self._results = [old for old in self._results if old.sent_s != result.sent_s]
                self._results.append(result._replace(amends=False))
            else:
                self._results.append(result)

    def _round_trip(self, blocks: Sequence[rtcp.ReportBlock]) -> None:
        for block in blocks:
            sent_s = self._reported.pop(block.lsr, None) if block.ssrc == self._sender.video_ssrc else None
            if sent_s is not None:
                rtt_s = max(0.0, time.monotonic() - sent_s - block.dlsr / 65536)
                self.rtcp_rtt_s = rtt_s if self.rtcp_rtt_s is None else min(rtt_s, self.rtcp_rtt_s)

    # ---- what is told

    async def _keep_telling(self) -> None:
        fed_s = reported_s = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now_s = time.monotonic()
            if now_s - fed_s >= self._arrivals.interval_s(self.link_bps):
                fed_s = now_s
                for feedback in self._arrivals.build(self._sender.video_ssrc, self._sender.video_ssrc, now_s):
                    self._send_rtcp(feedback)
            if now_s - reported_s >= REPORT_EVERY_S:
                reported_s = now_s
                self._report(now_s)

    def _report(self, now_s: float) -> None:
        unix_s = time.time()
        ntp = int((unix_s + _NTP_EPOCH_S) * (1 << 32)) & 0xFFFF_FFFF_FFFF_FFFF
        self._reported[ntp >> 16 & 0xFFFF_FFFF] = now_s
        while len(self._reported) > 16:
            del self._reported[next(iter(self._reported))]
        timestamp = int(now_s * _VIDEO_HZ) & 0xFFFF_FFFF
        counts = (self._packets & 0xFFFF_FFFF, self._octets & 0xFFFF_FFFF)
        self._send_rtcp(rtcp.SenderReport(self._sender.video_ssrc, ntp, timestamp, *counts).pack())

    def _send_rtcp(self, compound: bytes) -> None:
        if self._srtp is not None:
            self._send(self._srtp.protect_rtcp(compound))
