"""What a sender's uplink is taken for: an estimate from arrivals knows only what was sent, so some of it is a guess.

A downlink is probed with padding, and its estimate stands for itself. An uplink's is bounded by what the browser has
sent so far, which is little at the beginning and while only voice goes. So it is taken for more than its estimate for
some seconds after a beginning or a climb.
"""

from __future__ import annotations

from media.control import LinkHint
from media.ways import CONGESTED_QUEUE_S, Way

START_UNKNOWN_BPS = 100_000
"""Of a direction of which nothing is known: rung 4 at its lowest. A GPRS link floods until that is seen."""
OF_DOWNLINK = 0.4
OF_THIN_DOWNLINK = 0.65
"""What an unmeasured uplink is taken for beside its downlink: 3G 128/400, 4G 3000/9000, geostationary 128/512; below
`START_UNKNOWN_BPS` EDGE 60/100 and lines that are the same both ways."""
LONG_RTT_S = 0.25
LONG_BPS = 100_000
"""On long links (satellites, full queues) the uplink is thin whatever the downlink is."""
HINT_SHARE = 0.8
"""Of what the last visit found: the same place, another hour."""
OTHER_LINK_FROM = 2.0
"""A downlink so many times the last one is another link: what was known of its uplink says nothing."""

RAMP_S = 6.0
"""So long after a beginning or climb the estimate does not bind unless the link is congested: it is no more than 1.5
times what has come, and a browser needs seconds to send what it may."""
OVERUSING_FOR_S = 1.0
"""A delay-based estimate overuses for a moment whenever it meets the link's rate; that is how it finds it."""


class UplinkGuess:
    """One sender's uplink over time. Times are of one monotonic clock, in seconds."""

    __slots__ = ("_assumed_bps", "_assumed_until_s", "_overusing_since_s", "congested", "guessed", "rate_bps")

    def __init__(self, now_s: float, assumed_bps: int | None) -> None:
        self.rate_bps = assumed_bps or START_UNKNOWN_BPS
        """What it is taken for now."""
        self.congested = False
        """More is sent than it carries."""
        self.guessed = True
        """The rate is not its own estimate."""
        self._assumed_bps = assumed_bps
        self._assumed_until_s = now_s + RAMP_S
        self._overusing_since_s: float | None = None

    def assume(self, now_s: float, rate_bps: int) -> None:
        """Take it for at least so much, until its estimate has had time to say so or it is congested."""
        standing_bps = self._assumed_bps or 0
        self._assumed_bps = max(rate_bps, standing_bps) if now_s < self._assumed_until_s else rate_bps
        self._assumed_until_s = now_s + RAMP_S
        self._overusing_since_s = None

    def see(self, now_s: float, way: Way, sending_bps: int) -> None:
        """Take in the estimate, and what arrives from the sender now."""
        self._see_congestion(now_s, way)
        ramping = now_s < self._assumed_until_s
        estimate_bps = way.carries_bps() if way.known or not ramping else None
        self.guessed = estimate_bps is None
        if estimate_bps is None:
            unknown_bps = min(START_UNKNOWN_BPS, sending_bps) if self.congested else START_UNKNOWN_BPS
            self.rate_bps = self._assumed_bps or unknown_bps
        elif ramping and self._assumed_bps is not None and self._assumed_bps > estimate_bps:
            self.rate_bps = self._assumed_bps
            self.guessed = True
        else:
            self.rate_bps = estimate_bps

    def _see_congestion(self, now_s: float, way: Way) -> None:
        if not way.overusing:
            self._overusing_since_s = None
        elif self._overusing_since_s is None:
            self._overusing_since_s = now_s
        long = self._overusing_since_s is not None and now_s - self._overusing_since_s >= OVERUSING_FOR_S
        self.congested = long or way.queue_s >= CONGESTED_QUEUE_S
        if self.congested:
            self._assumed_bps = None


def assumed_uplink_bps(own_downlink: Way | None, hint: LinkHint | None) -> int | None:
    """Return what an unmeasured uplink is taken for: by the last visit, else its downlink; None: nothing is known."""
    down_bps = own_downlink.carries_bps() if own_downlink is not None and own_downlink.known else None
    if hint is not None and hint.up_bps > 0:
        # On another network than last time the hint is worth no more than the downlinks' ratio.
        other = down_bps / hint.down_bps if down_bps is not None and hint.down_bps > 0 else 1.0
        if other < OTHER_LINK_FROM:
            return int(hint.up_bps * HINT_SHARE * min(other, 1.0))
    if own_downlink is None or down_bps is None:
        return None
    guess_bps = int(max(down_bps * OF_DOWNLINK, min(down_bps * OF_THIN_DOWNLINK, START_UNKNOWN_BPS)))
    return min(guess_bps, LONG_BPS) if own_downlink.rtt_s >= LONG_RTT_S else guess_bps
