"""The rate that fits a link whose queue is watched: up while it is empty, down below what comes through when it stands.

Additive near the known capacity, multiplicative far from it (draft-ietf-rmcat-gcc-02 §5.5). Unlike the draft the queue
itself is steered, not only its growth: a second of old packets before a thin link is as bad when it no longer grows.
"""

from __future__ import annotations

MIN_BPS = 10_000
MAX_BPS = 25_000_000
DECREASE = 0.85
"""Of the acknowledged rate, when a queue begins (§5.5)."""
DEEPEST = 0.5
"""Of the acknowledged rate, when it stands for a second: then it is gone after two, and voice still fits."""
DEEPER_PER_S = 0.45
QUEUE_HIGH_S = 0.15
"""A queue that no packet escapes and that voice would notice: it is drained."""
QUEUE_LOW_S = 0.05
"""Drained: what is left is jitter."""
QUEUE_HOLD_S = 0.07
"""With this queue the rate does not rise."""
QUEUE_SEEN_S = 0.025
"""A growing delay counts only when there is a queue at all; else it is jitter."""
AFTER_DRAIN = 0.92
"""Of the capacity, once the queue is gone."""
STARTUP_PER_S = 1.9
"""Growth while nothing is known of the capacity."""
FAR_PER_S = 1.15
"""Growth when far from the known capacity; the draft's 1.08 is for its slower feedback (§5.5)."""
NEAR_PER_S = 0.04
LEAST_NEAR_BPS = 1_000
"""Additive growth near the capacity in bit/s each second: about half a packet each response time, within these."""
NEAR_BELOW, NEAR_ABOVE = 0.85, 1.12
"""Around the capacity, growth is additive."""
FORGET_ABOVE = 1.3
"""So far above the capacity without a queue, the capacity is another now."""
CAPACITY_GAIN = 0.4
RESPONSE_S = 0.1
"""What a sender and the feedback add to the round trip (§5.5)."""
APP_LIMITED_STEP = 0.7
"""Least part of the estimate that is left by one decrease when less than the estimate was sent: what came through says
little of the capacity then."""
STUCK_S = 3.0
"""A queue that does not shrink for so long (and two round trips) although less is sent than before is no queue."""


class Aimd:
    """One link's rate in bit/s. Times in seconds of one clock."""

    __slots__ = (
        "_decreased_s", "_drain_from_s", "_drain_least_s", "_draining", "capacity_bps", "rate_bps", "stuck",
    )  # fmt: skip

    def __init__(self, start_bps: float) -> None:
        self.rate_bps = min(max(start_bps, MIN_BPS), MAX_BPS)
        self.capacity_bps: float | None = None
        """What came through when the link was full; None before that ever happened."""
        self._decreased_s = float("-inf")
        self._draining = False
        self._drain_from_s = 0.0
        self._drain_least_s = 0.0
        self.stuck = False
        """The queue does not shrink although less is sent: the caller takes the path as longer, and sets this back."""

    @property
    def draining(self) -> bool:
        """Whether less than the capacity is sent until the queue is gone."""
        return self._draining

    def congested(
        self, delivered_bps: float, queue_s: float, rtt_s: float, *, sender_follows: bool, now_s: float
    ) -> None:
        """A queue stands or grows, and `delivered_bps` comes through: send less than that."""
        if not self._draining:
            self._draining = True
            self._drain_from_s, self._drain_least_s = now_s, queue_s
        self._watch_drain(queue_s, rtt_s, now_s)
        factor = max(DEEPEST, DECREASE - DEEPER_PER_S * max(0.0, queue_s - QUEUE_HIGH_S))
        target_bps = delivered_bps * factor
        if sender_follows:
            before = self.capacity_bps
            if before is None or not 0.6 * before < delivered_bps < 1.4 * before:
                self.capacity_bps = delivered_bps
            else:
                self.capacity_bps = before + (delivered_bps - before) * CAPACITY_GAIN
        else:
            if now_s - self._decreased_s < rtt_s + RESPONSE_S:
                return
            target_bps = max(target_bps, self.rate_bps * APP_LIMITED_STEP)
        if target_bps < self.rate_bps:
            self.rate_bps = max(target_bps, MIN_BPS)
            self._decreased_s = now_s

    def _watch_drain(self, queue_s: float, rtt_s: float, now_s: float) -> None:
        if queue_s < 0.9 * self._drain_least_s:
            self._drain_from_s, self._drain_least_s = now_s, queue_s
        elif now_s - self._drain_from_s > STUCK_S + 2 * rtt_s:
            self.stuck = True
            self._drain_from_s = now_s

    def calm(self, queue_s: float, rtt_s: float, *, ceiling_bps: float, packet_bits: float, elapsed_s: float) -> None:
        """Nothing speaks against more: end a drain, or grow, but not above `ceiling_bps`."""
        if self._draining:
            if queue_s > QUEUE_LOW_S:
                return
            self._draining = False
            if self.capacity_bps is not None:
                self.rate_bps = max(self.rate_bps, AFTER_DRAIN * self.capacity_bps)
            return
        if queue_s > QUEUE_HOLD_S:
            return
        grown_bps = self._grown(rtt_s, packet_bits, elapsed_s)
        self.rate_bps = max(self.rate_bps, min(grown_bps, ceiling_bps, MAX_BPS))

    def _grown(self, rtt_s: float, packet_bits: float, elapsed_s: float) -> float:
        rate_bps, capacity_bps = self.rate_bps, self.capacity_bps
        if capacity_bps is not None and rate_bps > FORGET_ABOVE * capacity_bps:
            capacity_bps = self.capacity_bps = None
        if capacity_bps is None:
            # A doubling needs a round trip to be seen, so it takes at least two of them.
            return rate_bps * float(STARTUP_PER_S ** (elapsed_s / max(1.0, 2 * rtt_s)))
        if NEAR_BELOW * capacity_bps <= rate_bps <= NEAR_ABOVE * capacity_bps:
            per_s = packet_bits / 2 / (rtt_s + RESPONSE_S)
            return rate_bps + min(max(per_s, LEAST_NEAR_BPS), NEAR_PER_S * rate_bps) * elapsed_s
        return rate_bps * float(FAR_PER_S**elapsed_s)
