"""The way out to one leg whose browser counts packets: numbered, paced, voice first.

Everything that a leg is sent gets the next of its transport-wide numbers as it leaves, not before: so the feedback
tells of the link and not of the queue here. Voice leaves at once; retransmissions and pictures wait their turn.
"""

from __future__ import annotations

import struct
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

from media import extension
from media.downlink import Downlink
from media.keyframe import starts_keyframe
from media.pacer import Kind, Pacer
from media.rtp import RtpError, wrap_rtx
from media.sdp import RTX_OF
from media.srtp import SrtpError
from media.streams import End, Path, Sink

IP_UDP_BYTES = 28

WRAPPING_BYTES = IP_UDP_BYTES + 10
"""IPv4, UDP and the SRTP tag (AES-CM; GCM has 6 more): what the link carries on top of an RTP packet."""

PADDING_BYTES = 255
"""The most that one packet can be padded by (RFC 3550 section 5.1: the count is one byte)."""

DOUBLED_AFTER_S = 0.04
"""After this a packet of a doubled picture goes a second time: beyond a short burst of loss."""

MAX_SPACED = 64
"""Copies of voice packets waiting to be sent again; at 50 packets a second more than a second of them."""

Emit = Callable[[Path, bytes, bool], None]


class Waiting(NamedTuple):
    """A packet as the slot sends it, without its transport number yet; `at` is where that goes."""

    sink: Sink
    packet: bytes
    at: int


