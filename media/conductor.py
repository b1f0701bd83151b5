"""Has one leg play its part: from the estimates of the links around it to what it is told to send, and is sent.

Ten times a second each leg is looked at. What its downlink has is divided among those it hears and sees; what it sends
itself follows from its uplink and from what the others' downlinks have for it. The choice is `media.controller`'s; here
it is carried out: the ceiling goes to the browser by REMB, the limits to its page by an event, pictures that have no
room are held back, and voice is repeated where it is lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from media import extension
from media.ahead import Ahead
from media.allocation import Allocator, Sender, Share, repeats
from media.control import MAX_RUNG_STEPS, ClientReport, Limits, LinkHint, LinkMeasure, LinkState, RungStep, VideoCodec
from media.controller import Controller, Receiver, Way
from media.estimator import Estimator
from media.measure import Measurement
from media.report import Course
from media.sdp import PAYLOAD_TYPES, VIDEO_PTS
from media.shapes import VOICES, voice_bps
from media.streams import Source

if TYPE_CHECKING:
    from media.leg import Leg

PACING = 1.1
"""What leaves is paced at this share of the estimate: it may be found too low, and the voice must not wait behind."""

UNHEARD_S = 0.6
"""Feedback comes every 0.05 to 0.25 s: when a packet is not told of for so long beyond a round trip the link stands or
has become far thinner, and only the voice is sent into it until there is word."""
UNHEARD_AFTER_UPLINK_S = 0.2
UPLINK_FELL_QUEUE_S = 0.3
"""A queue before the uplink holds feedback back, and most often it is one radio that has become thinner both ways."""
FELL_UNHEARD_S = 0.4
FELL_QUEUE_S = 0.4
"""Both of these at once are that for certain: the others' voices are thinned too, which takes each a negotiation."""

CLIENT_VALID_S = 15.0
"""A page reports every 4 s; what it said longer ago is no longer so."""

RATE_WINDOW_S = 1.0

FIRST_VOICE_BPS = 30_000
"""What a voice is taken to need of a downlink before its sender was told anything."""

COPY_ROOM = 0.5
"""Of what a downlink has beside the voices, at most this share goes into their repetition."""

FIRST_PROBE_S = 3.0
"""How long a call waits for the first probe before it shows anything: two round trips of a satellite and the train.
Where the leg was warm before the call it has long come back."""

SPEECH_LEVEL_DB = 45
"""Speech is louder than so many dB below overload (RFC 6464); a quiet room is at 60 and below."""
PAUSE_S = 1.0
"""A pause up to this long is one between words."""

ENOUGH_BPS = 1_500_000
"""More than the best picture with its voice needs; nothing is probed for beyond."""
THIN_BPS = 128_000
"""On a link as thin as that a train delays the voice by a quarter of a second, and growth finds the rate without."""
SAFE_QUEUE_S = 0.05
SAFE_LOSS = 0.15


