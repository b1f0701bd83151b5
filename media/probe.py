"""Trains of padding that measure how much a downlink carries.

At the start of a leg a short train at 300 kbit/s, and as long as a train comes through, one three times as fast. Later
one train at up to twice the estimate, when the controller would like to go up and the voice is safe. What a train
measures is how fast it arrived: bytes over the time from its first to its last packets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from media.sentlog import PacketResult

PACKET_BYTES = 320
"""On the wire: 255 bytes of padding, RTP header and extension, SRTP tag, UDP and IP."""
FIRST_BPS = 300_000.0
FACTOR = 3.0
LAST_BPS = 3_000_000.0
FIRST_PACKETS = 16
"""5 kB: 0.13 s of 300 kbit/s, and what 64 kbit/s carries in 0.65 s."""
FIRST_AGAIN = 2
"""The first train may be sent before the browser has its keys, or be lost: so many more are tried."""
NEARLY = 0.6
"""A train at the start that arrived so nearly at its speed may have met a moment's jitter: it is sent once more."""
TRAIN_S = 0.13
"""How long a faster train lasts; jitter is 10 to 40 ms."""
LATER_TRAIN_S = 0.1
"""A later train at 1.5 times the capacity leaves a queue of half of this. A voice that once came 70 ms late is played
so much later for 20 s, and stretched to get there: PESQ was 3.1 instead of 3.7 for it."""
MIN_PACKETS = 6
"""Of a later train on a thin link: voice waits for it 0.24 s at 64 kbit/s."""
LEAST_ARRIVED = 4
MAX_PACKETS = 160
ARRIVED = 0.6
"""Of a train with less than this nothing is concluded."""
THROUGH = 0.85
"""A train that arrives at this part of its speed has come through."""
WAIT_S = 2.0
"""Wait for reports after a train was sent, on top of two round trips; a queue of 2G may hold it so long."""
FIRST_RETRY_S = 8.0
MAX_RETRY_S = 128.0
UP = 1.6
"""How far above the estimate a later train goes."""
UP_AGAIN = 1.4
"""The same after a train that did not come through, and on a thin link, where a shorter queue is left by it."""
THIN_BPS = 150_000.0


