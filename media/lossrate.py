"""How much a link loses, and how much of it would be lost at any rate.

Radio loses packets whatever is sent; a full queue loses what is too much. They are told apart by trying: when loss
rises the rate is lowered once, and if the loss falls no more than by chance it belongs to the link (its inherent loss)
and the rate comes back. The idea is that of libwebrtc's loss-based estimator; here it is an experiment with an outcome.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import sqrt

BIN_S = 0.5
BINS = 10
"""Five seconds of loss are remembered."""
RECENT_S = 2.0
ENOUGH_PACKETS = 60
"""So many packets in RECENT_S are enough for a share; else all that is remembered counts."""
CUT_S = 0.8
CUT_PACKETS = 4
"""When so many packets in so long are lost and none comes, it is a cut: nothing can be learned from it about rates."""
MARGIN = 0.1
"""Loss above the inherent one that never is a reason to send less (draft-ietf-rmcat-gcc-02 §6): without a queue it is
mostly radio, and what is lost beyond a policer is repaired."""
SIGMAS = 3.0
"""What chance does not explain: noticed so …"""
FALL_SIGMAS = 2.5
"""… and that the loss fell with the rate so."""
LEAST_SPREAD = 0.02
TRIAL_FACTOR = 0.75
"""What the rate is lowered to: enough that 30 % of random loss is told from a full queue by a hundred packets …"""
LEAST_FACTOR = 0.6
"""… or to the last rate without such loss, if that is lower, but not below this."""
SETTLE_S = 0.3
"""After a round trip and this, packets show a rate that was changed."""
WATCH_S, MAX_WATCH_S = 3.0, 6.0
WATCH_PACKETS = 100
"""Loss at one rate is taken from so many packets and so long, or from MAX_WATCH_S."""
AGAIN_S = 6.0
"""After a trial found the loss to be the link's own, there is none for so long."""
FORGET = 0.3
"""How fast the inherent loss follows a loss below it, of the distance for each second."""
_MAX_PENDING = 4096


@dataclass(slots=True)
class _Bin:
    begin_s: float
    packets: int = 0
    lost: int = 0


@dataclass(slots=True)
class _Watch:
    """Counts the packets sent after `from_s`."""

    from_s: float
    packets: int = 0
    lost: int = 0

    @property
    def loss(self) -> float:
        return self.lost / self.packets if self.packets else 0.0

    @property
    def variance(self) -> float:
        """Of the loss, by chance."""
        return max(self.loss, LEAST_SPREAD) * (1 - min(self.loss, 0.98)) / max(self.packets, 1)

    def enough(self, newest_s: float) -> bool:
        waited_s = newest_s - self.from_s
        return waited_s >= MAX_WATCH_S or (waited_s >= WATCH_S and self.packets >= WATCH_PACKETS)


@dataclass(slots=True)
class _Trial:
    """Loss at the rate as it was, then at a lower one."""

    before: _Watch
    after: _Watch | None = None
    rate_bps: float = 0.0
    sent_bps: float = 0.0
    factor: float = 1.0


