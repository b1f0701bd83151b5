"""RTCP packets: parse hostile compounds, pack our own (RFC 3550 §6, RFC 4585, RFC 5104, draft-alvestrand-rmcat-remb).

`parse_compound` never raises. A broken packet inside a compound costs that packet and a count, not the reports beside
it, as long as its length field still says where the next one begins; padding is accepted on any packet, because
Chromium pads transport feedback.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

MAX_PACKETS = 64
"""Packets read of one compound; a datagram of 1500 bytes of empty reports holds more, no browser sends more than 10."""
MAX_REPORTS = 31
"""Report blocks, chunks or SSRCs of one packet: the count field has five bits."""
MAX_NACKED = 1024
"""Sequence numbers read of one NACK; more than twice of what a history holds."""
MAX_SDES_ITEMS = 8
MAX_FIR_ENTRIES = 32
MAX_REMB_SSRCS = 255

_SR, _RR, _SDES, _BYE, _RTPFB, _PSFB = 200, 201, 202, 203, 205, 206
_FMT_NACK, _FMT_TWCC = 1, 15
_FMT_PLI, _FMT_FIR, _FMT_ALFB = 1, 4, 15

_REPORT = struct.Struct("!IB3sIIII")
_SENDER = struct.Struct("!IQIII")
_TWO_SSRCS = struct.Struct("!II")
_PAIR = struct.Struct("!HH")
_SSRC = struct.Struct("!I")


class RtcpError(ValueError):
    """A packet cannot be parsed, or holds more than its format can carry."""


def _packet(packet_type: int, count: int, body: bytes) -> bytes:
    if count > MAX_REPORTS:
        raise RtcpError("count does not fit in five bits")
    body += bytes(-len(body) % 4)
    return struct.pack("!BBH", 0x80 | count, packet_type, len(body) // 4) + body


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What one receiver says of one source (RFC 3550 §6.4.1). `fraction_lost` in 1/256, `lsr`/`dlsr` in 1/65536 s."""

    ssrc: int
    fraction_lost: int
    packets_lost: int
    highest_sequence: int
    jitter: int
    lsr: int
    dlsr: int

    def pack(self) -> bytes:
        """Return the 24 bytes of the block; the loss count is clamped to its 24 bits."""
        lost = max(-0x800000, min(0x7FFFFF, self.packets_lost))
        return _REPORT.pack(
            self.ssrc, self.fraction_lost, lost.to_bytes(3, "big", signed=True), self.highest_sequence, self.jitter,
            self.lsr, self.dlsr,
        )  # fmt: skip


def _parse_reports(body: bytes, at: int, count: int) -> tuple[ReportBlock, ...]:
    if at + count * _REPORT.size > len(body):
        raise RtcpError("report blocks are cut off")
    blocks = []
    for _ in range(count):
        ssrc, fraction, lost, highest, jitter, lsr, dlsr = _REPORT.unpack_from(body, at)
        blocks.append(ReportBlock(ssrc, fraction, int.from_bytes(lost, "big", signed=True), highest, jitter, lsr, dlsr))
        at += _REPORT.size
    return tuple(blocks)


@dataclass(frozen=True, slots=True)
class SenderReport:
    """A sender's clock and counts (RFC 3550 §6.4.1). `ntp` is the 64-bit NTP timestamp."""

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    reports: tuple[ReportBlock, ...] = ()

    def pack(self) -> bytes:
        """Return the packet's bytes."""
        body = _SENDER.pack(self.ssrc, self.ntp, self.rtp_timestamp, self.packet_count, self.octet_count)
        return _packet(_SR, len(self.reports), body + b"".join(block.pack() for block in self.reports))

    @classmethod
    def parse(cls, count: int, body: bytes) -> SenderReport:
        """Read the body; a profile-specific extension after the blocks is ignored. Raises RtcpError."""
        if len(body) < _SENDER.size:
            raise RtcpError("sender report is cut off")
        ssrc, ntp, timestamp, packets, octets = _SENDER.unpack_from(body)
        return cls(ssrc, ntp, timestamp, packets, octets, _parse_reports(body, _SENDER.size, count))


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """A receiver's reports (RFC 3550 §6.4.2)."""

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()

    def pack(self) -> bytes:
        """Return the packet's bytes."""
        return _packet(_RR, len(self.reports), _SSRC.pack(self.ssrc) + b"".join(b.pack() for b in self.reports))

    @classmethod
    def parse(cls, count: int, body: bytes) -> ReceiverReport:
        """Read the body; a profile-specific extension after the blocks is ignored. Raises RtcpError."""
        if len(body) < 4:
            raise RtcpError("receiver report is cut off")
        return cls(_SSRC.unpack_from(body)[0], _parse_reports(body, 4, count))


