"""What one link carries: delay, loss and what came through make an estimate (draft-ietf-rmcat-gcc-02).

The same for a downlink (we sent, the browser reports) and an uplink (the browser stamped, we received): the clocks need
no common zero. The parts: `trendline` sees a queue grow, `standing` sees it stand, `throughput` what comes through,
`lossrate` which loss is the link's own, `aimd` turns that into a rate.
"""

from __future__ import annotations

from collections.abc import Iterable

from media.aimd import AFTER_DRAIN, MAX_BPS, MIN_BPS, QUEUE_HIGH_S, QUEUE_SEEN_S, Aimd, Flow
from media.jitter import Jitter
from media.lossrate import LossRate
from media.sentlog import PacketResult, SentLog
from media.standing import Standing
from media.throughput import Throughput
from media.trendline import Trend

__all__ = ["Estimator", "PacketResult", "SendClock", "SentLog"]

START_BPS = 100_000
"""Before anything is known: fits all but the thinnest links, and their queues for the second it takes to notice."""
HEADROOM = 1.5
HEADROOM_BPS = 10_000
"""The estimate rises to HEADROOM · what comes through + this: what was never sent cannot be known to fit."""
PROBE_SHARE = 0.9
"""Of a probe's result that is used: a train measures the peak, not what lasts."""
PROBE_VALID_S = 30.0
FULL_SHARE = 0.93
"""Of what a full link was seen to carry: the rest is for feedback and for what the voice does at once."""
FULL_ABOUT = 1.1
"""The same where only a queue has told: what came through beside other traffic of the link was not all it carries."""
FULL_BEYOND = 1.12
"""What comes through beyond it may grow so far: the link carries more now, or a queue will tell."""
FULL_VALID_S = 30.0
FULL_VALID_MOST_S = 240.0
"""So long after it was seen; then growth may look for more, and twice as long where it found the same again."""
FULL_SAME = 0.3
""""The same" is within this share."""
FULL_ONE_S = 5.0
"""One queue is watched for so long: while it empties the rate at which it does is below what the link carries."""
KNOWN_S = 3.0
KNOWN_PACKETS = 30
"""Enough was seen to judge a link by."""
MAX_RTT_S = 3.0
MAX_ELAPSED_S = 1.0
"""The rate rises for at most this long from one report to the next."""
SMOOTH_SIZE = 0.05
PROBE_LASTS_S = 0.5
"""So long after a train was reported a queue up to PROBE_QUEUE_S is taken as its, and for no growth of ours."""
PROBE_QUEUE_S = 0.4


