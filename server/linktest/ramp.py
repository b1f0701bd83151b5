"""How fast a link carries what is sent on it: steps that double, each short, until one does not come through.

A step is judged by how its packets arrived, not by how many: a link that loses a third at any rate may still have room,
while one that is full spreads in time what it was sent. Rates are bit/s of whole IP packets, times in seconds.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from media.sentlog import PacketResult

FIRST_BPS = 64_000
LAST_BPS = 3_000_000
"""Ten times what the highest rung needs; more would only cost data."""
FACTOR = 2
"""A step at twice what fits leaves a queue as long as the step."""
STEP_S = 0.8
"""Below the second that a thin link may be flooded for; jitter on mobile links is 10 to 40 ms."""
PACKETS_WANTED = 20
LEAST_PACKET_BYTES, MOST_PACKET_BYTES = 200, 1150
"""On the wire: enough packets to measure by on a thin link, none longer than a browser's on a fast one."""

STRETCHED = 1.15
"""A step that took this much longer to arrive than to send was more than the link carries."""
LOSS_ALLOWED = 0.10
"""What a step may lose on top of what the link loses anyway."""
LEAST_ARRIVED = 6
"""From fewer packets nothing is concluded."""

TRAIN_PACKETS = 16
"""Of the relay's first train, `media.probe.FIRST_PACKETS`."""

STEADY_S = 2.5
STEADY_SHARE = 0.7
STEADY_MOST_BPS = 300_000
"""What is sent to learn loss and jitter: below what fits, and like a call."""
STEADY_PACKETS = 110


@dataclass(frozen=True, slots=True)
class Step:
    """Packets to be sent evenly."""

    number: int
    rate_bps: int
    packets: int
    packet_bytes: int
    """On the wire."""

    @property
    def gap_s(self) -> float:
        """Time from one packet to the next."""
        return 8 * self.packet_bytes / self.rate_bps


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step fared."""

    carried_bps: float | None
    """None: too little arrived to say."""
    loss: float
    stretch: float


def outcome(step: Step, results: Sequence[PacketResult]) -> Outcome:
    """Judge a step by the results of its packets, in any order; of packets without one nothing is known."""
    arrived = sorted((r for r in results if r.arrived_s is not None), key=lambda r: r.sent_s)
    known = len(arrived) + sum(r.arrived_s is None and not r.unreported for r in results)
    loss = 1 - len(arrived) / known if known else 1.0
    if len(arrived) < LEAST_ARRIVED:
        return Outcome(None, loss, 0.0)
    third = len(arrived) // 3
    first, last = arrived[:third], arrived[-third:]
    sent_s = (sum(r.sent_s for r in last) - sum(r.sent_s for r in first)) / third
    came_s = (sum(r.arrived_s or 0.0 for r in last) - sum(r.arrived_s or 0.0 for r in first)) / third
    if sent_s <= 0 or came_s <= 0:
        return Outcome(None, loss, 0.0)
    between = len(arrived) - third
    carried_bps = between * 8 * step.packet_bytes / came_s
    return Outcome(carried_bps, loss, came_s / sent_s)


class Ramp:
    """The steps of one test. Ask for `next`, send it, tell how it fared; None ends it."""

    def __init__(self, base_loss: float) -> None:
        self._base_loss = min(max(base_loss, 0.0), 0.5)
        """What the link loses without being full, as far as is known."""
        self._step: Step | None = None
        self._over = False
        self._retried = False
        self.rate_bps: int | None = None
        """What the link carries; None: not known (yet)."""
        self.at_least = False
        """It may carry more: the fastest step came through."""

    def next(self) -> Step | None:
        """Return what is to be sent now."""
        if self._over:
            return None
        before = self._step
        rate_bps = FIRST_BPS if before is None else min(before.rate_bps * FACTOR, LAST_BPS)
        if self._retried and before is not None:
            rate_bps = before.rate_bps
        self._step = paced(0 if before is None else before.number + 1, rate_bps, STEP_S)
        return self._step

    def conclude(self, results: Sequence[PacketResult]) -> None:
        """Take how the step fared."""
        step = self._step
        if step is None or self._over:
            return
        found = outcome(step, results)
        if found.carried_bps is None:
            # A hole of a second, or a report that was lost: once more, then what was proven holds.
            self._over, self._retried = self._retried, True
            return
        self._retried = False
        through = found.stretch <= STRETCHED and found.loss <= self._base_loss * 1.5 + LOSS_ALLOWED
        if through:
            self.rate_bps = step.rate_bps
            self._over = self.at_least = step.rate_bps >= LAST_BPS
            return
        self._over = True
        # What a full link lets through counts whole: what it loses at any rate had its place on it.
        carried_bps = min(int(found.carried_bps / (1 - self._base_loss)), step.rate_bps)
        self.rate_bps = max(carried_bps, self.rate_bps or 0)


def paced(number: int, rate_bps: int, seconds: float, packets: int = PACKETS_WANTED) -> Step:
    """Return a step of so many seconds, of `packets` packets or as many as their sizes demand."""
    total_bytes = rate_bps * seconds / 8
    size = int(min(max(total_bytes / packets, LEAST_PACKET_BYTES), MOST_PACKET_BYTES))
    return Step(number, rate_bps, max(8, round(total_bytes / size)), size)


def steady(number: int, rate_bps: int) -> Step:
    """Return what is sent to learn loss and jitter on a link that carries `rate_bps`."""
    return paced(number, int(min(rate_bps * STEADY_SHARE, STEADY_MOST_BPS)), STEADY_S, STEADY_PACKETS)


class Train:
    """The first packets of padding that the relay sent: how fast they came is what a thin way down carries.

    On a link that carries more than they were sent at, other trains follow, and the relay's own estimate is better.
    """

    def __init__(self) -> None:
        self._came: list[tuple[float, int]] = []

    def take(self, now_s: float, packet_bytes: int) -> None:
        """Note a packet of this length on the wire."""
        if len(self._came) < TRAIN_PACKETS:
            self._came.append((now_s, packet_bytes))

    @property
    def rate_bps(self) -> int | None:
        """How fast it came; None where too little of it did."""
        third = len(self._came) // 3
        if len(self._came) < LEAST_ARRIVED:
            return None
        first, last = self._came[:third], self._came[-third:]
        elapsed_s = (sum(at for at, _ in last) - sum(at for at, _ in first)) / third
        between_bytes = sum(size for _, size in self._came[third:])
        return int(8 * between_bytes / elapsed_s) if elapsed_s > 0 else None


def jitter_s(results: Sequence[PacketResult]) -> float | None:
    """Return the interarrival jitter of these packets (RFC 3550 §6.4.1, as a mean); None of fewer than three."""
    arrived = sorted((r for r in results if r.arrived_s is not None), key=lambda r: r.sent_s)
    transits = [r.arrived_s - r.sent_s for r in arrived if r.arrived_s is not None]
    if len(transits) < 3:
        return None
    return sum(abs(b - a) for a, b in itertools.pairwise(transits)) / (len(transits) - 1)
