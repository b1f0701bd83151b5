"""What a link test has found out, and what follows from it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from media.control import Rung
from media.measure import rung_of

Outcome = Literal["yes", "no", "not_configured", "not_tried", "relay_unreached"]
"""Of a way. `relay_unreached`: the TURN server let us in, but the relay does not answer through it."""

Limit = Literal["nothing", "rate", "loss", "unknown"]
"""What keeps a direction from the highest rung."""

Verdict = Literal["video", "voice", "phone", "unknown", "no_way"]
"""What the link is good for. `unknown`: a direction could not be measured; `no_way`: nothing reaches the relay."""

GOOD_RUNG = 3
"""From here on a picture moves."""

FULL_RUNG = 5


class Model(BaseModel):
    """Base of what `--json` prints."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WayResult(Model):
    """Whether the relay answers on one way."""

    outcome: Outcome
    rtt_ms: float | None = None
    detail: str = ""
    """Which TURN server, or why not."""


class RoundTrip(Model):
    """Times in ms, of checks on the idle link; `rtcp_ms` is the least by reports, while it was in use."""

    least_ms: float
    median_ms: float
    most_ms: float
    jitter_ms: float
    loss: float
    rtcp_ms: float | None = None


class DirectionResult(Model):
    """One direction; rate in bit/s of whole IP packets."""

    rate_bps: int | None
    at_least: bool = False
    """It may carry more than was tried."""
    loss: float | None = None
    jitter_ms: float | None = None
    rung: Rung | None = None
    limited_by: Limit = "unknown"


class LinkReport(Model):
    """The whole test."""

    server: str
    udp: WayResult
    tcp: WayResult
    turn: WayResult
    used: Literal["udp", "tcp", "turn"] | None = None
    """The way that was measured."""
    round_trip: RoundTrip | None = None
    up: DirectionResult = DirectionResult(rate_bps=None)
    down: DirectionResult = DirectionResult(rate_bps=None)
    mtu_bytes: int | None = None
    """The longest IP packet that came through whole on the way up; None: not measured, as on TCP."""
    seconds: float = 0.0
    """How long the test took."""

    @property
    def verdict(self) -> Verdict:
        """What follows for a visit."""
        if self.used is None:
            return "no_way"
        if self.up.rung is None or self.down.rung is None:
            return "unknown"
        worst = min(self.up.rung, self.down.rung)
        return "video" if worst >= GOOD_RUNG else "voice" if worst >= 1 else "phone"

    @property
    def exit_code(self) -> int:
        """0: a moving picture both ways; 1: voice, perhaps stills; 2: not even that, no way at all, or not known."""
        return {"video": 0, "voice": 1}.get(self.verdict, 2)


def direction(
    rate_bps: int | None, loss: float | None, *, jitter_ms: float | None = None, at_least: bool = False
) -> DirectionResult:
    """Return a direction with its rung and what keeps it from a higher one."""
    if rate_bps is None:
        return DirectionResult(rate_bps=None, loss=loss, jitter_ms=jitter_ms)
    rung = rung_of(rate_bps, loss or 0.0)
    limit: Limit = "nothing"
    if rung < FULL_RUNG:
        limit = "loss" if loss and rung_of(rate_bps, 0.0) > rung else "rate"
    return DirectionResult(
        rate_bps=rate_bps, at_least=at_least, loss=loss, jitter_ms=jitter_ms, rung=rung, limited_by=limit
    )
