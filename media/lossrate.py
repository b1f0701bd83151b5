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
MARGIN = 0.02
"""Loss above the inherent one that never is a reason to send less (draft-ietf-rmcat-gcc-02 §6)."""
SIGMAS = 2.0
TRIAL_FACTOR = 0.85
"""What the rate is lowered to. If a queue overflows, the loss then falls by up to 0.15."""
TRIAL_SETTLE_S = 0.5
TRIAL_S = 3.0
MAX_TRIAL_S = 8.0
FORGET = 0.3
"""How fast the inherent loss follows a loss below it, of the distance for each second."""
_MAX_PENDING = 4096


@dataclass(slots=True)
class _Bin:
    begin_s: float
    packets: int = 0
    lost: int = 0


@dataclass(slots=True)
class _Trial:
    """The rate was lowered from `rate_bps` when `loss` was seen; packets sent after `from_s` tell the outcome."""

    rate_bps: float
    loss: float
    from_s: float
    packets: int = 0
    lost: int = 0


class LossRate:
    """Loss of one link. Times are of the sender's clock, in seconds."""

    __slots__ = ("_bins", "_newest_s", "_run", "_trial", "cuts", "inherent")

    def __init__(self) -> None:
        self._bins: deque[_Bin] = deque(maxlen=BINS)
        self._run: list[float] = []  # when packets were sent that are lost, since the last that arrived
        self._newest_s = 0.0
        self._trial: _Trial | None = None
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
        trial = self._trial
        if trial is not None and sent_s >= trial.from_s:
            trial.packets += 1
            trial.lost += lost

    def _recent(self) -> tuple[int, int]:
        packets = lost = 0
        for one in reversed(self._bins):
            age_s = self._newest_s - one.begin_s
            if age_s > BINS * BIN_S or (age_s > RECENT_S and packets >= ENOUGH_PACKETS):
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
        packets, lost = self._recent()
        if packets < ENOUGH_PACKETS // 2:
            return rate_bps
        loss = lost / packets
        if loss < self.inherent:
            self.inherent += (loss - self.inherent) * min(1.0, FORGET * elapsed_s)
        trial = self._trial
        if trial is not None:
            return self._judge(trial, rate_bps)
        spread = sqrt(max(loss, MARGIN) * (1 - min(loss, 0.98)) / packets)
        if loss - self.inherent <= max(MARGIN, SIGMAS * spread):
            return rate_bps
        if sent_bps < 0.6 * rate_bps:  # little is sent: no rate of ours makes this loss
            self.inherent += (loss - self.inherent) * min(1.0, FORGET * elapsed_s)
            return rate_bps
        self._trial = _Trial(rate_bps, loss, self._newest_s + rtt_s + TRIAL_SETTLE_S)
        return rate_bps * TRIAL_FACTOR

    def _judge(self, trial: _Trial, rate_bps: float) -> float:
        """End a trial that has seen enough: the loss fell with the rate, or it is the link's own."""
        waited_s = self._newest_s - trial.from_s
        if waited_s < TRIAL_S or (trial.packets < ENOUGH_PACKETS and waited_s < MAX_TRIAL_S):
            return rate_bps
        self._trial = None
        if trial.packets == 0:
            return rate_bps
        loss = trial.lost / trial.packets
        expected = min(trial.loss - self.inherent, (1 - TRIAL_FACTOR) * (1 - self.inherent))
        if trial.loss - loss >= expected / 2:
            return rate_bps
        self.inherent = max(self.inherent, (loss + trial.loss) / 2)
        return max(rate_bps, trial.rate_bps)

    def abandon(self) -> None:
        """End a trial without outcome: something else changed the rate meanwhile."""
        self._trial = None

    @property
    def trying(self) -> bool:
        """Whether a trial is going on: the rate should not rise meanwhile."""
        return self._trial is not None
