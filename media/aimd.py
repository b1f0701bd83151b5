"""The rate that fits a link whose queue is watched: up while it is empty, down below what comes through when it stands.

Additive near the known capacity, multiplicative far from it (draft-ietf-rmcat-gcc-02 §5.5). Unlike the draft the queue
itself is steered, not only its growth: a second of old packets before a thin link is as bad when it no longer grows.
"""

from __future__ import annotations

from dataclasses import dataclass

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
MAX_OWN_S = 0.06
"""Bound of what `own_s` allows for: a link of 50 kbit/s and packets of 400 bytes."""
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
NEAR_BELOW, NEAR_ABOVE = 0.85, 1.06
"""Around the capacity, growth is additive."""
FORGET_ABOVE = 1.25
"""So far above the capacity without a queue, the capacity is another now."""
CAPACITY_GAIN = 0.4
RESPONSE_S = 0.1
"""What a sender and the feedback add to the round trip (§5.5)."""
FOLLOWS = 0.6
"""A sender that sends this part of the estimate uses it; less, and what came through says nothing of the capacity."""
APP_LIMITED_STEP = 0.7
"""Least part of the estimate that is left by one decrease when less than the estimate was sent: what came through says
little of the capacity then."""
SHRINKS = 0.95
"""Less sent than this part of what comes through, and the queue gets shorter: no need to send still less."""
EFFECT_S = 0.3
"""After a round trip through the queue and this, a decrease shows in the reports."""
STUCK_S = 1.5
STUCK_BELOW = 0.85
"""A queue that does not shrink for so long (and a round trip through it) although less than this part of what came
through when it was noticed is sent, is no queue: the path has become longer."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What was sent and came through lately, in bit/s. `sent_bps` is of the packets that the last reports told of."""

    sent_bps: float
    delivered_bps: float
    """Counts as delivered what the link loses at any rate: that says nothing of its capacity."""


class Aimd:
    """One link's rate in bit/s. Times in seconds of one clock."""

    __slots__ = (
        "_decreased_s", "_drain_from_s", "_drain_least_s", "_draining", "_entry_bps", "_safe_bps", "capacity_bps",
        "rate_bps", "stuck",
    )  # fmt: skip

    def __init__(self, start_bps: float) -> None:
        self.rate_bps = min(max(start_bps, MIN_BPS), MAX_BPS)
        self.capacity_bps: float | None = None
        """What came through when the link was full; None before that ever happened."""
        self._decreased_s = float("-inf")
        self._draining = False
        self._drain_from_s = 0.0
        self._drain_least_s = 0.0
        self._entry_bps = 0.0  # what came through when the queue was noticed
        self._safe_bps = 0.0  # what the link is taken to carry if there was no queue after all
        self.stuck = False
        """The queue does not shrink although less is sent: the caller takes the path as longer, and sets this back."""

    @property
    def draining(self) -> bool:
        """Whether less than the capacity is sent until the queue is gone."""
        return self._draining

    def own_s(self, packet_bits: float) -> float:
        """Return a packet's own time on the wire, which at a thin link looks like a queue, as far as is allowed for."""
        return min(packet_bits / self.rate_bps, MAX_OWN_S)

    def congested(self, flow: Flow, queue_s: float, rtt_s: float, now_s: float) -> None:
        """A queue stands or grows: send less than what comes through."""
        delivered_bps = flow.delivered_bps
        full = queue_s > QUEUE_HIGH_S and flow.sent_bps > delivered_bps / SHRINKS
        follows = full or flow.sent_bps >= FOLLOWS * self.rate_bps
        if not self._draining:
            self._draining = True
            self._entry_bps = delivered_bps
            self._safe_bps = DECREASE * self.rate_bps if follows else 0.0
            self._drain_from_s, self._drain_least_s = now_s, queue_s
        effect_s = rtt_s + queue_s + EFFECT_S
        self._watch_drain(flow.sent_bps, queue_s, effect_s, now_s)
        waits = now_s - self._decreased_s < effect_s
        if flow.sent_bps < SHRINKS * delivered_bps or (waits and flow.sent_bps < delivered_bps / SHRINKS):
            return
        factor = max(DEEPEST, DECREASE - DEEPER_PER_S * max(0.0, queue_s - QUEUE_HIGH_S))
        target_bps = delivered_bps * factor
        if follows:
            self._learn(delivered_bps)
        elif waits:
            return
        else:
            target_bps = max(target_bps, self.rate_bps * APP_LIMITED_STEP)
        if target_bps < self.rate_bps:
            self.rate_bps = max(target_bps, MIN_BPS)
            self._decreased_s = now_s

    def _learn(self, delivered_bps: float) -> None:
        """Take what comes through a full link as its capacity; one far from before replaces it at once."""
        before_bps = self.capacity_bps
        if before_bps is None or not 0.6 * before_bps < delivered_bps < 1.4 * before_bps:
            self.capacity_bps = delivered_bps
        else:
            self.capacity_bps = before_bps + (delivered_bps - before_bps) * CAPACITY_GAIN

    def overloaded(self, carries_bps: float) -> None:
        """Loss has shown that more was sent than the link carries."""
        self.capacity_bps = carries_bps
        self.rate_bps = max(min(self.rate_bps, AFTER_DRAIN * carries_bps), MIN_BPS)

    def _watch_drain(self, sent_bps: float, queue_s: float, effect_s: float, now_s: float) -> None:
        if queue_s < 0.9 * self._drain_least_s or sent_bps > STUCK_BELOW * self._entry_bps:
            self._drain_from_s, self._drain_least_s = now_s, min(queue_s, self._drain_least_s)
        elif now_s - self._drain_from_s > STUCK_S + effect_s:
            self.stuck = True
            self._drain_from_s = now_s
            self.capacity_bps = max(self.capacity_bps or 0.0, self._entry_bps, self._safe_bps)

    def calm(self, queue_s: float, rtt_s: float, *, ceiling_bps: float, packet_bits: float, elapsed_s: float) -> None:
        """Nothing speaks against more: end a drain, or grow, but not above `ceiling_bps`."""
        own_s = self.own_s(packet_bits)
        if self._draining:
            if queue_s > QUEUE_LOW_S + own_s:
                return
            self._draining = False
            if self.capacity_bps is not None:
                self.rate_bps = max(self.rate_bps, AFTER_DRAIN * self.capacity_bps)
            return
        if queue_s > QUEUE_HOLD_S + own_s:
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
