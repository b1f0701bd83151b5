"""How much goes through: bytes in a sliding window that is as long as few packets need and as short as many allow."""

from __future__ import annotations

from collections import deque

SHORT_S = 0.5
LONG_S = 1.5
ENOUGH_PACKETS = 12
"""The window holds SHORT_S when that are so many packets, else up to LONG_S."""
FEW_PACKETS = 4
LEAST_S = 0.15
"""With less there is no rate yet."""
GAP_S = 1.0
"""After so long without a packet the window begins anew: a cut or a pause is not a low rate."""


class Throughput:
    """Rate of one direction in bit/s. Times are of one clock, in seconds."""

    __slots__ = ("_bytes", "_newest_s", "_packets")

    def __init__(self) -> None:
        self._packets: deque[tuple[float, float]] = deque()
        self._bytes = 0.0
        self._newest_s = 0.0

    def add(self, at_s: float, size_bytes: float) -> None:
        """Count a packet; one that comes out of order counts at the newest time."""
        packets = self._packets
        if packets and not -GAP_S < at_s - self._newest_s < GAP_S:
            packets.clear()
            self._bytes = 0.0
        if not packets or at_s > self._newest_s:
            self._newest_s = at_s
        packets.append((self._newest_s, size_bytes))
        self._bytes += size_bytes
        span_s = self._newest_s - packets[0][0]
        while span_s > LONG_S or (span_s > SHORT_S and len(packets) > ENOUGH_PACKETS):
            self._bytes -= packets.popleft()[1]
            span_s = self._newest_s - packets[0][0]

    @property
    def bps(self) -> float | None:
        """The rate, None when too little was seen. The oldest packet only marks the beginning."""
        packets = self._packets
        if len(packets) < FEW_PACKETS:
            return None
        span_s = self._newest_s - packets[0][0]
        if span_s < LEAST_S:
            return None
        return (self._bytes - packets[0][1]) * 8 / span_s
