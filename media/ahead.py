"""Asking a sender for packets that it will only just have sent when the request comes there.

Where a third of all packets is lost, a request that waits until one is missed comes late: the packet after it must come
first, the request and the answer may be lost as well, and by then the syllable is past. A browser that is asked for a
packet which it has just sent sends it once more (RFC 4585 §6.2.1), and ignores a request for one that it has not. So
requests for what is to come next are sent at a steady pace: each packet then comes twice, within a few tens of
milliseconds, and most likely one of the two comes through.
"""

from __future__ import annotations

from math import ceil

EVERY_S = 0.035
"""Between two requests, two ticks of the engine: over a round trip of 0.1 s two or three of them name the same packet,
since each may be lost."""
MOST = 17
"""Packets in one request: what one item of a NACK names."""
SMOOTH_S = 2.0
"""How fast the pace of the stream is learned."""


class Ahead:
    """The requests for one stream. All times are of one monotonic clock, in seconds."""

    __slots__ = ("_asked_s", "_highest", "_per_s")

    def __init__(self) -> None:
        self._asked_s = float("-inf")
        self._highest = -1
        self._per_s = 0.0

    def due(self, now_s: float, rtt_s: float, highest: int) -> list[int]:
        """Return the sequence numbers to ask for now, when `highest` (unwrapped) is the newest that came."""
        elapsed_s = now_s - self._asked_s
        if elapsed_s < EVERY_S or highest < 0:
            return []
        self._asked_s = now_s
        if self._highest < 0 or not 0 <= highest - self._highest <= MOST * MOST or elapsed_s > SMOOTH_S:
            self._highest, self._per_s = highest, 0.0
            return []
        pace = (highest - self._highest) / elapsed_s
        self._per_s += (pace - self._per_s) * min(elapsed_s / SMOOTH_S, 1.0)
        self._highest = highest
        count = min(ceil(self._per_s * (rtt_s + EVERY_S)) + 1, MOST)
        return [number & 0xFFFF for number in range(highest + 1, highest + 1 + count)]
