"""How long the queue is that stands before a link, from one-way delays whose zero is unknown.

The least delay of the last forty seconds is the link without a queue, the least of the last packets is the queue that
no packet escapes (the idea of CoDel, RFC 8289 §3): jitter lifts single packets, a standing queue lifts all. Forty
seconds are short enough for clocks that drift apart by 100 ppm (4 ms), long enough to see the queue empty once.
"""

from __future__ import annotations

from collections import deque

BASE_BIN_S = 2.0
BASE_BINS = 20
RECENT_S = 0.25
"""The least delay is looked for in at least this time …"""
RECENT_PACKETS = 6
"""… and this many packets: with 40 ms of jitter one of six is nearly undelayed …"""
MAX_RECENT_S = 1.0
"""… but no longer: voice of 120 ms has eight packets in it."""
MAX_JUMP_S = 40.0
"""A delay that far from the base is another clock, not a queue: networks hold packets back for ten seconds and more in
a cut, and a 24-bit send time is off by 64 s after a long pause."""


class Standing:
    """Follows the queue of one link. All times in seconds of the receiver's clock."""

    __slots__ = ("_base_s", "_bins", "_recent", "queue_s")

    def __init__(self) -> None:
        self._bins: deque[list[float]] = deque(maxlen=BASE_BINS)  # [begin, least delay]
        self._recent: deque[tuple[float, float, int]] = deque(maxlen=64)  # newest arrival, least delay, packets
        self._base_s = 0.0
        self.queue_s = 0.0
        """The delay that no recent packet escaped."""

    def add(self, arrived_s: float, least_s: float, packets: int) -> None:
        """Take in what a report said: its newest arrival, the least delay in it, and of how many packets."""
        if self._bins and abs(least_s - self._base_s) > MAX_JUMP_S:
            self._bins.clear()
            self._recent.clear()
        if not self._bins or not 0 <= arrived_s - self._bins[-1][0] < BASE_BIN_S:
            self._bins.append([arrived_s, least_s])
            self._base_s = min(least for _, least in self._bins)
        elif least_s < self._bins[-1][1]:
            self._bins[-1][1] = least_s
        self._base_s = min(self._base_s, least_s)
        self._recent.append((arrived_s, least_s, packets))
        self.queue_s = max(0.0, self._recent_least(arrived_s) - self._base_s)

    def late_s(self, delay_s: float) -> float:
        """Return how much later a packet of this delay came than one without a queue; 0 before anything is known."""
        return max(0.0, delay_s - self._base_s) if self._bins else 0.0

    def _recent_least(self, now_s: float) -> float:
        least = float("inf")
        packets = 0
        for arrived_s, least_s, count in reversed(self._recent):
            age_s = now_s - arrived_s
            if packets and (age_s > MAX_RECENT_S or (age_s >= RECENT_S and packets >= RECENT_PACKETS)):
                break
            least = min(least, least_s)
            packets += count
        return least

    def rebase(self) -> None:
        """Take the present delay as that of the empty link: sending less did not shorten it, so the path is longer."""
        if self._recent:
            self._base_s = self._recent_least(self._recent[-1][0])
            begin_s = self._bins[-1][0]
            self._bins.clear()
            self._bins.append([begin_s, self._base_s])
            self.queue_s = 0.0