class Estimator:
    """Estimates one direction of one link. `start_bps`: the first idea (a probe or what is remembered)."""

    __slots__ = (
        "_acked", "_aimd", "_first_s", "_full_bps", "_full_s", "_full_share", "_full_valid_s",
        "_jitter", "_loss", "_packet_bits", "_packets", "_probe_s", "_proven_bps",
        "_proven_s", "_sent", "_standing", "_trend", "_unknown_bytes", "_updated_s", "overusing",
    )  # fmt: skip

    def __init__(self, start_bps: float = START_BPS) -> None:
        self._aimd = Aimd(start_bps)
        self._trend = Trend()
        self._standing = Standing()
        self._jitter = Jitter()
        self._acked = Throughput()
        self._sent = Throughput()
        self._loss = LossRate()
        self._updated_s: float | None = None
        self._first_s: float | None = None
        self._packets = 0
        self._packet_bits = 4_000.0
        self._proven_bps = 0.0
        self._proven_s = float("-inf")
        self._full_bps = 0.0
        self._full_s = float("-inf")
        self._full_share = FULL_SHARE
        self._full_valid_s = FULL_VALID_S
        self._unknown_bytes = 0.0
        self._probe_s = float("-inf")  # when a train was last reported
        self.overusing = False
        """A queue stands or grows: more was sent than goes through."""

    @property
    def estimate_bps(self) -> float:
        """What may be sent, all of it counted with IP and UDP headers."""
        return self._aimd.rate_bps

    @property
    def acked_bps(self) -> float:
        """What came through of late; 0 when too little was seen."""
        return self._acked.bps or 0.0

    @property
    def proven_bps(self) -> float:
        """What is known to fit: it came through of late, or in a probe, or when the link was full.

        At most the estimate, which at first is an idea and stays one as long as little is sent.
        """
        full_bps = AFTER_DRAIN * (self._aimd.capacity_bps or 0.0)
        return min(max(self._acked.bps or 0.0, self._proven_bps, full_bps), self._aimd.rate_bps)

    @property
    def loss(self) -> float:
        """Share of packets lost in the last 2 to 5 s; cuts are not counted."""
        return self._loss.share

    @property
    def inherent_loss(self) -> float:
        """Share that the link loses at any rate, as far as it was learned."""
        return self._loss.inherent

    @property
    def queue_s(self) -> float:
        """How long packets stand before the link."""
        return max(0.0, self._standing.queue_s - self._jitter.lift_s)

    def late_s(self, delay_s: float) -> float:
        """Return how much later a packet of this delay came than one without a queue, jitter aside."""
        return max(0.0, self._standing.late_s(delay_s) - self._jitter.lift_s)

    @property
    def known(self) -> bool:
        """Whether enough was seen to judge the link: some seconds, or a probe."""
        if self._proven_bps > 0:
            return True
        first_s, updated_s = self._first_s, self._updated_s
        if first_s is None or updated_s is None:
            return False
        return updated_s - first_s >= KNOWN_S and self._packets >= KNOWN_PACKETS

    def update(self, results: Iterable[PacketResult], now_s: float, rtt_s: float) -> None:
        """Take in the results of a report, in the order of sending, and form the estimate anew."""
        arrived = self._take_in(results, now_s)
        elapsed_s = 0.0 if self._updated_s is None else min(max(now_s - self._updated_s, 0.0), MAX_ELAPSED_S)
        self._updated_s = now_s
        if not arrived:
            return
        if self._first_s is None:
            self._first_s = now_s
        self._trend.judge(now_s)
        self._steer(now_s, min(max(rtt_s, 0.0), MAX_RTT_S), elapsed_s)

    def _take_in(self, results: Iterable[PacketResult], now_s: float) -> int:
        """Feed the parts; returns how many packets came."""
        count = 0
        least_s = newest_s = 0.0
        for result in results:
            arrived_s, sent_s = result.arrived_s, result.sent_s
            if arrived_s is None:
                self._miss(result)
                continue
            if result.amends:
                self._loss.amended(sent_s)
            else:
                self._sent.add(sent_s, result.size_bytes)
                self._loss.arrived(sent_s)
            size_bytes: float = result.size_bytes
            if self._unknown_bytes:
                size_bytes += self._unknown_bytes * (1 - self._loss.share)
                self._unknown_bytes = 0.0
            self._acked.add(arrived_s, size_bytes)
            self._packet_bits += (result.size_bytes * 8 - self._packet_bits) * SMOOTH_SIZE
            if result.untimed:
                self._packets += 1
                continue
            if not result.amends:
                self._trend.add(sent_s, arrived_s)
                self._jitter.add(sent_s, arrived_s, result.size_bytes, self._aimd.rate_bps)
            if result.probe is not None:
                self._probe_s = now_s
            delay_s = arrived_s - sent_s
            if count == 0 or delay_s < least_s:
                least_s = delay_s
            if count == 0 or arrived_s > newest_s:
                newest_s = arrived_s
            count += 1
        if count:
            self._packets += count
            self._standing.add(newest_s, least_s, count)
        return count

    def _miss(self, result: PacketResult) -> None:
        self._sent.add(result.sent_s, result.size_bytes)
        if result.unreported:
            self._unknown_bytes += result.size_bytes
        else:
            self._loss.lost(result.sent_s)

    def _steer(self, now_s: float, rtt_s: float, elapsed_s: float) -> None:
        aimd, queue_s = self._aimd, self.queue_s
        acked_bps, sent_bps = self._acked.bps, self._sent.bps or 0.0
        if acked_bps is not None and now_s - self._full_s < FULL_ONE_S:
            self._full_bps = max(self._full_bps, acked_bps)
        if now_s - self._probe_s < PROBE_LASTS_S:
            self.overusing = queue_s > PROBE_QUEUE_S
        else:
            grows = self._trend.rising and queue_s > QUEUE_SEEN_S + aimd.own_s(self._packet_bits)
            self.overusing = grows or queue_s > QUEUE_HIGH_S
        delivered_bps = (acked_bps or 0.0) / (1 - min(self._loss.inherent, 0.5))
        if self.overusing:
            self._proven_bps = min(self._proven_bps, aimd.rate_bps)
            if acked_bps is not None:
                if queue_s > QUEUE_HIGH_S and sent_bps > delivered_bps:
                    self._see_full(acked_bps / (1 - min(self._loss.share, 0.5)), now_s)
                aimd.congested(Flow(sent_bps, delivered_bps), queue_s, rtt_s, now_s)
                self._loss.abandon(rtt_s)
            if aimd.stuck:
                aimd.stuck = False
                self._standing.rebase()
            return
        allowed_bps = self._loss.steer(aimd.rate_bps, sent_bps, rtt_s, elapsed_s)
        if allowed_bps != aimd.rate_bps:
            aimd.rate_bps = min(max(allowed_bps, MIN_BPS), MAX_BPS)
        carries_bps = self._loss.take_capacity()
        if carries_bps is not None:
            aimd.overloaded(carries_bps)
        if self._loss.trying or self._trend.rising:
            return
        ceiling_bps = HEADROOM * delivered_bps + HEADROOM_BPS
        if now_s - self._proven_s < PROBE_VALID_S:
            ceiling_bps = max(ceiling_bps, self._proven_bps)
        if now_s - self._full_s < self._full_valid_s:
            ceiling_bps = min(ceiling_bps, max(self._full_share * self._full_bps, FULL_BEYOND * delivered_bps))
        aimd.calm(queue_s, rtt_s, ceiling_bps=ceiling_bps, packet_bits=self._packet_bits, elapsed_s=elapsed_s)

    @property
    def jitter_s(self) -> float:
        """How much delays differ from packet to packet."""
        return self._jitter.mean_step_s

    def _see_full(self, rate_bps: float, now_s: float) -> None:
        """Remember what a full link carried: without, growth on little traffic hopes for more until a queue stands."""
        elapsed_s = now_s - self._full_s
        same = abs(rate_bps - self._full_bps) <= FULL_SAME * self._full_bps
        if elapsed_s < FULL_ONE_S:
            return
        again = same and elapsed_s < 2 * self._full_valid_s
        self._full_valid_s = min(2 * self._full_valid_s, FULL_VALID_MOST_S) if again else FULL_VALID_S
        self._full_bps, self._full_s, self._full_share = rate_bps, now_s, FULL_ABOUT

    def filled(self, rate_bps: float, now_s: float) -> None:
        """Take in that the link was seen full by a burst, and then carried so much."""
        self._full_bps, self._full_s, self._full_valid_s = rate_bps, now_s, FULL_VALID_S
        self._full_share = FULL_SHARE
        usable_bps = max(FULL_SHARE * rate_bps, MIN_BPS)
        if not self._aimd.draining:
            self._aimd.rate_bps = usable_bps
            self._aimd.capacity_bps = rate_bps

    def carried(self, rate_bps: float, now_s: float) -> None:
        """Take in that a burst came through as it had left: the link carries so much, and who knows how much more."""
        usable_bps = min(PROBE_SHARE * rate_bps, MAX_BPS)
        if usable_bps <= self._aimd.rate_bps or self._aimd.draining:
            return
        self._aimd.rate_bps = usable_bps
        if self._aimd.capacity_bps is not None and self._aimd.capacity_bps < rate_bps:
            self._aimd.capacity_bps = None
        self._proven_bps, self._proven_s = usable_bps, now_s

    def probed(self, rate_bps: float, now_s: float) -> None:
        """Take in what a train of packets measured. A lower result than the estimate counts only at the start."""
        usable_bps = min(max(PROBE_SHARE * rate_bps, MIN_BPS), MAX_BPS)
        if usable_bps > self._aimd.rate_bps:
            if not self._aimd.draining:
                self._aimd.rate_bps = usable_bps
                self._aimd.capacity_bps = rate_bps  # or more, if it came through: growth will tell
        elif self._aimd.capacity_bps is None:
            self._aimd.rate_bps = self._aimd.capacity_bps = usable_bps
        self._proven_bps, self._proven_s = usable_bps, now_s
        if rate_bps > self._full_bps:
            self._full_s = float("-inf")


class SendClock:
    """Unwraps the 24-bit send time of a sender (abs-send-time header extension: 6 bits of seconds, 18 of fraction)."""

    __slots__ = ("_ticks",)

    def __init__(self) -> None:
        self._ticks: int | None = None

    def unwrap(self, value: int) -> float:
        """Return the send time in seconds, nearest to the one before; it wraps each 64 s."""
        if self._ticks is None:
            self._ticks = value & 0xFFFFFF
        else:
            self._ticks += (value - self._ticks + 0x800000) % 0x1000000 - 0x800000
        return self._ticks / (1 << 18)
