"""What a sender's own bursts say of a link: a keyframe leaves in several packets, and a full link spreads them.

A burst that arrives more slowly than it left has filled the link, and the rate at which it came is what the link
carries; one that arrives as it left shows that the link carries at least that. This is how a probe is read (Jain and
Dovrolis, "Pathload", 2002; packet trains), with the pictures themselves as the train: an uplink cannot be probed from
its far end, and a browser sends its first keyframe 2.5 times as fast as it was allowed to.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

GAP_S = 0.06
"""Packets further apart are of two bursts: pictures are 40 to 200 ms apart, packets of one at 100 kbit/s 88 at most,
and those say nothing of a link that carries as much."""
LEAST_PACKETS = 4
LEAST_BYTES = 2_500
LEAST_S = 0.06
JITTERS = 4.0
"""A burst takes at least so long to arrive, and so many times the link's jitter, or its rate is mostly chance."""
SPREAD_S = 0.04
"""So much longer it takes at least, and so many times the jitter, where the link spread it: on a good link 5 ms of
jitter made 60 ms of 40, which was taken for a link of 500 kbit/s."""
MOST_S = 1.0
"""A burst that goes on for longer is evaluated so far, and a new one begun: more would be the sender's mean rate."""
SPREAD = 1.3
"""Sent so many times faster than it came, it was the link that spread it."""
THROUGH = 1.1
"""Sent at most so much faster it came as it was; and sent so much slower its first packet had waited for others."""
MORE = 1.1
"""So much more came through than a full link was seen to carry: it carries more now."""
STALL = 0.6
"""A thin link spreads a burst evenly. Where one pause is this share of the time it took to come, somebody stood still:
a radio, a browser or this machine. That took a nurse's 3 Mbit/s for 235 kbit/s, and half a minute to forget."""
KEPT = 3
"""Bursts of which the fastest counts: jitter that holds back the end of one makes it too slow."""


@dataclass(slots=True)
class _Burst:
    first_sent_s: float
    first_arrived_s: float
    sent_s: float
    arrived_s: float
    pause_s: float = 0.0
    """The longest from one arrival to the next."""
    packets: int = 1
    bytes: int = 0
    """Of all but the first, which only marks the beginning."""


class Dispersion:
    """Reads the bursts of one uplink. Times in seconds of the sender's and of the receiver's clock."""

    __slots__ = ("_burst", "_spread", "spread", "through_bps")

    def __init__(self) -> None:
        self._burst: _Burst | None = None
        self._spread: deque[float] = deque(maxlen=KEPT)
        self.spread = False
        """The last burst was spread: `full_bps` holds anew; the caller sets it back when it was used."""
        self.through_bps: float | None = None
        """What the last burst came through at without being spread; the caller sets it back when it was used."""

    @property
    def full_bps(self) -> float | None:
        """What the link carries when it is full, IP bytes; None: no burst has filled it."""
        return max(self._spread) if self._spread else None

    def add(self, sent_s: float, arrived_s: float, size_bytes: int, jitter_s: float) -> None:
        """Take a packet in, in the order of sending, and what the link's delays differ by."""
        burst = self._burst
        together = burst is not None and 0 <= sent_s - burst.sent_s <= GAP_S and arrived_s >= burst.arrived_s
        if burst is None or not together:
            self.end(jitter_s)
            self._burst = _Burst(sent_s, arrived_s, sent_s, arrived_s)
            return
        burst.pause_s = max(burst.pause_s, arrived_s - burst.arrived_s)
        burst.sent_s, burst.arrived_s = sent_s, arrived_s
        burst.packets += 1
        burst.bytes += size_bytes
        if sent_s - burst.first_sent_s >= MOST_S:
            self.end(jitter_s)

    def end(self, jitter_s: float) -> None:
        """Evaluate the burst that is under way: a packet is missing in it, or nothing follows it for now."""
        burst, self._burst = self._burst, None
        if burst is None or burst.packets < LEAST_PACKETS or burst.bytes < LEAST_BYTES:
            return
        came_s, left_s = burst.arrived_s - burst.first_arrived_s, burst.sent_s - burst.first_sent_s
        if came_s < max(LEAST_S, JITTERS * jitter_s):
            return
        came_bps = burst.bytes * 8 / came_s
        if came_s >= SPREAD * left_s and came_s - left_s >= max(SPREAD_S, JITTERS * jitter_s):
            if burst.pause_s >= STALL * came_s:
                return
            self._spread.append(came_bps)
            self.spread = True
        elif left_s / THROUGH <= came_s <= left_s * THROUGH:
            self.through_bps = burst.bytes * 8 / max(came_s, left_s)
            if self._spread and self.through_bps > MORE * max(self._spread):
                self._spread.clear()