class Conductor:
    """The part of one leg. All times are of the relay's monotonic clock, in seconds."""

    def __init__(self, leg: Leg, tell: Callable[[Leg, Limits], None]) -> None:
        self._leg = leg
        self._tell = tell
        self.controller = Controller()
        self.hint: LinkHint | None = None
        self.steps: list[RungStep] = []
        self.course = Course(leg.now_s())
        self.measurement: Measurement | None = None
        """Of the link outside a call, from when the leg is connected."""
        self._allocator = Allocator()
        self._shares: dict[str, Share] = {}
        self._client: ClientReport | None = None
        self._client_s = float("-inf")
        self._rate_bytes = 0
        self._rate_s = float("-inf")
        self._sending_bps = 0
        self._silent_since_s: float | None = None
        self._speaking_since_s: float | None = None
        self._spoke_s = float("-inf")
        self._begun_s: float | None = None
        self._voice_first: Limits | None = None

    # ---- what is known

    def reported(self, report: ClientReport, now_s: float) -> None:
        """Take what the page of this leg sees."""
        self._client, self._client_s = report, now_s
        self.course.heard(report.concealed, report.frozen_ms)

    def client(self, now_s: float) -> ClientReport | None:
        """What the page said last, while that still holds."""
        return self._client if now_s - self._client_s <= CLIENT_VALID_S else None

    @property
    def limits(self) -> Limits | None:
        """What this leg's page was last told; None before a call."""
        return self.controller.limits or self._voice_first

    @property
    def shows_nothing(self) -> bool:
        """Whether this leg was told in a call to send no pictures."""
        limits = self.controller.limits
        return limits is not None and limits.video is None

    @property
    def voice_bps(self) -> int:
        """What this leg's voice takes of a link, as it was last told."""
        limits = self.limits
        return FIRST_VOICE_BPS if limits is None else voice_bps(limits.audio)

    def downlink(self, now_s: float) -> Way:
        """The way to this leg."""
        leg = self._leg
        outlet = leg.end.outlet
        loss = max((sink.fraction_lost for sink in leg.sinks.values() if sink.source is not None), default=0.0)
        jitter_s = max((sink.jitter_s for sink in leg.sinks.values() if sink.source is not None), default=0.0)
        waiting_s = 0.0 if outlet is None else outlet.pacer.queue_s
        return leg.downlink.way(now_s, leg.end.rtt_s, jitter_s, loss, waiting_s)

    def uplink(self) -> Way:
        """The way from this leg."""
        leg = self._leg
        uplink = leg.end.uplink
        jitter_s = leg.audio.reception.jitter_s
        if uplink is None:
            return Way(None, False, jitter_s=jitter_s, rtt_s=leg.end.rtt_s)
        return uplink.way(leg.end.rtt_s, jitter_s)

    def share(self, sender: Leg) -> Share | None:
        """What this leg's downlink has for one of those it hears."""
        return self._shares.get(sender.id)

    # ---- a look

    def look(self, now_s: float) -> None:
        """Form the estimates anew and do what follows from them."""
        leg = self._leg
        if leg.end.uplink is not None:
            leg.end.uplink.update(now_s, leg.end.rtt_s)
        self._measure_sending(now_s)
        self._listen(now_s)
        self._divide(now_s)
        leg.downlink.look(now_s, leg.end.rtt_s)
        if leg.end.outlet is not None:
            leg.end.outlet.look_again()  # a train that was lost may have been begun again
        self.course.rtt_max_s = max(self.course.rtt_max_s, leg.end.rtt_s if leg.feedback.round_trip_known else 0.0)
        if self._begun_s is None:
            self._begun_s = now_s
        receivers = leg.receivers()
        if not receivers or leg.end.uplink is None or self._is_silent(now_s):
            return
        for other in receivers:
            if other.conductor.is_new(now_s):
                pause(leg, other, hold=True)
        if self.is_new(now_s) or all(other.conductor.is_new(now_s) for other in receivers):
            self._begin_with_voice()
        else:
            self._decide(now_s)

    def _begin_with_voice(self) -> None:
        """Until the first probe has come through there is voice: it fits nearly everywhere, and waits for nothing."""
        if self.limits is None:
            self._voice_first = Limits(
                rung=1, why="start", whose="none", audio=VOICES[1].shape(red=False), video=None, stills_bps=0,
                since_ms=time.time_ns() // 1_000_000,
            )  # fmt: skip
            self._changed(self._voice_first)

    def _measure_sending(self, now_s: float) -> None:
        elapsed_s = now_s - self._rate_s
        if elapsed_s < RATE_WINDOW_S:
            return
        total = self._leg.audio.bytes + self._leg.video.bytes + 28 * (self._leg.audio.packets + self._leg.video.packets)
        if elapsed_s < 10 * RATE_WINDOW_S:
            self._sending_bps = int((total - self._rate_bytes) * 8 / elapsed_s)
        self._rate_bytes, self._rate_s = total, now_s

    def _is_silent(self, now_s: float) -> bool:
        """Hold everything while the link does not answer, and go on from where it was when it does again."""
        leg = self._leg
        if not leg.silent and leg.downlink.answers(now_s, leg.end.rtt_s):
            if self._silent_since_s is not None:
                self.controller.resume(now_s, now_s - self._silent_since_s)
                self._silent_since_s = None
                leg.video.missing.clear()  # what was lost in the cut is not shown any more
                if leg.video.sinks:
                    leg.want_keyframe(leg.video)
            return False
        if self._silent_since_s is None:
            self._silent_since_s = leg.end.heard_s
            if leg.end.outlet is not None:
                leg.end.outlet.clear()
            for slot in leg.slots:
                if slot.source is not None:
                    pause(slot.source, leg, hold=True)
        return True

    def is_new(self, now_s: float) -> bool:
        """Whether this leg's link is still being probed for the first time, so that no pictures are sent into it."""
        if not self._leg.downlink.counted or self._leg.downlink.known:
            return False
        return self._begun_s is None or now_s - self._begun_s < FIRST_PROBE_S

    @property
    def speaking_since_s(self) -> float | None:
        """Since when this leg speaks; None: it is silent."""
        return self._speaking_since_s

    def _listen(self, now_s: float) -> None:
        level_db = extension.level(self._leg.audio.newest)
        if level_db is not None and level_db < SPEECH_LEVEL_DB:
            self._spoke_s = now_s
            if self._speaking_since_s is None:
                self._speaking_since_s = now_s
        elif now_s - self._spoke_s > PAUSE_S:
            self._speaking_since_s = None

    def measured(self, now_s: float) -> LinkMeasure | None:
        """What there is to tell of the link while nobody else is in the room."""
        leg = self._leg
        if leg.end.uplink is None or (leg.room is not None and len(leg.room.members) > 1):
            return None
        if self.measurement is None:
            self.measurement = Measurement(now_s)
        rtt_s = leg.end.rtt_s if leg.feedback.round_trip_known else None
        return self.measurement.look(now_s, self.uplink(), self.downlink(now_s), rtt_s=rtt_s)

    # ---- what this leg is sent

    def _divide(self, now_s: float) -> None:
        leg = self._leg
        outlet = leg.end.outlet
        senders = [slot.source for slot in leg.slots if slot.source is not None]
        rate_bps = leg.downlink.rate_bps
        if outlet is None or rate_bps is None:
            self._shares = {}
            return
        voices_bps = {sender.id: sender.conductor.voice_bps for sender in senders}
        total_bps = sum(voices_bps.values())
        fell = leg.end.uplink is not None and leg.end.uplink.estimator.queue_s >= UPLINK_FELL_QUEUE_S
        patience_s = leg.end.rtt_s + (UNHEARD_AFTER_UPLINK_S if fell else UNHEARD_S)
        unheard = leg.downlink.log.outstanding_s(now_s) > patience_s
        outlet.pacer.rate_bps = min(rate_bps, total_bps) if unheard else rate_bps * PACING
        loss = leg.downlink.estimator.loss
        spare_bps = int(max(0, rate_bps - total_bps) * COPY_ROOM)
        outlet.copies = repeats(loss, spare_bps, total_bps) if senders else 0
        wanted = [
            Sender(sender.id, voices_bps[sender.id] * (1 + outlet.copies), sender.conductor.speaking_since_s)
            for sender in senders
        ]
        self._shares = self._allocator.divide(now_s, rate_bps, wanted)
        measuring = self.measurement is not None and not self.measurement.over
        if senders or measuring:
            self._probe(now_s, rate_bps)

    def _probe(self, now_s: float, rate_bps: int) -> None:
        """Look for room above the estimate, when that would be of use and does no harm to the voice."""
        leg = self._leg
        estimator = leg.downlink.estimator
        if not THIN_BPS <= rate_bps < ENOUGH_BPS:
            return
        safe = estimator.queue_s < SAFE_QUEUE_S and not estimator.overusing and estimator.loss < SAFE_LOSS
        wanted_bps = leg.downlink.prober.wanted(now_s, rate_bps, audio_safe=safe and not self.holds)
        if wanted_bps is not None and leg.end.outlet is not None:
            leg.downlink.prober.begin(min(wanted_bps, 2 * ENOUGH_BPS), now_s)
            leg.end.outlet.look_again()

    # ---- what this leg sends

    def _decide(self, now_s: float) -> None:
        leg = self._leg
        receivers = {other.id: other for other in leg.receivers() if not other.conductor.is_new(now_s)}
        decision = self.controller.decide(
            now_s,
            time.time_ns() // 1_000_000,
            uplink=self.uplink(),
            receivers=[self._receiver(other, now_s) for other in receivers.values()],
            client=self.client(now_s),
            codecs=self._codecs(),
            hint=self.hint,
            sending_bps=self._sending_bps,
            own_downlink=self.downlink(now_s),
        )
        if decision.remb_bps != leg.ceiling_bps:
            leg.ceiling_bps = decision.remb_bps
            leg.feedback.tell_budget(now_s)
        for name, other in receivers.items():
            pause(leg, other, hold=name in decision.paused or other.conductor.holds)
            for slot in other.slots:
                if slot.shows(leg):
                    slot.video.doubled = name in decision.doubled
        anticipate(leg.audio, wanted=decision.voice_ahead)
        anticipate(leg.video, wanted=decision.picture_ahead)
        if decision.changed:
            self._changed(decision.limits)

    @property
    def holds(self) -> bool:
        """Whether this leg's link does not answer, so that no pictures are sent into it."""
        return self._silent_since_s is not None

    def fell(self, now_s: float) -> bool:
        """Whether this leg's link has just become far thinner in both directions: there is no word of it yet."""
        leg = self._leg
        if leg.end.uplink is None or not leg.downlink.counted:
            return False
        queued = leg.end.uplink.estimator.queue_s >= FELL_QUEUE_S
        return queued and leg.downlink.log.outstanding_s(now_s) > leg.end.rtt_s + FELL_UNHEARD_S

    def _receiver(self, other: Leg, now_s: float) -> Receiver:
        conductor = other.conductor
        share = conductor.share(self._leg)
        client = conductor.client(now_s)
        return Receiver(
            key=other.id,
            downlink=conductor.downlink(now_s),
            share_bps=None if share is None else share.bps,
            concealed=None if client is None else client.concealed,
            copies=0 if other.end.outlet is None else other.end.outlet.copies,
            shown=share is None or share.shown,
            wants_video=client is None or client.wants_video,
            fell=conductor.fell(now_s),
        )

    def _codecs(self) -> list[VideoCodec]:
        """What this leg encodes and all the others decode."""
        leg = self._leg
        if leg.answered is None or leg.answered.video is None:
            return []
        usable = [pt for pt in VIDEO_PTS if pt in leg.answered.video.payload_types]
        for other in leg.receivers():
            if other.answered is not None:
                mid = other.video_mid_of(leg)
                usable = [pt for pt in usable if pt in other.answered.receives.get(mid, frozenset())]
        names: list[VideoCodec] = [PAYLOAD_TYPES[pt] for pt in usable]  # type: ignore[misc]
        return names

    def _changed(self, limits: Limits) -> None:
        step = RungStep(at_ms=limits.since_ms, rung=limits.rung, why=limits.why, whose=limits.whose)
        if not self.steps or (self.steps[-1].rung, self.steps[-1].why) != (step.rung, step.why):
            self.steps.append(step)
            del self.steps[:-MAX_RUNG_STEPS]
        self._tell(self._leg, limits)


def link_state(estimator: Estimator, waiting_s: float) -> LinkState:
    """An estimate as the control API tells it; `waiting_s` is the relay's own queue."""
    return LinkState(
        rate_bps=int(estimator.estimate_bps),
        carried_bps=int(estimator.acked_bps),
        known=estimator.known,
        loss=round(estimator.loss, 3),
        queue_ms=round(1000 * estimator.queue_s, 1),
        waiting_ms=round(1000 * waiting_s, 1),
        overusing=estimator.overusing,
    )


def anticipate(source: Source, *, wanted: bool) -> None:
    """Ask a sender for each packet before it is missed, or no longer."""
    if not wanted:
        source.ahead = None
    elif source.ahead is None:
        source.ahead = Ahead()


def pause(leg: Leg, other: Leg, *, hold: bool) -> None:
    """Hold `leg`'s picture back from `other`, or show it there again."""
    for slot in other.slots:
        if not slot.shows(leg) or slot.video.paused == hold:
            continue
        slot.video.paused = hold
        if not hold:
            slot.video.rewriter.switch(leg.now_s())
        if leg.room is not None:
            leg.room.rewire(leg)
        if not hold:
            leg.video_wanted(other)
