"""What an estimate proves: one made while little is sent rises to 1.5 times that, whatever the link carries.

A climb is a promise to a person, and is made only on what went through of late without a queue, or on an estimate that
lies so far above it that a probe or busier times must have found it.
"""

from __future__ import annotations

from collections import deque

PROBED_FROM = 1.6
PROBED_FROM_BPS = 10_000
"""An estimate above so many times what was sent, and this, does not come from what was sent."""
REACH = 1.05
"""What went through in whole seconds was a little more within them."""
PEAK_S = 5.0
"""A picture's rate goes up and down with what moves in it."""
CALM_QUEUE_S = 0.1
CALM_FOR_S = 2.0
"""What is a tenth too much makes a queue of 0.1 s in one, and it is seen a round trip later."""
MAX_PENDING = 64
REFUTED_SHARE = 0.9
"""Of what was sent when a queue began: no more has gone through."""
REFUTED_S = 300.0
"""After a climb that failed only an estimate that was probed is believed, for so long."""
REFUTED_MARGIN = 1.2


class Proof:
    """What one sender's way has proven. Times are of one monotonic clock, in seconds."""

    __slots__ = ("_before_bps", "_peak_bps", "_pending", "_refuted_until_s", "_window_s")

    def __init__(self, now_s: float) -> None:
        self._pending: deque[tuple[float, int]] = deque(maxlen=MAX_PENDING)
        self._peak_bps = 0
        self._before_bps = 0
        self._window_s = now_s
        self._refuted_until_s = float("-inf")

    def see(self, now_s: float, sending_bps: int, *, calm: bool) -> None:
        """Note what goes through now; `calm`: without a queue. It counts when it stays calm for a while."""
        if now_s - self._window_s >= PEAK_S:
            self._before_bps, self._peak_bps = self._peak_bps, 0
            self._window_s = now_s
        if not calm:
            self._pending.clear()
            most_bps = int(sending_bps * REFUTED_SHARE)
            self._peak_bps, self._before_bps = min(self._peak_bps, most_bps), min(self._before_bps, most_bps)
            return
        self._pending.append((now_s, sending_bps))
        while self._pending[0][0] <= now_s - CALM_FOR_S:
            self._peak_bps = max(self._peak_bps, self._pending.popleft()[1])

    def refute(self, now_s: float) -> None:
        """Note that a climb failed."""
        self._refuted_until_s = now_s + REFUTED_S

    @property
    def peak_bps(self) -> int:
        """The most that went through in the last 5 to 10 s."""
        return max(self._peak_bps, self._before_bps)

    def proven_bps(self, now_s: float, rate_bps: int, *, probes: bool, times: int = 1) -> int:
        """Return how much of an estimate may be climbed on.

        `probes`: it may come from more than what was sent. `times`: how often each packet was sent.
        """
        if probes and self.probed(rate_bps, times):
            return int(rate_bps / REFUTED_MARGIN) if now_s < self._refuted_until_s else rate_bps
        return min(rate_bps, int(times * self.peak_bps * REACH))

    def probed(self, rate_bps: int, times: int = 1) -> bool:
        """Return whether an estimate comes from more than what was sent of late."""
        return rate_bps > PROBED_FROM * times * self.peak_bps + PROBED_FROM_BPS

    def may_try(self, now_s: float) -> bool:
        """Return whether a rung may be tried without proof."""
        return now_s >= self._refuted_until_s
