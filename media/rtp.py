"""RTP headers (RFC 3550 §5.1) and retransmission packets (RFC 4588), on plain bytes.

Nothing here parses a packet into an object: a relay touches four or eight bytes of each packet and must leave all
others as they are, the header extensions it does not know included.
"""

from __future__ import annotations

HEADER_BYTES = 12

MAX_MISORDER = 1024
"""A sequence number up to this far behind the newest is late; any other is ahead of it. SRTP accepts nothing that is
older than its replay window, so a number that looks further behind has come round: after a long outage."""

_MARKER = 0x80
_PADDING = 0x20
_EXTENSION = 0x10
_OSN_BYTES = 2


class RtpError(ValueError):
    """A packet is no RTP packet, or its header points outside it."""


def sequence_delta(newer: int, older: int) -> int:
    """Signed distance from one 16-bit sequence number to another: -32768 … 32767, positive if `newer` is newer."""
    return ((newer - older + 0x8000) & 0xFFFF) - 0x8000


def timestamp_delta(newer: int, older: int) -> int:
    """Signed distance from one 32-bit RTP timestamp to another, positive if `newer` is newer."""
    return ((newer - older + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


def payload_offset(packet: bytes) -> int:
    """Return where the payload begins: after the fixed header, the CSRC list and the header extension.

    Raises RtpError if the packet is not RTP version 2 or ends before that point.
    """
    size = len(packet)
    if size < HEADER_BYTES:
        raise RtpError("shorter than an RTP header")
    first = packet[0]
    if first >> 6 != 2:
        raise RtpError("not RTP version 2")
    offset = HEADER_BYTES + 4 * (first & 0x0F)
    if first & _EXTENSION:
        if offset + 4 > size:
            raise RtpError("header extension is cut off")
        offset += 4 + 4 * (packet[offset + 2] << 8 | packet[offset + 3])
    if offset > size:
        raise RtpError("header is longer than the packet")
    return offset


def payload_end(packet: bytes, offset: int) -> int:
    """Return where the payload that begins at `offset` ends, that is, where the padding begins.

    Raises RtpError if the padding count is zero or reaches into the header (RFC 3550 §5.1).
    """
    size = len(packet)
    if not packet[0] & _PADDING:
        return size
    padding = packet[-1]
    if padding == 0 or offset + padding > size:
        raise RtpError("impossible padding")
    return size - padding


def unwrap_rtx(packet: bytes, ssrc: int, payload_type: int) -> bytes | None:
    """Return the original packet inside a retransmission (RFC 4588 §4), as the stream `ssrc` would have carried it.

    The header extension is that of the retransmission, which repeats the original's. None for packets without media:
    browsers probe for bandwidth with padding on the retransmission stream. Raises RtpError for a broken packet.
    """
    offset = payload_offset(packet)
    end = payload_end(packet, offset)
    if end == offset:
        return None
    if end - offset < _OSN_BYTES:
        raise RtpError("no room for the original sequence number")
    media = offset + _OSN_BYTES
    if end == media:
        return None
    return b"".join((
        bytes((packet[0] & ~_PADDING, packet[1] & _MARKER | payload_type)),
        packet[offset:media],
        packet[4:8],
        ssrc.to_bytes(4, "big"),
        packet[HEADER_BYTES:offset],
        packet[media:end],
    ))  # fmt: skip


def wrap_rtx(packet: bytes, ssrc: int, payload_type: int, sequence: int) -> bytes:
    """Return the retransmission of `packet` on the stream `ssrc` (RFC 4588 §4), without the original's padding.

    Raises RtpError for a broken packet.
    """
    offset = payload_offset(packet)
    end = payload_end(packet, offset)
    return b"".join((
        bytes((packet[0] & ~_PADDING, packet[1] & _MARKER | payload_type)),
        (sequence & 0xFFFF).to_bytes(2, "big"),
        packet[4:8],
        ssrc.to_bytes(4, "big"),
        packet[HEADER_BYTES:offset],
        packet[2:4],
        packet[offset:end],
    ))  # fmt: skip
