"""A bad link in simulated time: rate, delay, jitter, drop-tail queue, loss, cuts and changes, all from one seed.

`Run` puts a sender before it that follows the estimator under test, with the reports of a browser behind it.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from media.estimator import Estimator
from media.probe import PACKET_BYTES, Prober
from media.sentlog import SentLog
from media.twcc import Report


@dataclass
class Link:
    """One direction. `jitter_s` is the standard deviation of a delay that is never negative; order is kept."""

    rate_bps: float
    delay_s: float = 0.05
    jitter_s: float = 0.0
    queue_limit_s: float = 1.0
    loss: float = 0.0
    seed: int = 1
    cuts: list[tuple[float, float]] = field(default_factory=list)
    free_s: float = 0.0
    last_s: float = 0.0
    queue_s: float = 0.0
    dropped: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def send(self, now_s: float, size_bytes: int) -> float | None:
        """Return when a packet arrives, None if it does not."""
        self.queue_s = max(0.0, self.free_s - now_s)
        if any(begin <= now_s < end for begin, end in self.cuts) or self.queue_s > self.queue_limit_s:
            self.dropped += 1
            return None
        self.free_s = max(self.free_s, now_s) + size_bytes * 8 / self.rate_bps
        if self.random.random() < self.loss:
            return None
        arrived_s = self.free_s + self.delay_s + abs(self.random.gauss(0, self.jitter_s))
        self.last_s = max(self.last_s, arrived_s)
        return self.last_s


@dataclass
class Sample:
    """How it stood at one moment."""

    at_s: float
    estimate_bps: float
    sent_bps: float
    queue_s: float
    seen_queue_s: float
    overusing: bool


class Run:
    """A sender of voice and pictures that follows the estimate, behind `link`; reports come back after `back_s`.

    `fps`: pictures a second that leave in bursts at 2.5 times the rate, as browsers send them, each sixtieth five times
    as large; None: evenly paced. `fixed_bps`: what is sent instead of the estimate. `drift`: of the receiver's clock.
    """

    def __init__(
        self,
        link: Link,
        start_bps: float = 100_000,
        *,
        back_s: float | None = None,
        report_every_s: float = 0.1,
        voice_every_s: float = 0.06,
        voice_bytes: int = 160,
        video: bool = True,
        max_video_bps: float = 4_000_000,
        fixed_bps: float | None = None,
        fps: int | None = None,
        report_loss: float = 0.0,
        drift: float = 0.0,
        probe: bool = False,
    ) -> None:
        self.link = link
        self.estimator = Estimator(start_bps)
        self.log = SentLog()
        self.back_s = link.delay_s if back_s is None else back_s
        self.report_every_s, self.report_loss = report_every_s, report_loss
        self.voice_every_s, self.voice_bytes = voice_every_s, voice_bytes
        self.video, self.max_video_bps = video, max_video_bps
        self.drift, self.fixed_bps = drift, fixed_bps
        self.fps = fps
        self._pictures = 0
        self.prober = Prober() if probe else None
        self.probe_results: list[tuple[float, float | None, float]] = []
        self.samples: list[Sample] = []
        self.changes: list[tuple[float, Callable[[Run], None]]] = []
        self.now_s = 0.0
        self._sequence = 0
        self._base = 0  # first packet not reported yet
        self._arrivals: dict[int, float] = {}
        self._events: list[tuple[float, int, str, object]] = []
        self._order = count()
        self._random = random.Random(link.seed + 1)
        self._debt = 0.0
        self._sent_bytes = 0
        self._reports = 0
        self._clock_s = 1000.0
        for at_s, what in (
            (0.0, "voice"),
            (0.013, "video" if fps is None else "picture"),
            (0.02, "report"),
            (0.1, "sample"),
        ):
            self._at(at_s, what)
        if self.prober is not None:
            self.prober.start(0.0)
            self._at(0.0, "probe")

    def _at(self, at_s: float, what: str, value: object = None) -> None:
        heapq.heappush(self._events, (at_s, next(self._order), what, value))

    def run(self, until_s: float) -> Run:
        """Let time go on to `until_s`."""
        while self._events and self._events[0][0] <= until_s:
            self.now_s, _, what, value = heapq.heappop(self._events)
            while self.changes and self.changes[0][0] <= self.now_s:
                self.changes.pop(0)[1](self)
            getattr(self, "_" + what)(value)
        return self

    def _send(self, size: int, probe: int | None = None) -> None:
        sequence, self._sequence = self._sequence, self._sequence + 1
        self.log.sent(sequence & 0xFFFF, self.now_s, size, probe)
        self._sent_bytes += size
        arrived_s = self.link.send(self.now_s, size)
        if arrived_s is not None:
            self._at(arrived_s, "arrive", sequence)

    def _voice(self, _: object) -> None:
        self._send(self.voice_bytes)
        self._debt += self.voice_bytes
        self._at(self.now_s + self.voice_every_s, "voice")

    def _video(self, _: object) -> None:
        """Send one packet of a picture each 10 ms or as the rate allows, as a pacer would."""
        rate_bps = self.fixed_bps or min(self.estimator.estimate_bps, self.max_video_bps)
        silent = self.log.silent_s(self.now_s) > max(1.0, 2 * (self.link.delay_s + self.back_s) + 0.5)
        self._debt -= rate_bps / 8 * 0.01
        self._debt = max(self._debt, -rate_bps / 8 * 0.05)
        while self.video and not silent and self._debt < 0:
            size = self._random.randint(400, 1200) if rate_bps > 150_000 else self._random.randint(250, 700)
            self._send(size)
            self._debt += size
        self._at(self.now_s + 0.01, "video")

    def _picture(self, _: object) -> None:
        """Send a picture in packets at 2.5 times the rate."""
        assert self.fps is not None
        rate_bps = min(self.estimator.estimate_bps, self.max_video_bps)
        size = (rate_bps / 8 - self.voice_bytes / self.voice_every_s) / self.fps * self._random.uniform(0.6, 1.4)
        if self._pictures % 60 == 59:
            size *= 5
        self._pictures += 1
        at_s = self.now_s
        while size > 0:
            packet = min(1100.0, size)
            self._at(at_s, "packet", int(packet) + 60)
            size -= packet
            at_s += packet * 8 / (2.5 * rate_bps)
        self._at(self.now_s + 1 / self.fps, "picture")

    def _packet(self, size: object) -> None:
        assert isinstance(size, int)
        self._send(size)

    def _probe(self, _: object) -> None:
        assert self.prober is not None
        packets, number = self.prober.due(self.now_s)
        for _ in range(packets):
            self._send(PACKET_BYTES, number)
        self._at(self.now_s + 0.005, "probe")

    def _arrive(self, sequence: object) -> None:
        assert isinstance(sequence, int)
        self._arrivals[sequence] = self._clock_s + self.now_s * (1 + self.drift)

    def _report(self, _: object) -> None:
        if self._arrivals and max(self._arrivals) >= self._base:
            end = max(self._arrivals) + 1
            first = max(self._base, end - 4000)
            told = [(number & 0xFFFF, self._arrivals.get(number)) for number in range(first, end)]
            self._base = end
            self._arrivals.clear()
            report = Report(first & 0xFFFF, self._reports & 0xFF, told)
            self._reports += 1
            if self._random.random() >= self.report_loss:
                self._at(self.now_s + self.back_s, "told", report)
        self._at(self.now_s + self.report_every_s, "report")

    def _told(self, report: object) -> None:
        assert isinstance(report, Report)
        results = self.log.match(report)
        rtt_s = self.link.delay_s + self.back_s
        self.estimator.update(results, self.now_s, rtt_s)
        if self.prober is not None:
            verdict = self.prober.update(results, self.now_s, rtt_s)
            if verdict is not None:
                self.probe_results.append((self.now_s, verdict.rate_bps, verdict.sent_bps))
                if verdict.rate_bps is not None:
                    self.estimator.probed(verdict.rate_bps, self.now_s)

    def _sample(self, _: object) -> None:
        estimator = self.estimator
        sent_bps, self._sent_bytes = self._sent_bytes * 8 / 0.1, 0
        queue_s = max(0.0, self.link.free_s - self.now_s)
        self.samples.append(
            Sample(self.now_s, estimator.estimate_bps, sent_bps, queue_s, estimator.queue_s, estimator.overusing)
        )
        self._at(self.now_s + 0.1, "sample")

    def mean(self, what: str, from_s: float, to_s: float = float("inf")) -> float:
        """Return the mean of a field of the samples in this time."""
        values = [float(getattr(one, what)) for one in self.samples if from_s <= one.at_s < to_s]
        return sum(values) / len(values)

    def when(self, true: Callable[[Sample], bool], from_s: float) -> float:
        """Return how long after `from_s` a sample first is as asked; infinity if never."""
        return next((one.at_s - from_s for one in self.samples if one.at_s >= from_s and true(one)), float("inf"))
