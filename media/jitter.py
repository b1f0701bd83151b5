"""How uneven the delays of a link are, so that unevenness is not taken for a queue.

The standing queue is measured as a least delay above another least delay. With 25 ms of jitter the least of the last
quarter of a second lies 50 to 70 ms above that of the last forty seconds though nothing stands (recorded on an emulated
3G link): so much of it is jitter, and an estimator that drains it starves the link.
"""

from __future__ import annotations

GAIN = 1 / 16
STEP_MOST_S = 0.06
"""A larger step is a queue or a cut."""
LIFTS = 2.0
"""The measure of a queue is lifted by about twice the mean step from one delay to the next."""
LIFTS_MOST_S = 0.08


class Jitter:
    """Mean step of one link's delays. All times in seconds; sender's and receiver's clocks may differ.

    Only packets count that found the link empty of what was sent before, going by its rate: what bursts wait for each
    other is not jitter.
    """

    __slots__ = ("_busy_until_s", "_delay_s", "mean_step_s")

    def __init__(self) -> None:
        self.mean_step_s = 0.0
        self._delay_s: float | None = None
        self._busy_until_s = float("-inf")

    def add(self, sent_s: float, arrived_s: float, size_bytes: int, rate_bps: float) -> None:
        """Take a packet, in the order of sending, and what the link is taken to carry."""
        own_s = size_bytes * 8 / rate_bps
        is_alone = sent_s >= self._busy_until_s
        self._busy_until_s = max(self._busy_until_s, sent_s) + own_s
        if not is_alone:
            return
        delay_s = arrived_s - sent_s - own_s
        if self._delay_s is not None:
            step_s = min(abs(delay_s - self._delay_s), STEP_MOST_S)
            self.mean_step_s += (step_s - self.mean_step_s) * GAIN
        self._delay_s = delay_s

    @property
    def lift_s(self) -> float:
        """How much of a measured queue is jitter."""
        return min(LIFTS * self.mean_step_s, LIFTS_MOST_S)