CNAME = 1


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """Descriptions of sources (RFC 3550 §6.5): for each SSRC its items as (type, text) pairs; type 1 is the CNAME."""

    chunks: tuple[tuple[int, tuple[tuple[int, bytes], ...]], ...]

    def pack(self) -> bytes:
        """Return the packet's bytes. Raises RtcpError if a text is longer than 255 bytes."""
        body = bytearray()
        for ssrc, items in self.chunks:
            body += _SSRC.pack(ssrc)
            for kind, text in items:
                if len(text) > 255:
                    raise RtcpError("description is longer than 255 bytes")
                body += bytes((kind, len(text))) + text
            body += bytes(4 - len(body) % 4)  # one to four zeros: the end mark and the padding
        return _packet(_SDES, len(self.chunks), bytes(body))

    @classmethod
    def parse(cls, count: int, body: bytes) -> SourceDescription:
        """Read the body. Raises RtcpError."""
        chunks = []
        at = 0
        for _ in range(count):
            if at + 4 > len(body):
                raise RtcpError("chunk is cut off")
            (ssrc,) = _SSRC.unpack_from(body, at)
            items, at = _parse_items(body, at + 4)
            chunks.append((ssrc, items))
        return cls(tuple(chunks))


def _parse_items(body: bytes, at: int) -> tuple[tuple[tuple[int, bytes], ...], int]:
    items: list[tuple[int, bytes]] = []
    while at < len(body) and body[at] != 0:
        if len(items) == MAX_SDES_ITEMS:
            raise RtcpError("too many description items")
        if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
            raise RtcpError("description item is cut off")
        end = at + 2 + body[at + 1]
        items.append((body[at], body[at + 2 : end]))
        at = end
    return tuple(items), (at // 4 + 1) * 4


@dataclass(frozen=True, slots=True)
class Bye:
    """Sources that leave (RFC 3550 §6.6)."""

    ssrcs: tuple[int, ...]
    reason: bytes = b""

    def pack(self) -> bytes:
        """Return the packet's bytes. Raises RtcpError if the reason is longer than 255 bytes."""
        body = b"".join(_SSRC.pack(ssrc) for ssrc in self.ssrcs)
        if self.reason:
            if len(self.reason) > 255:
                raise RtcpError("reason is longer than 255 bytes")
            body += bytes((len(self.reason),)) + self.reason
        return _packet(_BYE, len(self.ssrcs), body)

    @classmethod
    def parse(cls, count: int, body: bytes) -> Bye:
        """Read the body. Raises RtcpError."""
        at = 4 * count
        if at > len(body):
            raise RtcpError("list of sources is cut off")
        reason = b""
        if at < len(body):
            reason = body[at + 1 : at + 1 + body[at]]
            if len(reason) != body[at]:
                raise RtcpError("reason is cut off")
        return cls(struct.unpack_from(f"!{count}I", body), reason)


@dataclass(frozen=True, slots=True)
class Nack:
    """Sequence numbers that are missing (RFC 4585 §6.2.1), oldest first."""

    sender_ssrc: int
    media_ssrc: int
    lost: tuple[int, ...]

    def pack(self) -> bytes:
        """Return the packet's bytes: each pair names one number and 16 flags for those after it."""
        body = bytearray(_TWO_SSRCS.pack(self.sender_ssrc, self.media_ssrc))
        first, flags = -1, 0
        for sequence in self.lost:
            distance = (sequence - first) & 0xFFFF
            if first >= 0 and 1 <= distance <= 16:
                flags |= 1 << (distance - 1)
                continue
            if first >= 0:
                body += _PAIR.pack(first, flags)
            first, flags = sequence, 0
        if first >= 0:
            body += _PAIR.pack(first, flags)
        return _packet(_RTPFB, _FMT_NACK, bytes(body))

    @classmethod
    def parse(cls, body: bytes) -> Nack:
        """Read the body; numbers after the first MAX_NACKED are ignored. Raises RtcpError."""
        sender, media = _two_ssrcs(body)
        lost: list[int] = []
        for first, flags in _PAIR.iter_unpack(body[8 : len(body) & ~3]):
            lost.append(first)
            if flags:
                lost.extend((first + bit + 1) & 0xFFFF for bit in range(16) if flags >> bit & 1)
            if len(lost) >= MAX_NACKED:
                break
        return cls(sender, media, tuple(lost[:MAX_NACKED]))


@dataclass(frozen=True, slots=True)
class PictureLoss:
    """The receiver cannot go on decoding and asks for a keyframe (RFC 4585 §6.3.1)."""

    sender_ssrc: int
    media_ssrc: int

    def pack(self) -> bytes:
        """Return the packet's bytes."""
        return _packet(_PSFB, _FMT_PLI, _TWO_SSRCS.pack(self.sender_ssrc, self.media_ssrc))

    @classmethod
    def parse(cls, body: bytes) -> PictureLoss:
        """Read the body. Raises RtcpError."""
        return cls(*_two_ssrcs(body))


@dataclass(frozen=True, slots=True)
class FullIntra:
    """A command to send a keyframe (RFC 5104 §4.3.1): (ssrc, command number) pairs; a repeat has the same number."""

    sender_ssrc: int
    entries: tuple[tuple[int, int], ...]

    def pack(self) -> bytes:
        """Return the packet's bytes."""
        body = _TWO_SSRCS.pack(self.sender_ssrc, 0)
        return _packet(_PSFB, _FMT_FIR, body + b"".join(struct.pack("!IB3x", *entry) for entry in self.entries))

    @classmethod
    def parse(cls, body: bytes) -> FullIntra:
        """Read the body; entries after the first MAX_FIR_ENTRIES are ignored. Raises RtcpError."""
        sender, _ = _two_ssrcs(body)
        end = 8 + min((len(body) - 8) // 8, MAX_FIR_ENTRIES) * 8
        return cls(sender, tuple(struct.iter_unpack("!IB3x", body[8:end])))


@dataclass(frozen=True, slots=True)
class Remb:
    """Receiver estimated maximum bit rate (draft-alvestrand-rmcat-remb-03 §2.2): the sum for all `ssrcs`, in bit/s."""

    sender_ssrc: int
    bitrate_bps: int
    ssrcs: tuple[int, ...]

    def pack(self) -> bytes:
        """Return the packet's bytes; rates above 18 bits lose their low bits (rounded down). Raises RtcpError."""
        if len(self.ssrcs) > MAX_REMB_SSRCS:
            raise RtcpError("too many sources")
        exponent = max(0, self.bitrate_bps.bit_length() - 18)
        if self.bitrate_bps < 0 or exponent > 63:
            raise RtcpError("bit rate cannot be expressed")
        packed = len(self.ssrcs) << 24 | exponent << 18 | self.bitrate_bps >> exponent
        body = _TWO_SSRCS.pack(self.sender_ssrc, 0) + b"REMB" + _SSRC.pack(packed)
        return _packet(_PSFB, _FMT_ALFB, body + struct.pack(f"!{len(self.ssrcs)}I", *self.ssrcs))

    @classmethod
    def parse(cls, body: bytes) -> Remb:
        """Read the body. Raises RtcpError."""
        if len(body) < 16:
            raise RtcpError("REMB is cut off")
        sender, _ = _two_ssrcs(body)
        (packed,) = _SSRC.unpack_from(body, 12)
        count = packed >> 24
        if 16 + 4 * count > len(body):
            raise RtcpError("list of sources is cut off")
        return cls(sender, (packed & 0x3FFFF) << (packed >> 18 & 0x3F), struct.unpack_from(f"!{count}I", body, 16))


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1), its body not decoded here."""

    sender_ssrc: int
    media_ssrc: int
    body: bytes

    def pack(self) -> bytes:
        """Return the packet's bytes, the body padded with zeros to a multiple of four."""
        return _packet(_RTPFB, _FMT_TWCC, _TWO_SSRCS.pack(self.sender_ssrc, self.media_ssrc) + self.body)

    @classmethod
    def parse(cls, body: bytes) -> TransportFeedback:
        """Split off the two SSRCs. Raises RtcpError."""
        return cls(*_two_ssrcs(body), body[8:])


@dataclass(frozen=True, slots=True)
class Unknown:
    """Any other well-framed packet. `count` is the five-bit field of its header: a count or a format."""

    packet_type: int
    count: int
    body: bytes

    def pack(self) -> bytes:
        """Return the packet's bytes."""
        return _packet(self.packet_type, self.count, self.body)


Rtcp: TypeAlias = (
    SenderReport
    | ReceiverReport
    | SourceDescription
    | Bye
    | Nack
    | PictureLoss
    | FullIntra
    | Remb
    | TransportFeedback
    | Unknown
)


def _two_ssrcs(body: bytes) -> tuple[int, int]:
    if len(body) < 8:
        raise RtcpError("feedback is cut off")
    first, second = _TWO_SSRCS.unpack_from(body)
    return first, second


_COUNTED: dict[int, Callable[[int, bytes], Rtcp]] = {
    _SR: SenderReport.parse,
    _RR: ReceiverReport.parse,
    _SDES: SourceDescription.parse,
    _BYE: Bye.parse,
}
_FEEDBACK: dict[tuple[int, int], Callable[[bytes], Rtcp]] = {
    (_RTPFB, _FMT_NACK): Nack.parse,
    (_RTPFB, _FMT_TWCC): TransportFeedback.parse,
    (_PSFB, _FMT_PLI): PictureLoss.parse,
    (_PSFB, _FMT_FIR): FullIntra.parse,
}


def _parse_one(packet_type: int, count: int, body: bytes) -> Rtcp:
    counted = _COUNTED.get(packet_type)
    if counted is not None:
        return counted(count, body)
    feedback = _FEEDBACK.get((packet_type, count))
    if feedback is not None:
        return feedback(body)
    if packet_type == _PSFB and count == _FMT_ALFB and body[8:12] == b"REMB":
        return Remb.parse(body)
    return Unknown(packet_type, count, body)


def _without_padding(body: bytes) -> bytes:
    if not body or body[-1] == 0 or body[-1] > len(body):
        raise RtcpError("impossible padding")
    return body[: -body[-1]]


def parse_compound(data: bytes) -> tuple[list[Rtcp], int]:
    """Return the packets of a datagram and how many were malformed and skipped. Never raises.

    What follows a packet of a wrong version or with a length beyond the datagram is lost: nothing says where the next
    one begins. Reduced-size compounds (RFC 5506) are accepted.
    """
    packets: list[Rtcp] = []
    malformed = 0
    at, size = 0, len(data)
    while at < size:
        if at + 4 > size or data[at] >> 6 != 2 or len(packets) + malformed >= MAX_PACKETS:
            return packets, malformed + 1
        end = at + 4 + 4 * (data[at + 2] << 8 | data[at + 3])
        if end > size:
            return packets, malformed + 1
        body = bytes(data[at + 4 : end])
        try:
            if data[at] & 0x20:
                body = _without_padding(body)
            packets.append(_parse_one(data[at + 1], data[at] & 0x1F, body))
        except RtcpError:
            malformed += 1
        at = end
    return packets, malformed


def pack_compound(packets: Iterable[Rtcp]) -> bytes:
    """Return the datagram of the given packets, in their order. Raises RtcpError if one cannot be packed."""
    return b"".join(packet.pack() for packet in packets)
