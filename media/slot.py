"""One slot of a leg's description, as a stream: it keeps its SSRC, and stays continuous when its source changes.

As long as a slot has its first source only the SSRC is changed. From the second source on the sequence numbers and
timestamps are moved too, so that for the receiver the new source goes on where the old one stopped.
"""

from __future__ import annotations

from media.keyframe import starts_keyframe
from media.rtp import MAX_MISORDER

KEYFRAME_WAIT_S = 2.0
"""How long a switched video slot holds back pictures that build on what its receiver has never seen."""

_LATE = 0x10000 - MAX_MISORDER
_MASK_32 = 0xFFFF_FFFF


class Rewriter:
    """Turns packets of a slot's present source into those of the slot. Times are of one monotonic clock, in seconds."""

    __slots__ = (
        "_clock_rate", "_first", "_identity", "_newest", "_newest_packet", "_newest_s", "_sequence_offset", "_ssrc",
        "_switched_s", "_timestamp_offset", "_video", "flowing", "ssrc",
    )  # fmt: skip

    def __init__(self, ssrc: int, clock_rate: int, *, video: bool) -> None:
        self.ssrc = ssrc
        self._ssrc = ssrc.to_bytes(4, "big")
        self._clock_rate = clock_rate
        self._video = video
        self.flowing = False
        """Whether a packet of the present source has passed; before that its offsets are not known."""
        self._identity = True
        self._sequence_offset = 0
        self._timestamp_offset = 0
        self._first = 0  # of the present source; it and `_newest` count wraps above their 16 bits
        self._newest = 0
        self._newest_packet = b""
        self._newest_s = 0.0
        self._switched_s = 0.0

    def switch(self, now_s: float) -> None:
        """Expect another source from now on."""
        self.flowing = False
        self._switched_s = now_s

    def rewrite(self, packet: bytes, sequence: int, now_s: float) -> bytes | None:
        """Return the packet as the slot sends it; `sequence` is the one in its header, at least 12 bytes are there.

        None if it must not be sent: the new source of a video slot has not begun a keyframe yet, or the packet is from
        before the point where the source was joined, whose number in the slot belongs to the former source.
        """
        if not self.flowing and not self._begin(packet, sequence, now_s):
            return None
        ahead = (sequence - self._newest) & 0xFFFF
        if ahead < _LATE:
            self._newest += ahead
            self._newest_packet = packet
            self._newest_s = now_s
        elif self._newest + ahead - 0x10000 < self._first:
            return None
        if self._identity:
            return packet[:8] + self._ssrc + packet[12:]
        timestamp = int.from_bytes(packet[4:8], "big") + self._timestamp_offset & _MASK_32
        head = (sequence + self._sequence_offset & 0xFFFF) << 32 | timestamp
        return packet[:2] + head.to_bytes(6, "big") + self._ssrc + packet[12:]

    def _begin(self, packet: bytes, sequence: int, now_s: float) -> bool:
        """Join the present source at this packet; False to wait for a better one."""
        last = self._newest_packet
        if last:
            waited_s = now_s - self._switched_s
            if self._video and waited_s < KEYFRAME_WAIT_S and not starts_keyframe(packet):
                return False
            ticks = max(1, round((now_s - self._newest_s) * self._clock_rate))
            theirs, ours = int.from_bytes(packet[4:8], "big"), int.from_bytes(last[4:8], "big")
            self._timestamp_offset = (ours + self._timestamp_offset + ticks - theirs) & _MASK_32
            self._sequence_offset = (self._newest + self._sequence_offset + 1 - sequence) & 0xFFFF
            self._identity = not self._timestamp_offset and not self._sequence_offset
        self._first = self._newest = sequence
        self.flowing = True
        return True

    def map_timestamp(self, timestamp: int) -> int:
        """Return a source's RTP timestamp as the slot's, for its sender reports; only meaningful while `flowing`."""
        return timestamp + self._timestamp_offset & _MASK_32

    def source_sequence(self, sequence: int) -> int | None:
        """Return the present source's number of a packet that the receiver knows as `sequence`, for its NACKs.

        None if the slot has not sent that number for the present source.
        """
        if not self.flowing:
            return None
        source = (sequence - self._sequence_offset) & 0xFFFF
        behind = (self._newest - source) & 0xFFFF
        return source if self._newest - behind >= self._first else None
