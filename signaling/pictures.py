"""What a picture file says of itself in its first bytes. Pure; nothing is decoded.

A still goes from one browser to another, whose decoder is its own safeguard. Here only what is no picture at all, or
one that would take gigabytes to show, is kept from the other side.
"""

from __future__ import annotations

from signaling.protocol_media import StillType

MAX_SIDE = 8192
"""Pixels; as large as cameras of phones make them, and what a still may be announced with."""
MIN_HEAD = 30
"""Bytes in which WebP says its size. No picture is shorter."""

_RIFF_FORMS = (b"VP8 ", b"VP8L", b"VP8X")
_JPEG_SOF = frozenset({0xC0, 0xC1, 0xC2})
"""Start of frame: baseline, extended and progressive, which is what browsers show (ITU-T T.81 table B.1)."""


def type_of(head: bytes) -> StillType | None:
    """The kind of file that begins with these bytes; None for others, and for more than `MAX_SIDE` pixels a side.

    A JPEG whose size does not stand in these bytes (a long EXIF block) passes.
    """
    if len(head) < MIN_HEAD:
        return None
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        size = _webp_size(head)
        return "image/webp" if size is not None and _within(size) else None
    if head[:3] == b"\xff\xd8\xff":
        size = _jpeg_size(head)
        return "image/jpeg" if size is None or _within(size) else None
    return None


def _within(size: tuple[int, int]) -> bool:
    return all(0 < side <= MAX_SIDE for side in size)


def _webp_size(head: bytes) -> tuple[int, int] | None:
    """Width and height from the first chunk (RFC 9649 §2.5-2.7); None when there is no such chunk."""
    form = head[12:16]
    if form not in _RIFF_FORMS:
        return None
    if form == b"VP8X":
        return _little(head[24:27]) + 1, _little(head[27:30]) + 1
    if form == b"VP8L":
        bits = _little(head[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return _little(head[26:28]) & 0x3FFF, _little(head[28:30]) & 0x3FFF


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    """Width and height from the frame header (T.81 §B.2.2), if it stands in these bytes."""
    at = 2
    while at + 9 <= len(head):
        if head[at] != 0xFF:
            return None
        if head[at + 1] in _JPEG_SOF:
            return int.from_bytes(head[at + 7 : at + 9], "big"), int.from_bytes(head[at + 5 : at + 7], "big")
        at += 2 + max(2, int.from_bytes(head[at + 2 : at + 4], "big"))
    return None


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