@dataclass(slots=True)
class _Train:
    number: int
    rate_bps: float
    packets: int
    begun_s: float
    sent: int = 0
    last_s: float = 0.0
    bytes_through: float = 0.0
    """Of all that arrived since the train's first packet, media between its packets too."""
    arrived: list[tuple[float, float]] = field(default_factory=list)
    """For each packet of the train when it arrived and `bytes_through` then."""
    reported: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a train measured. `rate_bps` None: inconclusive. `through`: it arrived about as fast as it was sent."""

    rate_bps: float | None
    sent_bps: float
    through: bool


class Prober:
    """Decides on trains for one downlink and reads their outcome. Times in seconds of one monotonic clock."""

    __slots__ = ("_again", "_number", "_retry_s", "_starting", "_train", "_wait_until_s")

    def __init__(self) -> None:
        self._train: _Train | None = None
        self._number = 0
        self._starting = False
        self._again = 0
        self._retry_s = FIRST_RETRY_S
        self._wait_until_s = 0.0

    @property
    def busy(self) -> bool:
        """Whether a train is under way or its reports are awaited."""
        return self._train is not None

    @property
    def starting(self) -> bool:
        """Whether the first probing of the link is still going on."""
        return self._starting and self._train is not None

    def start(self, now_s: float) -> None:
        """Begin the first probing of a link."""
        self._starting = True
        self._again = 0
        self._begin(FIRST_BPS, FIRST_PACKETS, now_s)

    def begin(self, rate_bps: float, now_s: float) -> None:
        """Begin one later train at this rate, as `wanted` gave it."""
        self._starting = False
        self._begin(rate_bps, _packets(rate_bps, LATER_TRAIN_S), now_s)

    def _begin(self, rate_bps: float, packets: int, now_s: float) -> None:
        self._number += 1
        self._train = _Train(self._number, rate_bps, packets, now_s)

    def cancel(self) -> None:
        """Give up the train under way, as when the link is cut or voice is in danger."""
        self._train = None
        self._starting = False

    def due(self, now_s: float) -> tuple[int, int]:
        """Return how many packets of PACKET_BYTES on the wire to send now, and the number of their train."""
        train = self._train
        if train is None or train.sent == train.packets:
            return 0, 0
        should = 1 + int((now_s - train.begun_s) * train.rate_bps / (8 * PACKET_BYTES))
        count = min(should, train.packets) - train.sent
        if count <= 0:
            return 0, 0
        train.sent += count
        train.last_s = now_s
        return count, train.number

    @property
    def next_due_s(self) -> float | None:
        """When the next packet is to be sent; None if none is."""
        train = self._train
        if train is None or train.sent == train.packets:
            return None
        return train.begun_s + train.sent * 8 * PACKET_BYTES / train.rate_bps

    def update(self, results: Iterable[PacketResult], now_s: float, rtt_s: float) -> Verdict | None:
        """Take in results of all packets, media too; returns the verdict when a train is over.

        Call it without results as well from time to time: reports may never come.
        """
        train = self._train
        if train is None:
            return None
        for result in results:
            self._take(train, result)
        if train.sent < train.packets:
            return None
        if train.reported < train.packets and now_s < train.last_s + WAIT_S + 2 * rtt_s:
            return None
        self._train = None
        return self._conclude(train, now_s)

    @staticmethod
    def _take(train: _Train, result: PacketResult) -> None:
        if result.probe == train.number:
            train.reported += not result.amends
        elif not train.arrived:
            return
        if result.arrived_s is not None:
            train.bytes_through += result.size_bytes
            if result.probe == train.number:
                train.arrived.append((result.arrived_s, train.bytes_through))

    def _conclude(self, train: _Train, now_s: float) -> Verdict:
        rate_bps = _rate(train)
        verdict = Verdict(rate_bps, train.rate_bps, rate_bps is not None and rate_bps >= THROUGH * train.rate_bps)
        if self._starting and verdict.through and train.rate_bps < LAST_BPS:
            faster_bps = min(train.rate_bps * FACTOR, LAST_BPS)
            self._begin(faster_bps, _packets(faster_bps, TRAIN_S), now_s)
            return verdict
        if self._starting and not verdict.through and self._again < FIRST_AGAIN:
            if rate_bps is None:
                self._again += 1
                self._begin(FIRST_BPS, FIRST_PACKETS, now_s)
                return verdict
            if rate_bps >= NEARLY * train.rate_bps:
                self._again += 1
                self._begin(train.rate_bps, train.packets, now_s)
                return verdict
        if verdict.through:
            self._retry_s = FIRST_RETRY_S
        self._wait_until_s = now_s + self._retry_s
        if not verdict.through and not self._starting:
            self._retry_s = min(self._retry_s * 2, MAX_RETRY_S)
            self._wait_until_s = now_s + self._retry_s
        self._starting = False
        return verdict

    def wanted(self, now_s: float, estimate_bps: float, *, audio_safe: bool) -> float | None:
        """Return the rate of the train to send when more than the estimate would be of use; None: not now.

        `audio_safe`: the queue is small and loss does not grow.
        """
        if self._train is not None or not audio_safe or now_s < self._wait_until_s:
            return None
        bold = self._retry_s == FIRST_RETRY_S and estimate_bps >= THIN_BPS
        return estimate_bps * (UP if bold else UP_AGAIN)


def _packets(rate_bps: float, train_s: float) -> int:
    return min(max(MIN_PACKETS, round(rate_bps * train_s / (8 * PACKET_BYTES))), MAX_PACKETS)


def _rate(train: _Train) -> float | None:
    """Return the speed of arrival: between the middles of the first and the last third, so that jitter evens out."""
    if len(train.arrived) < max(ARRIVED * train.packets, LEAST_ARRIVED):
        return None
    arrived = sorted(train.arrived)
    third = max(1, len(arrived) // 3)
    first, last = arrived[:third], arrived[-third:]
    elapsed_s = (sum(at for at, _ in last) - sum(at for at, _ in first)) / third
    passed = (sum(count for _, count in last) - sum(count for _, count in first)) / third
    if elapsed_s <= 0.001 or passed <= 0:
        return min(train.rate_bps, LAST_BPS) if passed > 0 else None
    return min(passed * 8 / elapsed_s, train.rate_bps)
