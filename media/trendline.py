"""Does the delay of a link grow? Trendline filter and adaptive threshold (draft-ietf-rmcat-gcc-02 §4.1, §5.1 to §5.4).

Packets that leave together are one group. The change of delay from group to group is summed up, smoothed, and a line is
laid through the last of them: its slope is how much faster data goes in than out. Instead of the draft's Kalman filter,
which its successors gave up, and evaluated once a report instead of once a group.
"""

from __future__ import annotations

from collections import deque

BURST_S = 0.005
"""Packets sent within this time are one group (§5.2)."""
MAX_BURST_S = 0.1
"""Longest time in which packets that a radio held back and released at once are taken as one group."""
WINDOW = 20
"""Groups the line is laid through."""
MIN_GROUPS = 8
"""Fewer say nothing about a slope."""
SMOOTHING = 0.9
GAIN = 4.0
"""Makes slopes comparable with the threshold, as in libwebrtc, from whose practice the next figures come."""
MAX_WEIGHT = 60
"""Trust in the slope grows with the groups seen up to this number."""
FIRST_THRESHOLD_MS = 12.5
MIN_THRESHOLD_MS, MAX_THRESHOLD_MS = 6.0, 600.0
GAIN_UP, GAIN_DOWN = 0.0087, 0.039
"""How fast the threshold follows larger and smaller slopes, 1/ms (§5.4): fast enough not to starve beside TCP."""
OUTLIER_MS = 15.0
"""A slope so far above the threshold is a sudden loss of capacity and does not move it."""
MAX_STEP_MS = 250.0
"""The threshold moves for at most this time at once: reports are 50 to 500 ms apart."""
PAUSE_S = 2.0
"""After so long without a packet the line begins anew: what was before says nothing of the link now."""


class Trend:
    """Tells overuse by slope. Times in seconds, of the sender's and of the receiver's clock."""

    __slots__ = (
        "_anchor_s", "_before_arrived_s", "_before_sent_s", "_delay_ms", "_first_arrived_s", "_first_sent_s", "_fresh",
        "_groups", "_judged_s", "_last_arrived_s", "_last_sent_s", "_open", "_samples", "_smoothed_ms",
        "_threshold_ms", "falling", "rising",
    )  # fmt: skip

    def __init__(self) -> None:
        self._threshold_ms = FIRST_THRESHOLD_MS
        self._judged_s: float | None = None
        self._samples: deque[tuple[float, float]] = deque(maxlen=WINDOW)
        self.reset()

    def reset(self) -> None:
        """Begin anew after a cut or a pause; the threshold, which knows the link's jitter, stays."""
        self._samples.clear()
        self._groups = 0
        self._fresh = False
        self._delay_ms = self._smoothed_ms = 0.0
        self._open = False
        self._before_arrived_s: float | None = None
        self._before_sent_s = 0.0
        self._first_sent_s = self._last_sent_s = 0.0
        self._first_arrived_s = self._last_arrived_s = self._anchor_s = 0.0
        self.rising = False
        """The slope is above the threshold: more is sent than goes through."""
        self.falling = False
        """The slope is below the negative threshold: a queue empties."""

    def add(self, sent_s: float, arrived_s: float) -> None:
        """Take a packet in, in the order of sending."""
        if not self._open:
            self._begin_group(sent_s, arrived_s)
            self._anchor_s = arrived_s
            return
        if sent_s < self._first_sent_s:
            return  # out of order
        if arrived_s - self._last_arrived_s > PAUSE_S:
            self.reset()
            self._begin_group(sent_s, arrived_s)
            self._anchor_s = arrived_s
            return
        if sent_s - self._first_sent_s <= BURST_S or self._released(sent_s, arrived_s):
            self._last_sent_s = max(self._last_sent_s, sent_s)
            self._last_arrived_s = max(self._last_arrived_s, arrived_s)
            return
        self._end_group()
        self._begin_group(sent_s, arrived_s)

    def _released(self, sent_s: float, arrived_s: float) -> bool:
        """Whether this packet came with the group before it though it left later: both had been held back."""
        step_s = arrived_s - self._last_arrived_s
        return (
            step_s <= BURST_S
            and step_s < sent_s - self._last_sent_s
            and arrived_s - self._first_arrived_s < MAX_BURST_S
        )

    def _begin_group(self, sent_s: float, arrived_s: float) -> None:
        self._open = True
        self._first_sent_s = self._last_sent_s = sent_s
        self._first_arrived_s = self._last_arrived_s = arrived_s

    def _end_group(self) -> None:
        before_s = self._before_arrived_s
        if before_s is not None:
            step_s = self._last_arrived_s - before_s
            if step_s < 0:
                return  # the whole group overtook another
            self._delay_ms += (step_s - (self._last_sent_s - self._before_sent_s)) * 1000
            self._smoothed_ms += (self._delay_ms - self._smoothed_ms) * (1 - SMOOTHING)
            self._samples.append(((self._last_arrived_s - self._anchor_s) * 1000, self._smoothed_ms))
            self._groups += 1
            self._fresh = True
        self._before_arrived_s = self._last_arrived_s
        self._before_sent_s = self._last_sent_s

    def judge(self, now_s: float) -> None:
        """Lay the line anew, set `rising` and `falling`, and let the threshold follow."""
        if not self._fresh or len(self._samples) < MIN_GROUPS:
            return
        self._fresh = False
        trend_ms = self._slope() * min(self._groups, MAX_WEIGHT) * GAIN
        self.rising = trend_ms > self._threshold_ms
        self.falling = trend_ms < -self._threshold_ms
        self._adapt(abs(trend_ms), now_s)

    def _slope(self) -> float:
        size = len(self._samples)
        mean_x = sum(x for x, _ in self._samples) / size
        mean_y = sum(y for _, y in self._samples) / size
        over = under = 0.0
        for x, y in self._samples:
            distance = x - mean_x
            over += distance * (y - mean_y)
            under += distance * distance
        return over / under if under > 0 else 0.0

    def _adapt(self, trend_ms: float, now_s: float) -> None:
        elapsed_ms = 0.0 if self._judged_s is None else (now_s - self._judged_s) * 1000
        self._judged_s = now_s
        if trend_ms > self._threshold_ms + OUTLIER_MS:
            return
        gain = GAIN_UP if trend_ms > self._threshold_ms else GAIN_DOWN
        share = min(gain * min(max(elapsed_ms, 0.0), MAX_STEP_MS), 1.0)
        moved_ms = self._threshold_ms + (trend_ms - self._threshold_ms) * share
        self._threshold_ms = min(max(moved_ms, MIN_THRESHOLD_MS), MAX_THRESHOLD_MS)