class LossRate:
    """Loss of one link. Times are of the sender's clock, in seconds."""

    __slots__ = (
        "_bins", "_carries_bps", "_clean", "_full_bps", "_ignore_before_s", "_newest_s", "_not_before_s", "_run",
        "_trial", "cuts", "inherent",
    )  # fmt: skip

    def __init__(self) -> None:
        self._bins: deque[_Bin] = deque(maxlen=BINS)
        self._run: list[float] = []  # when packets were sent that are lost, since the last that arrived
        self._newest_s = 0.0
        self._trial: _Trial | None = None
        self._clean: deque[tuple[float, float]] = deque(maxlen=12)  # when, rate without loss above the inherent one
        self._not_before_s = float("-inf")  # no trial before
        self._ignore_before_s = float("-inf")
        self._carries_bps: float | None = None
        self._full_bps = 0.0  # what a trial found the link to carry
        self.inherent = 0.0
        """Share that is lost at any rate."""
        self.cuts = 0
        """Times when everything was lost for CUT_S or more."""

    def arrived(self, sent_s: float) -> None:
        """Count a packet that came."""
        if self._run:
            self._end_run(sent_s)
        self._count(sent_s, 0)

    def lost(self, sent_s: float) -> None:
        """Count a packet that is lost as far as is known."""
        if len(self._run) < _MAX_PENDING:
            self._run.append(sent_s)
        elif self._run[-1] < sent_s:
            self._run[-1] = sent_s

    def amended(self, sent_s: float) -> None:
        """Take a loss back: the packet came late."""
        for one in reversed(self._bins):
            if one.begin_s <= sent_s < one.begin_s + BIN_S:
                one.lost = max(0, one.lost - 1)
                return

    def _end_run(self, next_s: float) -> None:
        if len(self._run) >= CUT_PACKETS and next_s - self._run[0] >= CUT_S:
            self.cuts += 1
            self._trial = None
        else:
            for sent_s in self._run:
                self._count(sent_s, 1)
        self._run.clear()

    def _count(self, sent_s: float, lost: int) -> None:
        bins = self._bins
        if not bins or not 0 <= sent_s - bins[-1].begin_s < BIN_S:
            if bins and sent_s < bins[-1].begin_s and bins[-1].begin_s - sent_s < BINS * BIN_S:
                bins[-1].packets += 1  # sent a little before: reordered
                bins[-1].lost += lost
                return
            bins.append(_Bin(sent_s))
        bins[-1].packets += 1
        bins[-1].lost += lost
        self._newest_s = sent_s
        if self._trial is not None:
            watch = self._trial.after or self._trial.before
            if sent_s >= watch.from_s:
                watch.packets += 1
                watch.lost += lost

    def _recent(self, since_s: float = float("-inf")) -> tuple[int, int]:
        packets = lost = 0
        for one in reversed(self._bins):
            age_s = self._newest_s - one.begin_s
            if one.begin_s < since_s or age_s > BINS * BIN_S or (age_s > RECENT_S and packets >= ENOUGH_PACKETS):
                break
            packets += one.packets
            lost += one.lost
        return packets, lost

    @property
    def share(self) -> float:
        """The share lost in the last 2 to 5 s."""
        packets, lost = self._recent()
        return min(1.0, lost / packets) if packets else 0.0

    def steer(self, rate_bps: float, sent_bps: float, rtt_s: float, elapsed_s: float) -> float:
        """Return the rate that loss allows: lowered for a trial, restored after it, mostly as it was."""
        if self._trial is not None:
            return self._watch(self._trial, rate_bps, sent_bps, rtt_s)
        packets, lost = self._recent(self._ignore_before_s)
        if packets < ENOUGH_PACKETS // 2:
            return rate_bps
        loss = lost / packets
        spread = sqrt(max(loss, self.inherent, LEAST_SPREAD) * (1 - min(loss, 0.98)) / packets)
        if loss < self.inherent - spread:
            self.inherent += (loss - self.inherent) * min(1.0, FORGET * elapsed_s)
        if loss - self.inherent <= max(MARGIN, SIGMAS * spread):
            if not self._clean or self._newest_s - self._clean[-1][0] >= BIN_S:
                self._clean.append((self._newest_s, rate_bps))
        elif sent_bps < 0.6 * rate_bps:  # little is sent: no rate of ours makes this loss
            self.inherent += (loss - self.inherent) * min(1.0, FORGET * elapsed_s)
        elif self._newest_s >= self._not_before_s:
            self._trial = _Trial(_Watch(self._newest_s + rtt_s + SETTLE_S))
        return rate_bps

    def _watch(self, trial: _Trial, rate_bps: float, sent_bps: float, rtt_s: float) -> float:
        """Go on with a trial: when enough was seen at one rate go to the lower one, then judge."""
        if trial.after is None:
            if not trial.before.enough(self._newest_s):
                return rate_bps
            loss = trial.before.loss
            if loss <= self.inherent + MARGIN or sent_bps < self._full_bps:
                # Chance, or what was taken for a full link before: less than that is sent now, and as much lost.
                self.inherent = max(self.inherent, loss if sent_bps < self._full_bps else 0.0)
                self._full_bps = 0.0
                self._trial = None
                return rate_bps
            trial.rate_bps, trial.sent_bps = rate_bps, sent_bps
            trial.factor = self._factor(trial.before.from_s - RECENT_S - rtt_s, rate_bps)
            trial.after = _Watch(self._newest_s + rtt_s + SETTLE_S)
            return rate_bps * trial.factor
        if not trial.after.enough(self._newest_s):
            return rate_bps
        self._trial = None
        return self._judge(trial, trial.after, rate_bps)

    def _factor(self, before_s: float, rate_bps: float) -> float:
        clean_bps = rate_bps
        for at_s, clean_bps in reversed(self._clean):  # noqa: B007
            if at_s <= before_s:
                break
        return max(LEAST_FACTOR, min(TRIAL_FACTOR, clean_bps / rate_bps))

    def _judge(self, trial: _Trial, after: _Watch, rate_bps: float) -> float:
        """Return the rate that the outcome allows: the loss fell with the rate, or it is the link's own."""
        before = trial.before.loss
        # If the link was full, as much comes through as before, so that much less must be lost.
        expected = min(before - self.inherent, (1 - before) * (1 / trial.factor - 1))
        spread = sqrt(trial.before.variance + after.variance)
        if before - after.loss >= max(expected / 2, FALL_SIGMAS * spread):
            self._full_bps = trial.sent_bps * (1 - before) / (1 - min(self.inherent, 0.9))
            self._carries_bps = self._full_bps
            return rate_bps
        self.inherent = max(self.inherent, (before + after.loss) / 2)
        self._not_before_s = self._newest_s + AGAIN_S
        return max(rate_bps, trial.rate_bps)

    def take_capacity(self) -> float | None:
        """Return once what the link carries, when a trial has found that more was sent."""
        carries_bps, self._carries_bps = self._carries_bps, None
        return carries_bps

    def abandon(self, rtt_s: float) -> None:
        """A queue stands: end a trial without outcome, and learn nothing of losses that the queue explains."""
        self._trial = None
        self._ignore_before_s = self._newest_s + rtt_s + SETTLE_S

    @property
    def trying(self) -> bool:
        """Whether a trial is going on: the rate should not rise meanwhile."""
        return self._trial is not None
