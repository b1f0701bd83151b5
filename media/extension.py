"""RTP header extensions with one-byte headers (RFC 8285 section 4.2): the two that a relay reads and the one it writes.

A sender's packet carries the sender's transport-wide sequence number; to each receiver it goes with that receiver's
own, overwritten in place. Offsets found here hold for every copy of the packet, because only fixed fields change.
"""

from __future__ import annotations

from media.rtp import HEADER_BYTES
from media.sdp import ABS_SEND_TIME_ID, AUDIO_LEVEL_ID, TRANSPORT_SEQUENCE_ID

NONE = -1
"""Stands for an absent send time."""

_ONE_BYTE_PROFILE = b"\xbe\xde"
_SEQUENCE_HEAD = TRANSPORT_SEQUENCE_ID << 4 | 1
_SEND_TIME_HEAD = ABS_SEND_TIME_ID << 4 | 2


def read(packet: bytes) -> tuple[int, int]:
    """Return where the transport sequence number of a packet is (0: it has none) and its 24-bit send time, or NONE.

    Never raises: of a header extension that points outside the packet, or of another form, nothing is read.
    """
    first = packet[0]
    if not first & 0x10:
        return 0, NONE
    at = HEADER_BYTES + 4 * (first & 0x0F)
    size = len(packet)
    if packet[at : at + 2] != _ONE_BYTE_PROFILE or at + 4 > size:
        return 0, NONE
    end = at + 4 + 4 * (packet[at + 2] << 8 | packet[at + 3])
    if end > size:
        return 0, NONE
    at += 4
    sequence_at, send_time = 0, NONE
    while at < end:
        head = packet[at]
        if head == _SEQUENCE_HEAD and at + 3 <= end:
            sequence_at = at + 1
        elif head == _SEND_TIME_HEAD and at + 4 <= end:
            send_time = packet[at + 1] << 16 | packet[at + 2] << 8 | packet[at + 3]
        elif head == 0:  # padding between elements has no length
            at += 1
            continue
        elif head >> 4 == 15:  # RFC 8285: stop here
            break
        at += (head & 0x0F) + 2
    return sequence_at, send_time


def level(packet: bytes) -> int | None:
    """Return how loud a packet of voice is, in dB below overload (RFC 6464): 0 to 127; None if it does not say."""
    if len(packet) < HEADER_BYTES or not packet[0] & 0x10:
        return None
    at = HEADER_BYTES + 4 * (packet[0] & 0x0F)
    if packet[at : at + 2] != _ONE_BYTE_PROFILE or at + 4 > len(packet):
        return None
    end = min(at + 4 + 4 * (packet[at + 2] << 8 | packet[at + 3]), len(packet))
    at += 4
    while at + 1 < end:
        head = packet[at]
        if head >> 4 == AUDIO_LEVEL_ID:
            return packet[at + 1] & 0x7F
        at += 1 if head == 0 else (head & 0x0F) + 2
    return None


def sequence_of(packet: bytes, at: int) -> int:
    """Return the transport sequence number at an offset that `read` has found."""
    return packet[at] << 8 | packet[at + 1]


def stamp(packet: bytes, at: int, sequence: int) -> bytes:
    """Return the packet with `sequence` as its transport sequence number, at the offset found, or added where it is 0.

    A packet whose header extension has another form is returned as it is: then it goes uncounted.
    """
    number = sequence.to_bytes(2, "big")
    if at:
        return packet[:at] + number + packet[at + 2 :]
    element = bytes((_SEQUENCE_HEAD,)) + number
    first = packet[0]
    end_of_fixed = HEADER_BYTES + 4 * (first & 0x0F)
    if not first & 0x10:
        head = bytes((first | 0x10,)) + packet[1:end_of_fixed]
        return b"".join((head, _ONE_BYTE_PROFILE, b"\x00\x01", element, b"\x00", packet[end_of_fixed:]))
    if packet[end_of_fixed : end_of_fixed + 2] != _ONE_BYTE_PROFILE:
        return packet
    words = packet[end_of_fixed + 2] << 8 | packet[end_of_fixed + 3]
    begin = end_of_fixed + 4
    end = begin + 4 * words
    if end > len(packet) or words == 0xFFFF:
        return packet
    return b"".join((
        packet[: end_of_fixed + 2], (words + 1).to_bytes(2, "big"), element, b"\x00", packet[begin:end], packet[end:],
    ))  # fmt: skip
