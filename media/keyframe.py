"""Keyframes: when to ask a sender for one, and how to see that one has come.

A keyframe is ten times an ordinary picture, on an uplink that has no room for it: requests of several receivers are
one, and one is asked for again only when the round trip and a pause have passed without it.
"""

from __future__ import annotations

from collections.abc import Callable

from media.rtp import RtpError, payload_offset
from media.sdp import AV1, H264, VP8, VP9

MIN_INTERVAL_S = 0.5
GIVE_UP_S = 5.0
"""After this without another wish. A camera that is off answers none; when it comes back it starts with a keyframe."""


class KeyframeRequests:
    """Requests for keyframes to one sender. All times are of one monotonic clock, in seconds."""

    __slots__ = ("_asked_s", "_until_s", "asked", "pending")

    def __init__(self) -> None:
        self.pending = False
        """Somebody waits for a keyframe."""
        self.asked = 0
        """Requests sent, for the statistics."""
        self._asked_s = float("-inf")
        self._until_s = 0.0

    def wanted(self, now_s: float) -> None:
        """Note that a receiver needs a keyframe; it is one wish with all others since the last keyframe."""
        self.pending = True
        self._until_s = now_s + GIVE_UP_S

    def due(self, now_s: float, rtt_s: float) -> bool:
        """Tell whether to send a request now, and count it as sent."""
        if not self.pending or now_s - self._asked_s < max(MIN_INTERVAL_S, rtt_s):
            return False
        if now_s >= self._until_s:
            self.pending = False
            return False
        self.asked += 1
        self._asked_s = now_s
        return True

    def seen(self) -> None:
        """Note that a keyframe has come: all wishes are served."""
        self.pending = False


def _vp8(packet: bytes, at: int) -> bool:
    """RFC 7741 §4.2, §4.3: the first packet of partition 0 carries the inverse keyframe bit."""
    first = packet[at]
    if not first & 0x10 or first & 0x07:
        return False
    at += 1
    if first & 0x80:
        extension = packet[at]
        at += 1
        if extension & 0x80:
            at += 2 if packet[at] & 0x80 else 1
        at += extension >> 6 & 1
        at += 1 if extension & 0x30 else 0
    return not packet[at] & 0x01


def _vp9(packet: bytes, at: int) -> bool:
    """RFC 9628 §4.2: begins a frame, not inter-predicted, and of the lowest spatial layer."""
    first = packet[at]
    if first & 0x40 or not first & 0x08:
        return False
    if not first & 0x20:
        return True
    at += 1
    if first & 0x80:
        at += 2 if packet[at] & 0x80 else 1
    return not packet[at] & 0x0E


def _av1(packet: bytes, at: int) -> bool:
    """AV1 RTP specification §4.4: N, the first packet of a coded video sequence."""
    return bool(packet[at] & 0x08)


_IDR, _SPS, _STAP_A, _FU_A = 5, 7, 24, 28


def _h264(packet: bytes, at: int) -> bool:
    """RFC 6184 §5: an IDR slice or the parameter sets before it, alone, aggregated or the first fragment."""
    kind = packet[at] & 0x1F
    if kind == _FU_A:
        return bool(packet[at + 1] & 0x80) and packet[at + 1] & 0x1F in {_IDR, _SPS}
    if kind != _STAP_A:
        return kind in {_IDR, _SPS}
    at += 1
    while at + 2 < len(packet):
        if packet[at + 2] & 0x1F in {_IDR, _SPS}:
            return True
        at += 2 + (packet[at] << 8 | packet[at + 1])
    return False


_DETECTORS: dict[int, Callable[[bytes, int], bool]] = {VP8: _vp8, VP9: _vp9, AV1: _av1, H264: _h264}


def starts_keyframe(packet: bytes) -> bool:
    """Tell whether an RTP packet of one of the offered video payload types begins a keyframe. Never raises."""
    if len(packet) < 2:
        return False
    detector = _DETECTORS.get(packet[1] & 0x7F)
    if detector is None:
        return False
    try:
        return detector(packet, payload_offset(packet))
    except (RtpError, IndexError):
        return False
