"""A call over links made of flows, not packets: crude, fast and closed: what is sent decides what is estimated."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from media import shapes
from media.control import ClientReport, Limits, LinkHint, VideoCodec
from media.controller import Controller, Decision, Receiver, Way

STEP_S = 0.1
CODECS: tuple[VideoCodec, ...] = ("AV1", "VP9", "VP8")

Rate = Callable[[float], float]


@dataclass
class Link:
    """One direction of a link: a rate over time, a queue before it, and loss."""

    rate_bps: Rate
    loss: float = 0.0
    delay_s: float = 0.05
    queue_most_s: float = 1.0
    queue_bits: float = 0.0
    dropped: float = 0.0
    delivered_bps: float = 0.0
    late_s: float = 0.0
    """How long a queue stood that a voice would notice."""

    def carry(self, now_s: float, sent_bps: float) -> None:
        rate_bps = self.rate_bps(now_s)
        self.queue_bits += sent_bps * STEP_S
        through = min(self.queue_bits, rate_bps * STEP_S)
        self.queue_bits -= through
        most = rate_bps * self.queue_most_s
        lost = max(0.0, self.queue_bits - most)
        self.queue_bits -= lost
        self.dropped += 0.3 * (lost / max(sent_bps * STEP_S, 1) - self.dropped)
        self.late_s += STEP_S * (self.queue_s(now_s) > 0.25)
        self.delivered_bps += 0.3 * (through / STEP_S - self.delivered_bps)

    def queue_s(self, now_s: float) -> float:
        return self.queue_bits / max(self.rate_bps(now_s), 1_000)


@dataclass
class Estimate:
    """What the relay makes of a link: it sinks while a queue stands, and grows to 1.5 times what comes through."""

    link: Link
    rtt_s: float
    rate_bps: float = 100_000
    capacity_bps: float | None = None
    known: bool = False
    draining: bool = False
    began_s: float | None = None
    seen: deque[tuple[float, float, float, float]] = field(default_factory=deque)
    way: Way = field(default_factory=lambda: Way(None, known=False))

    def look(self, now_s: float) -> None:
        link = self.link
        self.seen.append((now_s, link.queue_s(now_s), link.delivered_bps, min(1.0, link.loss + link.dropped)))
        queue_s = delivered_bps = loss = 0.0
        while self.seen and self.seen[0][0] <= now_s - self.rtt_s - 0.2:
            _, queue_s, delivered_bps, loss = self.seen.popleft()
            self.began_s = now_s if self.began_s is None else self.began_s
            self._steer(queue_s, delivered_bps)
            self.known = self.known or now_s - self.began_s >= 3
            self.way = Way(
                int(self.rate_bps), self.known, loss=loss, queue_s=queue_s, overusing=queue_s > 0.1, rtt_s=self.rtt_s
            )

    def _steer(self, queue_s: float, delivered_bps: float) -> None:
        if queue_s > 0.1:
            self.draining = True
            self.capacity_bps = delivered_bps
            target_bps = delivered_bps * max(0.5, 0.85 - 0.45 * max(0.0, queue_s - 0.15))
            self.rate_bps = max(min(self.rate_bps, target_bps), 10_000)
            return
        if self.draining:
            if queue_s < 0.05 and self.capacity_bps is not None:
                self.draining = False
                self.rate_bps = max(self.rate_bps, 0.92 * self.capacity_bps)
            return
        near = self.capacity_bps is not None and 0.85 < self.rate_bps / self.capacity_bps < 1.12
        if self.capacity_bps is not None and self.rate_bps > 1.3 * self.capacity_bps:
            self.capacity_bps = None
        grown_bps = self.rate_bps * (1.02 if near else 1.15 if self.capacity_bps else 1.9) ** STEP_S
        self.rate_bps = max(self.rate_bps, min(grown_bps, 1.5 * delivered_bps + 10_000))

    def probe(self) -> None:
        """As before a call, by a train of padding."""
        self.rate_bps = self.capacity_bps = 0.9 * self.link.rate_bps(0.0)
        self.known = True
        self.way = Way(int(self.rate_bps), known=True, loss=self.link.loss, rtt_s=self.rtt_s)


@dataclass
class Direction:
    """From one sender over its uplink and the other's downlink, with all that was decided for it."""

    uplink: Estimate
    downlink: Estimate
    own_downlink: Estimate
    hint: LinkHint | None = None
    client: ClientReport | None = None
    controller: Controller = field(default_factory=Controller)
    told: list[tuple[float, Limits]] = field(default_factory=list)
    on_the_way: deque[tuple[float, Decision]] = field(default_factory=deque)
    obeyed: Decision | None = None
    video_bps: float = 0.0
    sent_bps: float = 0.0
    original_share: float = 1.0
    """Of that, what was not asked for ahead."""
    down_free: bool = True

    def step(self, now_s: float) -> None:
        self._look(now_s)
        self._send(now_s)

    def _look(self, now_s: float) -> None:
        decision = self.controller.decide(
            now_s,
            int(now_s * 1000),
            uplink=self.uplink.way,
            receivers=[Receiver("other", self.downlink.way, self.downlink.way.rate_bps)],
            client=self.client,
            codecs=CODECS,
            hint=self.hint,
            sending_bps=int(self.uplink.link.delivered_bps * self.original_share),
            own_downlink=self.own_downlink.way,
        )
        if decision.changed:
            self.told.append((now_s, decision.limits))
        self.on_the_way.append((now_s, decision))
        while self.on_the_way and self.on_the_way[0][0] <= now_s - self.uplink.rtt_s / 2 - 0.1:
            self.obeyed = self.on_the_way.popleft()[1]

    def _send(self, now_s: float) -> None:
        self.sent_bps = 0.0
        if self.obeyed is not None:
            limits, remb_bps = self.obeyed.limits, self.obeyed.remb_bps
            audio_bps = shapes.voice_bps(limits.audio)
            wanted_bps = 0.0
            if limits.video is not None:
                headers_bps = limits.video.fps * shapes.PACKET_OVERHEAD_BYTES * 8
                wanted_bps = max(min(limits.video.bitrate_bps + headers_bps, remb_bps - audio_bps), 10_000)
            self.video_bps = 0.0 if wanted_bps == 0 else self.video_bps + 0.3 * (wanted_bps - self.video_bps)
            stills_bps = limits.stills_bps if limits.rung == 2 else 0
            loss = self.uplink.link.loss
            # Asked for ahead each packet is sent once more, where one of the requests came through.
            voice_times = 2 - loss**2 if self.obeyed.voice_ahead else 1.0
            picture_times = 2 - loss**2 if self.obeyed.picture_ahead else 1 / (1 - loss)
            self.sent_bps = voice_times * audio_bps + picture_times * self.video_bps + stills_bps
            originals_bps = audio_bps + self.video_bps / (1 if self.obeyed.picture_ahead else 1 - loss) + stills_bps
            self.original_share = originals_bps / max(self.sent_bps, 1)
        self.uplink.link.carry(now_s, self.sent_bps)
        self.downlink.link.carry(now_s, self.uplink.link.delivered_bps * (1 - self.uplink.link.loss))
        self.uplink.look(now_s)
        self.downlink.look(now_s)

    def limits_at(self, at_s: float) -> Limits:
        return [limits for told_s, limits in self.told if told_s <= at_s][-1]

    def rungs(self, from_s: float = 0.0) -> list[tuple[float, int]]:
        """Each change of rung since."""
        out: list[tuple[float, int]] = []
        before = None
        for at_s, limits in self.told:
            if limits.rung != before and at_s >= from_s:
                out.append((round(at_s, 1), limits.rung))
            before = limits.rung
        return out


def call(
    up: Link, down: Link, rtt_s: float, seconds: float, *, probed: bool = True, hint: LinkHint | None = None
) -> tuple[Direction, Direction]:
    """Let a patient on such a link and a nurse on a good one call each other; return what each sends."""
    nurse_up, nurse_down = Link(lambda _: 3e6, loss=0.001), Link(lambda _: 9e6, loss=0.001)
    patient_up, patient_down = Estimate(up, rtt_s), Estimate(down, rtt_s)
    other_up, other_down = Estimate(nurse_up, 0.07), Estimate(nurse_down, 0.07)
    other_down.probe()
    if probed:
        patient_down.probe()
    patient = Direction(patient_up, other_down, patient_down, hint=hint)
    nurse = Direction(other_up, patient_down, other_down)
    for tick in range(int(seconds / STEP_S)):
        patient.step(tick * STEP_S)
        nurse.step(tick * STEP_S)
    return patient, nurse
