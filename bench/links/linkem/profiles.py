"""The links that are measured, by name, each with where its figures come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bench.links.linkem.settings import Settings
from bench.links.linkem.trace import Event, Trace


@dataclass(frozen=True, slots=True)
class Profile:
    """Both directions of a client's link, and how they change with time."""

    name: str
    up: Settings
    down: Settings
    trace: Trace = field(default_factory=Trace)
    waits: bool = False
    """Whether the trace is about a moment, and so begins when the measuring does; else it begins with the link."""

    def changed(self, change: Mapping[str, Mapping[str, Any]]) -> Profile:
        """This profile with settings replaced by direction (`{"up": {"rate_kbps": 40}}`)."""
        return replace(self, up=self.up.changed(change.get("up", {})), down=self.down.changed(change.get("down", {})))

    def without_trace(self) -> Profile:
        """The link as it is before anything happens to it."""
        return replace(self, trace=Trace())

    @property
    def one_way_ms(self) -> float:
        """The mean of both directions' delays."""
        return (self.up.delay_ms + self.down.delay_ms) / 2


def _link(name: str, up_kbps: float, down_kbps: float, **both: Any) -> Profile:
    return Profile(name, Settings(rate_kbps=up_kbps, **both), Settings(rate_kbps=down_kbps, **both))


_LEO = Trace(
    loop_s=60,
    events=(
        Event(15, change={"delay_ms": 28}, cut_s=0.15),
        Event(30, change={"delay_ms": 19}, cut_s=0.1),
        Event(45, change={"delay_ms": 34}, cut_s=0.4),
        Event(60, change={"delay_ms": 22}, cut_s=0.15),
    ),
)
_CHANGING = Trace(
    loop_s=30, events=(Event(15, change={"rate_kbps": 64}), Event(30, change={"rate_kbps": 2000}))
)  # fmt: skip

# Queues are deliberately deep on cellular: Jiang et al., "Tackling Bufferbloat in 3G/4G Networks" (IMC 2012) found
# queueing delays of seconds on the networks of five carriers.
PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        # The emulator in the path, and no impairment.
        _link("lan", 0, 0),
        # WebPageTest's LTE 12/12 Mbit/s 70 ms and 4G 9/9 Mbit/s 170 ms; the uplink lowered for a rural cell.
        _link("good-4g", 3000, 9000, delay_ms=35, jitter_ms=5, loss_pct=0.1, queue_ms=300),
        # UMTS R99 384/128 bearer at the cell edge; ATC 3G-Average 780/330; WebPageTest 3G Slow 400/400, 400 ms.
        _link("3g-rural", 128, 400, delay_ms=90, jitter_ms=25, loss_pct=1, queue_ms=1500),
        # Starlink-like, capped: Ookla Q3 2021 median 44 ms; satellites change every 15 s, with a step of latency and
        # loss at the change (Huston, IETF 118; Kassem et al., "A browser-side view of Starlink", IMC 2022).
        replace(
            _link("leo-satellite", 4000, 20000, delay_ms=22, jitter_ms=6, loss_pct=0.4, queue_ms=250), trace=_LEO
        ),
        # Geostationary: 477 ms is the least round trip that physics allow, about 600 ms typical (Huston, APNIC 2022).
        # Forward error correction keeps loss low.
        _link("geo-satellite", 128, 512, delay_ms=300, jitter_ms=10, loss_pct=0.3, queue_ms=800),
        # A portable geostationary terminal with a 256 kbit/s streaming bearer; radio framing adds to the hop.
        _link("sat-256k", 256, 256, delay_ms=350, jitter_ms=20, loss_pct=0.5, queue_ms=800),
        # EDGE class 10, 4 down and 2 up slots at MCS-6 (29.6 kbit/s): 118/59 gross. WebPageTest Edge 240/200, 840 ms.
        _link("edge-2g", 60, 100, delay_ms=175, jitter_ms=40, loss_pct=3, queue_ms=2000),
        # One ISDN B channel, or a weak GPRS bearer.
        _link("64k-5loss", 64, 64, delay_ms=100, jitter_ms=10, loss_pct=5, queue_ms=1000),
        # Nothing but loss.
        _link("30-loss", 1000, 1000, delay_ms=50, jitter_ms=5, loss_pct=30, queue_ms=300),
        # Hand-over or power failure: one total cut of 10 s.
        replace(
            _link("outage-10s", 1000, 1000, delay_ms=60, jitter_ms=10, loss_pct=0.5, queue_ms=500),
            trace=Trace((Event(10, cut_s=10),)), waits=True,
        ),
        # A tunnel, or a phone that looks for its network.
        replace(
            _link("outage-60s", 1000, 1000, delay_ms=60, jitter_ms=10, loss_pct=0.5, queue_ms=500),
            trace=Trace((Event(10, cut_s=60),)), waits=True,
        ),
        # Bandwidth that comes and goes, as when a bus passes between cells: 2 Mbit/s and 64 kbit/s in turn.
        replace(
            _link("changing", 2000, 2000, delay_ms=60, jitter_ms=10, loss_pct=0.5, queue_ms=800),
            trace=_CHANGING, waits=True,
        ),
        # The far end of a house: contention and short fades, about 4 % mean loss, most of it in bursts of 100 ms.
        _link("wifi-lossy", 5000, 5000, delay_ms=5, jitter_ms=10, loss_pct=1, fade=(2000, 100, 70), queue_ms=300),
    )
}  # fmt: skip


def profile(name: str) -> Profile:
    """The profile of this name; ValueError names those that exist."""
    if name not in PROFILES:
        raise ValueError(f"unknown profile {name!r} (known: {', '.join(PROFILES)})")
    return PROFILES[name]
