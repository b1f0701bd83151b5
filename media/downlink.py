"""What is known of the way from the relay to one leg, and how much may be sent on it.

Where the browser counts packets the relay's own estimate holds, from when each packet left and when it came; elsewhere
what the browser reports by REMB. Rates are bit/s of whole IP packets, times of one monotonic clock in seconds.
"""

from __future__ import annotations

from media.controller import Way
from media.estimator import Estimator
from media.probe import Prober
from media.sentlog import PacketResult, SentLog
from media.twcc import Clock, parse

REMB_VALID_S = 5.0
"""Browsers report once a second while they receive; an older report is of a link that carried something else."""

UNHEARD_S = 1.5
"""Feedback comes every 0.25 s at most; with none for so long beyond a round trip the link does not answer."""


class Downlink:
    """The estimate of one leg's downlink. `log`, `estimator` and `prober` are there from `count` on."""

    __slots__ = ("_clock", "_number", "_remb_bps", "_remb_s", "counted", "estimator", "log", "prober")

    def __init__(self) -> None:
        self.counted = False
        """The browser counts packets, so that the estimate is the relay's own."""
        self._clock = Clock()
        self._number = 0
        self._remb_bps = 0
        self._remb_s = float("-inf")

    @property
    def known(self) -> bool:
        """Whether the estimate was found by traffic or probes, and the first probing is over."""
        return self.estimator.known and not self.prober.starting

    @property
    def rate_bps(self) -> int | None:
        """The relay's own estimate; None where the browser does not count."""
        return int(self.estimator.estimate_bps) if self.counted else None

    def count(self) -> None:
        """Begin to estimate: the browser counts what it is sent. Before, a leg has none of the memory for that."""
        self.counted = True
        self.log = SentLog()
        self.estimator = Estimator()
        self.prober = Prober()

    def next_number(self) -> int:
        """Return the transport number of the packet that leaves now."""
        self._number = number = (self._number + 1) & 0xFFFF
        return number

    def report(self, body: bytes, now_s: float, rtt_s: float) -> None:
        """Take the browser's transport-wide feedback. Raises RtcpError for a broken one."""
        results = self.log.match(parse(body, self._clock))
        self.estimator.update(results, now_s, rtt_s)
        self._conclude(results, now_s, rtt_s)

    def _conclude(self, results: list[PacketResult], now_s: float, rtt_s: float) -> None:
        verdict = self.prober.update(results, now_s, rtt_s)
        if verdict is not None and verdict.rate_bps is not None:
            self.estimator.probed(verdict.rate_bps, now_s)

    def look(self, now_s: float, rtt_s: float) -> None:
        """Give up on reports that do not come; called a few times a second while counting."""
        self._conclude([], now_s, rtt_s)

    def answers(self, now_s: float, rtt_s: float) -> bool:
        """Tell whether what is sent is heard of; it is not during a cut."""
        return self.log.silent_s(now_s) < UNHEARD_S + 2 * rtt_s

    def reported(self, bitrate_bps: int, now_s: float) -> None:
        """Take a REMB: what the browser estimates for all video that it receives."""
        self._remb_bps = bitrate_bps
        self._remb_s = now_s

    def budget_bps(self, now_s: float) -> int | None:
        """What all video to this leg together may take by its REMB; None if nothing recent is known, or not needed."""
        if self.counted:
            return None
        return self._remb_bps if now_s - self._remb_s <= REMB_VALID_S else None

    def way(self, now_s: float, rtt_s: float, jitter_s: float, loss: float, waiting_s: float) -> Way:
        """Return the link as the controller wants it. `waiting_s` is what the relay's own queue adds."""
        if not self.counted:
            return Way(None, False, loss=loss, jitter_s=jitter_s, rtt_s=rtt_s, remb_bps=self.budget_bps(now_s))
        estimator = self.estimator
        return Way(
            rate_bps=int(estimator.estimate_bps),
            known=estimator.known,
            loss=estimator.loss,
            queue_s=estimator.queue_s + waiting_s,
            overusing=estimator.overusing,
            jitter_s=jitter_s,
            rtt_s=rtt_s,
        )
