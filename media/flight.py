"""The round trip as the handshake's first flight shows it: a first idea, long before the first report."""

from __future__ import annotations

TOGETHER_S = 0.2
"""The datagrams of one flight leave together, and are sent again after half a second at the earliest."""


class Flight:
    """Times a leg's first flight. Times are of one monotonic clock, in seconds."""

    __slots__ = ("_left_s", "_over")

    def __init__(self) -> None:
        self._left_s: float | None = None
        self._over = False

    def left(self, now_s: float) -> None:
        """Note a datagram that leaves. Sent once more, nobody can tell which of the two is answered (Karn's rule)."""
        if self._left_s is None:
            self._left_s = now_s
        elif now_s - self._left_s > TOGETHER_S:
            self._over = True

    def answered(self, now_s: float) -> float | None:
        """Note a datagram that came; returns the round trip in seconds, once and if it can be told."""
        if self._over or self._left_s is None:
            return None
        self._over = True
        return now_s - self._left_s