class Outlet:
    """Sends to one leg. `emit` puts a protected datagram on a path; `wake` is called when something begins to wait."""

    def __init__(
        self, end: End, downlink: Downlink, emit: Emit, dropped: Counter[str], wake: Callable[[Outlet], None]
    ) -> None:
        self.end = end
        self.downlink = downlink
        self.pacer: Pacer[Waiting] = Pacer()
        self.copies = 0
        """How often each voice packet is sent again (bounded by `media.controller.repeats`)."""
        self.copy_gap_s = 0.03
        """Between copies: bursts of loss are shorter (two or three packets of a fade)."""
        self.padding: tuple[Sink, int] | None = None
        """On which slot's retransmission stream probes are padded, and its payload type; None: no probes."""
        self._awake = False
        self._emit = emit
        self._dropped = dropped
        self._wake = wake
        self._spaced: list[tuple[float, bytes]] = []
        self._doubles: deque[tuple[float, Waiting]] = deque()

    @property
    def waiting(self) -> bool:
        """Whether anything is to be sent later."""
        return bool(self._spaced or self._doubles or self.pacer) or self.downlink.prober.next_due_s is not None

    def look_again(self) -> None:
        """Have what waits sent in its time; to be called when something may have begun to wait."""
        if not self._awake and self.waiting:
            self._awake = True
            self._wake(self)

    def forward(self, sink: Sink, packet: bytes, at: int, now_s: float) -> None:
        """Send a packet of a slot: now, or when its turn comes."""
        size = len(packet) + WRAPPING_BYTES
        if not sink.video:
            self.pacer.voice(now_s, size)
            self._voice(sink, packet, at, now_s)
            return
        timestamp = packet[4:8]
        if timestamp != sink.timestamp:
            sink.timestamp = timestamp
            sink.in_keyframe = starts_keyframe(packet)
            if sink.in_keyframe:
                sink.starved = False
        if sink.doubled:
            self._double(sink, packet, at, now_s)
        if self.pacer.offer(now_s, size):
            self._leave(sink, packet, at, now_s, None)
            return
        marker = bool(packet[1] & 0x80)
        waiting = Waiting(sink, packet, at)
        if not self.pacer.put(Kind.VIDEO, waiting, size, now_s, marker, source=sink, keyframe=sink.in_keyframe):
            self._dropped["paced_out"] += 1
        self._starved()
        self.look_again()

    def resend(self, sink: Sink, packet: bytes, at: int, now_s: float) -> None:
        """Send a retransmission; it goes before pictures that wait, and at once if it is of voice."""
        size = len(packet) + WRAPPING_BYTES
        if not sink.video:
            self.pacer.voice(now_s, size)
            self._leave(sink, packet, at, now_s, None)
        elif sink.starved:
            self._dropped["paced_out"] += 1  # it was dropped here: a keyframe is on its way instead
        elif self.pacer.offer(now_s, size):
            self._leave(sink, packet, at, now_s, None)
        elif self.pacer.put(Kind.REPAIR, Waiting(sink, packet, at), size, now_s):
            self.look_again()
        else:
            self._dropped["paced_out"] += 1

    def _double(self, sink: Sink, packet: bytes, at: int, now_s: float) -> None:
        """Have a packet of a picture sent once more, as the retransmission that nobody has asked for yet."""
        rtx = RTX_OF.get(packet[1] & 0x7F)
        if rtx is None or len(self._doubles) >= MAX_SPACED:
            return
        sink.rtx_sequence = (sink.rtx_sequence + 1) & 0xFFFF
        try:
            again = wrap_rtx(packet, sink.rtx_ssrc, rtx, sink.rtx_sequence)
        except RtpError:
            return
        self._doubles.append((now_s + DOUBLED_AFTER_S, Waiting(sink, again, at)))
        self.look_again()

    def _starved(self) -> None:
        """Have a keyframe asked for where a dropped picture was needed by those after it."""
        starved = self.pacer.needs_keyframe
        while starved:
            sink = starved.pop()
            if isinstance(sink, Sink):
                sink.starved = True
                self.end.owner.on_starved(sink)

    def due(self, now_s: float) -> None:
        """Send what is due by now."""
        for waiting in self.pacer.due(now_s):
            self._leave(waiting.sink, waiting.packet, waiting.at, now_s, None)
        self._starved()
        while self._spaced and self._spaced[0][0] <= now_s:
            _, datagram = self._spaced.pop(0)
            if self.end.path is not None:
                self.pacer.voice(now_s, len(datagram) + IP_UDP_BYTES)
                self._emit(self.end.path, datagram, False)
        while self._doubles and self._doubles[0][0] <= now_s:
            sink, packet, at = self._doubles.popleft()[1]
            self.resend(sink, packet, at, now_s)
        count, probe = self.downlink.prober.due(now_s)
        for _ in range(count):
            self._pad(probe, now_s)
        self._awake = self.waiting

    def _voice(self, sink: Sink, packet: bytes, at: int, now_s: float) -> None:
        datagram = self._leave(sink, packet, at, now_s, None, 1 + self.copies)
        if datagram is None or not self.copies:
            return
        for copy in range(1, self.copies + 1):
            if len(self._spaced) < MAX_SPACED:
                self._spaced.append((now_s + copy * self.copy_gap_s, datagram))
        self._spaced.sort(key=lambda entry: entry[0])
        self.look_again()

    def _leave(
        self, sink: Sink, packet: bytes, at: int, now_s: float, probe: int | None, times: int = 1
    ) -> bytes | None:
        """Number, protect and send a packet; returns the datagram, None if it could not be sent.

        `times` says how often it will be sent in all: copies have its number, so the link's load is noted with it.
        """
        end = self.end
        if end.srtp is None or end.path is None:
            return None
        number = self.downlink.next_number()
        try:
            datagram = end.srtp.protect(extension.stamp(packet, at, number))
        except SrtpError as error:
            self._dropped[error.reason] += 1
            return None
        self.downlink.log.sent(number, now_s, times * (len(datagram) + IP_UDP_BYTES), probe)
        if probe is None:
            sink.packets += 1
            sink.bytes += len(datagram)
        self._emit(end.path, datagram, sink.video)
        return datagram

    def _pad(self, probe: int, now_s: float) -> None:
        """Send one packet of padding on the first slot's retransmission stream, as part of a probe."""
        if self.padding is None:
            return
        sink, payload_type = self.padding
        sink.rtx_sequence = (sink.rtx_sequence + 1) & 0xFFFF
        head = struct.pack("!BBHII", 0xA0, payload_type, sink.rtx_sequence, 0, sink.rtx_ssrc)
        packet = head + bytes(PADDING_BYTES - 1) + bytes((PADDING_BYTES,))
        self.pacer.voice(now_s, len(packet) + WRAPPING_BYTES)
        self._leave(sink, packet, 0, now_s, probe)

    def forget(self, sink: Sink) -> None:
        """Drop what waits of a slot whose source has left."""
        self.pacer.forget(sink)
        self._doubles = deque(entry for entry in self._doubles if entry[1].sink is not sink)

    def clear(self) -> None:
        """Drop everything that waits: it is of before a cut."""
        self.pacer.clear_video()
        self._spaced.clear()
        self._doubles.clear()
