"""What is known of the way from one leg to the relay: which packets came, when they had left, and what that says.

The browser's own controller gets transport-wide feedback from here. The relay's estimate of the same link comes from
the send time that each packet carries (abs-send-time), so that it can choose a rung without asking the page.
"""

from __future__ import annotations

from media import extension
from media.controller import Way
from media.dispersion import Dispersion
from media.estimator import Estimator, SendClock
from media.sentlog import PacketResult
from media.twcc import Arrivals

HEADER_BYTES = 28
"""IPv4 and UDP header: what a link carries for each packet on top of what arrives here."""

EXCUSED_FROM = 0.04
EXCUSED_QUEUE_S = 0.1
"""Loss without a queue is the link's own. A browser that is told of it sends less and less, which does not help: at
30 % its pictures waited for 3 s behind a rate of a tenth of the link's. The relay's own ceiling (REMB) holds it to what
the link carries, so it is told of what came only. Not that the missing had come: Chromium then throws those packets
away (`CullAcknowledgedPackets`), and answers no request for them."""

MAX_BATCH = 2048
"""Packets kept between two looks; at more than that in 0.1 s the estimate is not what is short."""

REPEATED_WITHIN = 64
"""Transport numbers around the next one: 0.5 s of a sender who is asked for copies."""


class Uplink:
    """The estimate of one leg's uplink. All times are of the relay's monotonic clock, in seconds."""

    __slots__ = (
        "_batch", "_clock", "_delay_s", "_dispersion", "_fed_s", "_next", "_sent_s", "arrivals", "estimator",
    )  # fmt: skip

    def __init__(self) -> None:
        self.arrivals = Arrivals()
        self.estimator = Estimator()
        self._clock = SendClock()
        self._dispersion = Dispersion()
        self._batch: dict[int, PacketResult] = {}
        """By transport number; Firefox' voice and copies of voice do not say when they had left."""
        self._next = -1  # the transport number expected, counted on beyond 16 bits
        self._sent_s: float | None = None  # when the newest packet that came had left
        self._fed_s = float("-inf")
        self._delay_s = 0.0  # of the newest packet, from a zero that nobody knows

    @property
    def late_s(self) -> float:
        """How much later than without a queue the newest packet came: known before the next look."""
        return self.estimator.late_s(self._delay_s)

    def received(self, packet: bytes, size: int, now_s: float) -> int:
        """Count a packet of `size` bytes as it came. Returns where its transport number stands, 0 if it has none."""
        at, send_time = extension.read(packet)
        if at:
            sequence = packet[at] << 8 | packet[at + 1]
            self.arrivals.received(sequence, now_s)
            if len(self._batch) < MAX_BATCH:
                number = self._unwrapped(sequence)
                if send_time >= 0:
                    sent_s = self._clock.unwrap(send_time)
                    self._delay_s = now_s - sent_s
                    self._batch[number] = PacketResult(sent_s, now_s, size + HEADER_BYTES)
                else:
                    self._delay_s = float("-inf")  # who does not say when it left is not held to be late
                    self._batch[number] = _untimed(now_s, size)
        return at

    def repeated(self, data: bytes, size: int, now_s: float) -> None:
        """Count a copy of a packet of voice that had come before, which SRTP refuses as a replay (RFC 3711 §3.3.2).

        It has a transport number of its own that would count as lost. Nobody vouches for it: who can forge addresses
        could hide the loss of packets or make the rate seem higher, as far as `MAX_BATCH`, and reads nothing by it.
        """
        at, _ = extension.read(data)
        if not at or self._next < 0 or len(self._batch) >= MAX_BATCH:
            return
        sequence = data[at] << 8 | data[at + 1]
        number = self._unwrapped(sequence)
        if abs(number - self._next) <= REPEATED_WITHIN:
            self.arrivals.received(sequence, now_s)
            self._batch.setdefault(number, _untimed(now_s, size))

    def _unwrapped(self, sequence: int) -> int:
        if self._next < 0:
            self._next = sequence
        step = ((sequence - self._next + 0x8000) & 0xFFFF) - 0x8000
        return self._next + step

    def update(self, now_s: float, rtt_s: float) -> None:
        """Take what came since the last call, and what did not."""
        batch = self._batch
        if not batch:
            return
        highest = max(batch)
        # A packet that is only late is counted as lost now and as come with the next look: links rarely reorder.
        first = max(self._next, highest - MAX_BATCH)
        results: list[PacketResult] = []
        timed = next((batch[number] for number in sorted(batch) if not batch[number].untimed), None)
        if timed is None:
            self._next = max(self._next, highest + 1)
            self._batch = {}
            return
        # What is missing left after what came before it: after a cut that is long ago, and so the cut is known as one.
        sent_s, size = timed.sent_s if self._sent_s is None else self._sent_s, 0
        for number in sorted(batch.keys() | range(first, highest)):
            result = batch.get(number, PacketResult(sent_s, None, size))
            if result.untimed:
                result = result._replace(sent_s=sent_s)
            if number < self._next:
                result = result._replace(amends=True)
            sent_s, size = result.sent_s, result.size_bytes
            results.append(result)
        self._next = max(self._next, highest + 1)
        self._sent_s = sent_s
        self._batch = {}
        estimator = self.estimator
        estimator.update(results, now_s, rtt_s)
        self._read_bursts(results, now_s)
        clear = not estimator.overusing and estimator.queue_s < EXCUSED_QUEUE_S
        self.arrivals.excused = clear and estimator.loss >= EXCUSED_FROM

    def _read_bursts(self, results: list[PacketResult], now_s: float) -> None:
        """Learn from how the sender's bursts came what the link carries."""
        bursts, estimator = self._dispersion, self.estimator
        for result in results:
            if result.untimed:
                continue
            if result.arrived_s is None or result.amends:
                bursts.end(estimator.jitter_s)
            else:
                bursts.add(result.sent_s, result.arrived_s, result.size_bytes, estimator.jitter_s)
        full_bps, through_bps = bursts.full_bps, bursts.through_bps
        if full_bps is not None and bursts.spread:
            estimator.filled(full_bps, now_s)
        elif full_bps is None and through_bps is not None:
            estimator.carried(through_bps, now_s)
        bursts.spread, bursts.through_bps = False, None

    def feedback_due(self, now_s: float, link_bps: int | None) -> bool:
        """Tell whether it is time for feedback, which costs room on the leg's downlink; counts it as sent."""
        if now_s - self._fed_s < self.arrivals.interval_s(link_bps):
            return False
        self._fed_s = now_s
        return True

    def way(self, rtt_s: float, jitter_s: float) -> Way:
        """Return the link as the controller wants it."""
        estimator = self.estimator
        return Way(
            rate_bps=int(estimator.estimate_bps),
            known=estimator.known,
            loss=estimator.loss,
            queue_s=estimator.queue_s,
            overusing=estimator.overusing,
            jitter_s=jitter_s,
            rtt_s=rtt_s,
        )


def _untimed(now_s: float, size: int) -> PacketResult:
    return PacketResult(0.0, now_s, size + HEADER_BYTES, untimed=True)
