"""Packets kept for retransmission: a ring bounded by packets, bytes and age.

A leg sends one video track, so one history at the source serves all who receive it; who asks is told apart by number,
so that a packet resent to one is not refused to another.
"""

from __future__ import annotations

from collections import deque

from media.rtp import MAX_MISORDER

MAX_PACKETS = 256
MAX_BYTES = 200_000
"""Payload of a full ring; with the objects' own overhead a history stays under 0.25 MB."""
MAX_AGE_S = 3.0
RESEND_FLOOR_S = 0.02
MAX_RESENDS = 512
"""Resends remembered for spacing."""
_MARK_S = 0.5  # between two notes of how far the stream had come: so no packet needs a time of its own

_MASK = MAX_PACKETS - 1


class History:
    """The last packets of one video stream. A packet's sequence number is the one in its header."""

    __slots__ = ("_marks", "_newest", "_resent", "_ring", "_tail", "bytes")

    def __init__(self) -> None:
        self._ring: list[bytes | None] = [None] * MAX_PACKETS
        self._newest = -1
        self._tail = 0  # nothing older is kept; it and `_newest` count wraps above their 16 bits
        self._marks: deque[tuple[float, int]] = deque()
        self._resent: dict[int, float] = {}
        self.bytes = 0
        """Bytes of all packets kept."""

    def put(self, sequence: int, packet: bytes) -> None:
        """Keep a packet. One that is older than the ring is dropped; a jump beyond the ring empties it."""
        newest = self._newest + 1
        if (sequence - newest) & 0xFFFF:
            if not self._make_room(sequence):
                return
        else:
            self._newest = newest
        slot = sequence & _MASK
        size = self.bytes + len(packet)
        old = self._ring[slot]
        if old is not None:
            size -= len(old)
        self._ring[slot] = packet
        self.bytes = size
        if size > MAX_BYTES:
            self._shrink()

    def _make_room(self, sequence: int) -> bool:
        """Move the ring to a packet that is not the next one; False if it is too old to be kept."""
        behind = (self._newest - sequence) & 0xFFFF
        ahead = 0x10000 - behind
        if self._newest < 0 or (behind > MAX_MISORDER and ahead >= MAX_PACKETS):
            self.clear()
            self._newest = self._tail = sequence
            return True
        if behind <= MAX_MISORDER:
            return self._newest - behind >= max(self._tail, self._newest - _MASK)
        for skipped in range(self._newest + 1, self._newest + ahead):
            self._drop(skipped & _MASK)
        self._newest += ahead
        return True

    def _drop(self, slot: int) -> None:
        packet = self._ring[slot]
        if packet is not None:
            self.bytes -= len(packet)
            self._ring[slot] = None

    def _drop_before(self, sequence: int) -> None:
        """Drop all packets before an unwrapped sequence number."""
        for old in range(max(self._tail, self._newest - _MASK), sequence):
            self._drop(old & _MASK)
        self._tail = max(self._tail, sequence)

    def _shrink(self) -> None:
        at = max(self._tail, self._newest - _MASK)
        while self.bytes > MAX_BYTES and at < self._newest:
            self._drop(at & _MASK)
            at += 1
        self._tail = at

    def get(self, sequence: int) -> bytes | None:
        """Return the packet of a sequence number, None if it is not kept."""
        packet = self._ring[sequence & _MASK]
        if packet is None or packet[2] << 8 | packet[3] != sequence:
            return None
        return packet

    def resend(self, sequence: int, now_s: float, rtt_s: float, receiver: int = 0) -> bytes | None:
        """Return a packet that `receiver` (any number below 65536) asks for.

        None if it is not kept, or was resent to that receiver less than a round trip ago: that copy is still under way.
        """
        packet = self.get(sequence)
        if packet is None:
            return None
        key = receiver << 16 | sequence
        sent_s = self._resent.pop(key, None)  # taken out and put back: the dictionary stays in order of time
        if sent_s is not None and now_s - sent_s < max(rtt_s, RESEND_FLOOR_S):
            self._resent[key] = sent_s
            return None
        if len(self._resent) >= MAX_RESENDS:
            del self._resent[next(iter(self._resent))]
        self._resent[key] = now_s
        return packet

    def expire(self, now_s: float) -> None:
        """Drop what is older than MAX_AGE_S, to within a second; to be called once or twice a second."""
        marks = self._marks
        while marks and now_s - marks[0][0] >= MAX_AGE_S:
            self._drop_before(marks.popleft()[1] + 1)
        if self._tail <= self._newest and (not marks or now_s - marks[-1][0] >= _MARK_S):
            marks.append((now_s, self._newest))

    def clear(self) -> None:
        """Drop everything."""
        self._ring = [None] * MAX_PACKETS
        self._newest, self._tail = -1, 0
        self._marks.clear()
        self._resent.clear()
        self.bytes = 0
