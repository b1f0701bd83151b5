"""What a leg is to send now: from the estimates of every link on its way to a rung, shapes and a ceiling.

One `Controller` per sending leg, pure and on a given clock. It is asked several times a second. A direction carries
what the least of its links carries: the sender's uplink and the downlink of each receiver who is shown the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from media import shapes
from media.allocation import repeats, spared
from media.codec_choice import CodecChoice
from media.control import MAX_ROOM_LEGS, AudioShape, ClientReport, Limits, LinkHint, VideoCodec, Whose, Why
from media.ladder import Ladder
from media.voice_choice import VoiceChoice

START_UNKNOWN_BPS = 100_000
"""Of a direction of which nothing is known: rung 4 at its lowest. A GPRS link floods until that is seen."""
UPLINK_OF_DOWNLINK = 0.3
"""What an unmeasured uplink is taken for beside its downlink: 3G 128/400, 4G 3000/9000, geostationary 128/512."""
LONG_RTT_S = 0.25
LONG_UPLINK_BPS = 100_000
"""On long links (satellites, full queues) the uplink is thin whatever the downlink is."""
HINT_SHARE = 0.8
"""Of what the last visit found: the same place, another hour."""

RAMP_S = 6.0
"""So long after a beginning or climb an uplink's estimate does not bind unless the link is congested: an estimate made
from arrivals is no more than 1.5 times what has come, and a browser needs seconds to send what it may."""
APPLICATION_LIMITED = 1.6
"""An uplink's estimate below so many times what is sent may only say that no more was sent."""
CEILING_S = 300.0
"""An uplink that was congested at some rate is not tried above it for so long, where its estimate proves nothing."""
CONGESTED_QUEUE_S = 0.25
OVERUSING_FOR_S = 1.0
"""A delay-based estimate overuses for a moment whenever it meets the link's rate; that is how it finds it."""

BRAKE_QUEUE_S = 0.5
BRAKE_SHARE = 0.7
BRAKE_EVERY_S = 1.0
BRAKE_FOR_S = 2.0
"""A queue this long is the voice half a second late: whatever the estimate says, less is sent until it has gone."""

LOSS_CAPS = ((0.45, 0.35, 2), (0.18, 0.12, 4))
"""(from, until below, rung): at 20 % loss a picture of many packets stood still for a third of the time even with
repair, and from 45 % on hardly one arrives whole."""

GROWTH_PER_S = 0.25
START_GROWTH_PER_S = 1.0
"""How fast the picture's rate rises, by share and second: an estimate must see each step before the next."""
RESUME_WINDOW_S = 6.0
"""A fall so shortly before the link went silent was the cut itself (it is noticed after 2.5 s, and estimates lag)."""
DEFERRED_AFTER_S = 10.0
"""Nobody is told to telephone because of one bad moment."""

BITRATE_STEP = 0.15
TELL_EVERY_S = 2.0
"""The page is told of another bit rate from this difference on, of a higher one no more often; REMB does the rest."""
REMB_VOICE_MARGIN = 1.2
REMB_LEAST_BPS = 30_000
"""Chromium sends no less video whatever it is told, and an estimate it took for lower would only slow its growth."""


@dataclass(frozen=True, slots=True)
class Way:
    """One direction of one leg's link, as the relay estimates it."""

    rate_bps: int | None
    """What it carries in all, IP bytes; None: no idea. It must not sink only because little is sent."""
    known: bool
    """The rate was found by traffic or probes, and is not a mere starting value."""
    loss: float = 0.0
    queue_s: float = 0.0
    """How much later than without a queue packets arrive, the relay's own queue included."""
    overusing: bool = False
    jitter_s: float = 0.0
    rtt_s: float = 0.0
    remb_bps: int | None = None
    """What a receiver without transport-wide feedback asks for; used where `rate_bps` is None."""

    def carries_bps(self) -> int | None:
        """Return the rate, or the receiver's own idea of it where there is none."""
        return self.rate_bps if self.rate_bps is not None else self.remb_bps


@dataclass(frozen=True, slots=True)
class Receiver:
    """One who hears and sees the sender."""

    key: str
    downlink: Way
    share_bps: int | None
    """What this downlink has for this sender, its voice INCLUDED and after everybody else's (`allocation.Share.bps`;
    with one sender simply the downlink's rate). None: not known."""
    concealed: float | None = None
    """As the receiver's page reported it of this sender or of all it hears."""
    shown: bool = True
    """The allocation shows this sender's picture there (`allocation.Share.shown`)."""
    wants_video: bool = True
    """As the receiver's page reported it of its own sending; tells whose choice voice only was."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from one look."""

    limits: Limits
    changed: bool
    """The page must be told."""
    remb_bps: int
    """What the browser may send in all from now on."""
    paused: frozenset[str]
    """Receivers who are not forwarded the picture."""


@dataclass(frozen=True, slots=True)
class _Bound:
    """What one link leaves for the picture."""

    room_bps: int
    whose: Whose
    why: Why


class Controller:
    """One sending leg's rung and shapes over time."""

    def __init__(self) -> None:
        self._ladder: Ladder | None = None
        self._voice: VoiceChoice | None = None
        self._codec = CodecChoice()
        self._looked_s = 0.0
        # What the uplink is taken for while its own estimate does not bind, and until when.
        self._assumed_bps: int | None = None
        self._assumed_until_s = 0.0
        self._ceiling_bps = 0
        self._ceiling_until_s = float("-inf")
        self._overusing_since_s: float | None = None
        self._brake_bps = 0
        self._brake_s = float("-inf")
        self._loss_cap = 5
        self._deferred_since_s: float | None = None
        self._paused: frozenset[str] = frozenset()
        # The choice of voice only, and what to come back to from it.
        self._voice_only = False
        self._chosen_by: Whose = "own"
        self._wanted_rung = 4
        # The rung before the last run of falls, for a cut.
        self._fell_from = 4
        self._fell_s = float("-inf")
        self._video_bps = 0.0
        self._why: Why = "start"
        self._whose: Whose = "none"
        self._since_ms = 0
        self._told: Limits | None = None
        self._told_video_bps = 0
        self._told_s = float("-inf")

    @property
    def limits(self) -> Limits | None:
        """What the page was last told; None before the first look."""
        return self._told

    def resume(self, now_s: float, silent_for_s: float) -> None:
        """The link is back after it was silent for so long: go on where it was before the cut, with a low bit rate.

        The falls of the cut's first seconds, before it was known as one, are taken back. If the link is not as before
        the estimates say so, and the rung goes down at once.
        """
        if self._ladder is None:
            return
        cut_s = now_s - silent_for_s
        rung = self._ladder.rung
        if abs(cut_s - self._fell_s) <= RESUME_WINDOW_S:
            rung = max(rung, self._fell_from)
        self._ladder.begin(now_s, rung)
        self._fell_s = float("-inf")
        self._video_bps = shapes.enter_bps(rung)
        self._assume(now_s, rung)
        self._brake_s = float("-inf")
        self._overusing_since_s = None
        self._looked_s = now_s

    def decide(
        self,
        now_s: float,
        now_ms: int,
        *,
        uplink: Way,
        receivers: Sequence[Receiver],
        client: ClientReport | None,
        codecs: Sequence[VideoCodec],
        hint: LinkHint | None,
        sending_bps: int,
        own_downlink: Way | None = None,
    ) -> Decision:
        """Look at everything and say what the leg is to send.

        `now_s` is of one monotonic clock, `now_ms` Unix ms; `client` the page's last report; `codecs` what all in the
        room can decode and this one encode; `sending_bps` what arrives from the leg now, voice and picture;
        `own_downlink` the sender's own, from which an unmeasured uplink is guessed. Not to be called while the link is
        silent; then `resume`.
        """
        if self._ladder is None:
            self._assumed_bps = assumed_uplink_bps(own_downlink, hint)
            self._assumed_until_s = now_s + RAMP_S
            self._looked_s = now_s
            self._since_ms = now_ms
        elapsed_s = max(0.0, now_s - self._looked_s)
        self._looked_s = now_s
        congested = self._congested(now_s, uplink)
        up_bps = self._uplink_bps(now_s, uplink, congested, sending_bps)

        loss = max([uplink.loss, *(receiver.downlink.loss for receiver in receivers)])
        concealed = max((receiver.concealed or 0.0 for receiver in receivers), default=0.0)
        voice_room_bps = min([up_bps, *(_voice_share_bps(receiver) for receiver in receivers)])
        if self._voice is None:
            self._voice = VoiceChoice(now_s, voice_room_bps, loss)
        audio = self._voice.step(now_s, voice_room_bps, loss, concealed)
        audio_bps = shapes.voice_bps(audio)

        shown = [receiver for receiver in receivers if receiver.shown]
        rooms = {receiver.key: _receiver_room_bps(receiver, audio_bps) for receiver in shown}
        self._paused = spared(rooms, self._paused)
        shown = [receiver for receiver in shown if receiver.key not in self._paused]
        own = _Bound(shapes.video_room_bps(up_bps, audio_bps, uplink.loss), "own", "rate")
        bounds = [own, *(_Bound(rooms[receiver.key], "other", "rate") for receiver in shown)]
        bounds += self._brake(now_s, uplink, shown, sending_bps, audio_bps)
        least = min(bounds, key=lambda bound: bound.room_bps)

        cap, cap_why, cap_whose = self._cap(client, codecs, receivers, uplink, shown)
        keep = min(cap, shapes.highest_kept(least.room_bps))
        enter = min(cap, shapes.highest_entered(least.room_bps))
        if self._deferred(now_s, voice_room_bps):
            keep = enter = 0
        if self._ladder is None:
            self._ladder = Ladder(now_s, enter)
            self._video_bps = max(shapes.enter_bps(enter), least.room_bps / 2)
        others_bps = min((bound.room_bps for bound in bounds if bound is not own), default=own.room_bps)
        enter = self._patient(now_s, enter, cap, congested, uplink, others_bps, sending_bps, audio_bps)
        self._step(now_s, now_ms, keep, enter, least, (cap, cap_why, cap_whose), own.room_bps)

        video_bps = self._follow(now_s, elapsed_s, least.room_bps)
        self._codec.step(now_s, codecs, int(video_bps), self._fps(), client)
        limits, changed = self._tell(now_s, audio, int(video_bps), least.room_bps)
        hidden = frozenset(receiver.key for receiver in receivers if not receiver.shown)
        remb_bps = self._remb_bps(up_bps, audio_bps, int(video_bps))
        return Decision(limits=limits, changed=changed, remb_bps=remb_bps, paused=self._paused | hidden)

    def _congested(self, now_s: float, way: Way) -> bool:
        if not way.overusing:
            self._overusing_since_s = None
        elif self._overusing_since_s is None:
            self._overusing_since_s = now_s
        long = self._overusing_since_s is not None and now_s - self._overusing_since_s >= OVERUSING_FOR_S
        return long or way.queue_s >= CONGESTED_QUEUE_S

    def _assume(self, now_s: float, rung: int) -> None:
        """Take the uplink for good enough for a rung until its estimate had time to say so."""
        audio_bps = shapes.voice_bps(self._voice.shape) if self._voice is not None else 0
        need_bps = shapes.direction_need_bps(shapes.enter_bps(rung), audio_bps)
        self._assumed_bps = max(need_bps, self._assumed_bps or 0) if now_s < self._assumed_until_s else need_bps
        self._assumed_until_s = now_s + RAMP_S

    def _uplink_bps(self, now_s: float, uplink: Way, congested: bool, sending_bps: int) -> int:
        ramping = now_s < self._assumed_until_s
        estimate_bps = uplink.carries_bps() if uplink.known or not ramping else None
        if congested:
            self._assumed_bps = None
            self._ceiling_bps = estimate_bps or sending_bps
            self._ceiling_until_s = now_s + CEILING_S
        if estimate_bps is None:
            fallback_bps = START_UNKNOWN_BPS if not congested else min(START_UNKNOWN_BPS, sending_bps)
            return self._assumed_bps or fallback_bps
        if ramping and self._assumed_bps is not None:
            return max(estimate_bps, self._assumed_bps)
        return estimate_bps

    def _brake(
        self, now_s: float, uplink: Way, shown: Sequence[Receiver], sending_bps: int, audio_bps: int
    ) -> list[_Bound]:
        """Return a bound while a queue stands somewhere on the way."""
        worst = max(shown, key=lambda receiver: receiver.downlink.queue_s, default=None)
        own = worst is None or uplink.queue_s >= worst.downlink.queue_s
        queue_s = uplink.queue_s if worst is None or own else worst.downlink.queue_s
        if queue_s >= BRAKE_QUEUE_S and now_s - self._brake_s >= BRAKE_EVERY_S:
            self._brake_bps = int(sending_bps * BRAKE_SHARE)
            self._brake_s = now_s
        if now_s - self._brake_s > BRAKE_FOR_S or queue_s < CONGESTED_QUEUE_S:
            return []
        # Stills wait by themselves where there is no room: only moving pictures are braked.
        room_bps = max(self._brake_bps - audio_bps, shapes.STILLS_ENTER_BPS)
        return [_Bound(room_bps, "own" if own else "other", "delay")]

    def _cap(
        self,
        client: ClientReport | None,
        codecs: Sequence[VideoCodec],
        receivers: Sequence[Receiver],
        uplink: Way,
        shown: Sequence[Receiver],
    ) -> tuple[int, Why, Whose]:
        """Return the highest rung that is not a matter of rate, and what holds it there."""
        if client is not None and not client.wants_video:
            if not self._voice_only:
                unwanted = any(not receiver.wants_video for receiver in receivers)
                self._chosen_by = "other" if unwanted else "own"
            return 1, "choice", self._chosen_by
        worst = max(shown, key=lambda receiver: receiver.downlink.loss, default=None)
        own = worst is None or uplink.loss >= worst.downlink.loss
        loss = uplink.loss if worst is None or own else worst.downlink.loss
        self._loss_cap = next(
            (rung for from_, below, rung in LOSS_CAPS if loss >= (below if self._loss_cap <= rung else from_)), 5
        )
        most_rung = self._codec.most_rung if codecs else 2
        if most_rung < self._loss_cap:
            return most_rung, "cpu", "own"
        return self._loss_cap, "loss", "own" if own else "other"

    def _deferred(self, now_s: float, room_bps: int) -> bool:
        """Return whether not even a voice has been possible for long enough to say so."""
        assert self._voice is not None or self._ladder is None  # noqa: S101
        least_bps = shapes.DEFERRED_BELOW_BPS
        if self._ladder is not None and self._ladder.rung == 0:
            least_bps = shapes.direction_need_bps(0, shapes.voice_bps(shapes.VOICES[0].shape(False)))
        if room_bps >= least_bps:
            self._deferred_since_s = None
            return False
        if self._deferred_since_s is None:
            self._deferred_since_s = now_s
        return now_s - self._deferred_since_s >= DEFERRED_AFTER_S

    def _patient(
        self,
        now_s: float,
        enter: int,
        cap: int,
        congested: bool,
        uplink: Way,
        others_bps: int,
        sending_bps: int,
        audio_bps: int,
    ) -> int:
        """Return which rung may be entered in view of the uplink's queue, and of what it was never asked to carry."""
        assert self._ladder is not None  # noqa: S101
        rung = self._ladder.rung
        if congested:
            return min(enter, rung)
        if enter > rung or rung not in (1, 2) or cap <= rung or self._ladder.starting(now_s):
            return enter
        # Voice and stills leave no trace of what an uplink could carry: it is tried, gently, unless it is known.
        need_bps = shapes.direction_need_bps(shapes.enter_bps(rung + 1), audio_bps)
        estimate_bps = uplink.carries_bps() or 0
        limited_by_us = estimate_bps <= APPLICATION_LIMITED * sending_bps + 10_000
        refuted = now_s < self._ceiling_until_s and self._ceiling_bps < need_bps
        if limited_by_us and not refuted and others_bps >= shapes.enter_bps(rung + 1):
            return rung + 1
        return enter

    def _step(
        self,
        now_s: float,
        now_ms: int,
        keep: int,
        enter: int,
        least: _Bound,
        cap: tuple[int, Why, Whose],
        own_room_bps: int,
    ) -> None:
        """Let the ladder step, and say why."""
        assert self._ladder is not None  # noqa: S101
        ladder = self._ladder
        chosen = cap[1] == "choice"
        before = self._told.rung if self._told is not None else ladder.rung
        if chosen and not self._voice_only:
            self._wanted_rung = ladder.rung
        elif self._voice_only and not chosen:
            ladder.begin(now_s, min(self._wanted_rung, keep))
            self._assume(now_s, ladder.rung)
        self._voice_only = chosen
        after = ladder.step(now_s, keep, enter)
        why, whose = _reason(after, cap, least)
        first = self._told is None
        if first and why == "rate" and self._assumed_bps is not None:
            self._why, self._whose = "start", "none"
        elif first or after < before or (self._why == "start" and not ladder.starting(now_s)):
            self._why, self._whose = why, whose
        elif after > before:
            clear = after == 5 or not ladder.starting(now_s)
            self._why, self._whose = ("clear", "none") if clear else (why, whose)
        elif chosen != (self._why == "choice"):
            self._why, self._whose = why, whose
        if after == before:
            return
        self._since_ms = now_ms
        if after < before:
            if now_s - self._fell_s > RESUME_WINDOW_S:
                self._fell_from = before
                self._fell_s = now_s
            return
        self._video_bps = max(self._video_bps, shapes.enter_bps(after) if after >= 3 else 0)
        if own_room_bps < shapes.enter_bps(after):
            self._assume(now_s, after)

    def _follow(self, now_s: float, elapsed_s: float, room_bps: int) -> float:
        """Return the picture's rate: down at once with its room, up no faster than estimates can see."""
        assert self._ladder is not None  # noqa: S101
        picture = shapes.PICTURES.get(self._ladder.rung)
        if picture is None:
            self._video_bps = 0.0
            return 0.0
        most_bps = shapes.LOSSY_PICTURE_BPS if self._loss_cap < 5 else picture.most_bps
        growth = START_GROWTH_PER_S if self._ladder.starting(now_s) else GROWTH_PER_S
        rising_bps = max(self._video_bps * (1 + growth * min(elapsed_s, 1.0)), picture.keep_bps)
        self._video_bps = min(rising_bps, most_bps, max(room_bps, picture.keep_bps))
        return self._video_bps

    def _fps(self) -> int:
        return self._told.video.fps if self._told is not None and self._told.video is not None else 15

    def _tell(self, now_s: float, audio: AudioShape, video_bps: int, room_bps: int) -> tuple[Limits, bool]:
        """Return the limits, and whether they are others than the page has."""
        assert self._ladder is not None  # noqa: S101
        rung = self._ladder.rung
        told = self._told
        codec = self._codec.codec
        stills_bps = self._stills_bps(rung, video_bps, room_bps)
        if told is not None:
            same = (told.rung, told.why, told.whose, told.audio) == (rung, self._why, self._whose, audio)
            same = same and (told.video.codec if told.video is not None else None) == (codec if rung >= 3 else None)
            ratios = (_ratio(video_bps, self._told_video_bps), _ratio(stills_bps, told.stills_bps) / 2)
            lower = min(ratios) < -BITRATE_STEP
            higher = max(ratios) > BITRATE_STEP and now_s - self._told_s >= TELL_EVERY_S
            if same and not lower and not higher:
                return told, False
        video = None
        if rung >= 3 and codec is not None:
            before = told.video if told is not None and told.rung == rung else None
            video = shapes.video_shape(rung, video_bps, codec, before)
        self._told_video_bps = video_bps
        self._told_s = now_s
        self._told = Limits(
            rung=rung, why=self._why, whose=self._whose, audio=audio, video=video,
            stills_bps=stills_bps, since_ms=self._since_ms,
        )  # fmt: skip
        return self._told, True

    def _stills_bps(self, rung: int, video_bps: int, room_bps: int) -> int:
        if rung < 2:
            return 0
        spare_bps = room_bps if rung == 2 else max(room_bps - video_bps, int(room_bps * shapes.STILLS_SHARE))
        return min(max(spare_bps, 0), shapes.STILLS_MOST_BPS)

    def _remb_bps(self, up_bps: int, audio_bps: int, video_bps: int) -> int:
        voice_bps = int(audio_bps * REMB_VOICE_MARGIN)
        wanted_bps = audio_bps + video_bps
        return max(min(wanted_bps, int(up_bps * (1 - shapes.FEEDBACK_SHARE))), voice_bps, REMB_LEAST_BPS)


def assumed_uplink_bps(own_downlink: Way | None, hint: LinkHint | None) -> int | None:
    """Return what an unmeasured uplink is taken for: by the last visit, else its downlink; None: nothing is known."""
    down_bps = own_downlink.carries_bps() if own_downlink is not None and own_downlink.known else None
    if hint is not None and hint.up_bps > 0:
        # On another network than last time the hint is worth no more than the downlinks' ratio.
        other = down_bps / hint.down_bps if down_bps is not None and hint.down_bps > 0 else 1.0
        return int(hint.up_bps * HINT_SHARE * min(other, 1.0))
    if own_downlink is None or down_bps is None:
        return None
    guess_bps = int(down_bps * UPLINK_OF_DOWNLINK)
    return min(guess_bps, LONG_UPLINK_BPS) if own_downlink.rtt_s >= LONG_RTT_S else guess_bps


def _receiver_room_bps(receiver: Receiver, audio_bps: int) -> int:
    """Return what a receiver's share leaves for the picture beside the voice and its repetitions there."""
    share_bps = receiver.share_bps if receiver.share_bps is not None else START_UNKNOWN_BPS
    copies = repeats(receiver.downlink.loss, share_bps - audio_bps, audio_bps)
    return shapes.video_room_bps(share_bps, audio_bps * (1 + copies), receiver.downlink.loss)


def _voice_share_bps(receiver: Receiver) -> int:
    """Return what a receiver has for the voice: where no picture is shown the share is this voice, and says nothing."""
    share_bps = receiver.share_bps if receiver.share_bps is not None else START_UNKNOWN_BPS
    if receiver.shown:
        return share_bps
    return max(share_bps, (receiver.downlink.carries_bps() or 0) // (MAX_ROOM_LEGS - 1))


def _reason(rung: int, cap: tuple[int, Why, Whose], least: _Bound) -> tuple[Why, Whose]:
    """Return what keeps a direction from a higher rung."""
    if cap[1] == "choice" or (cap[0] <= rung < 5 and cap[0] <= shapes.highest_kept(least.room_bps)):
        return cap[1], cap[2]
    return ("clear", "none") if rung == 5 else (least.why, least.whose)


def _ratio(now: int, before: int) -> float:
    """Return the change as a share of what was before."""
    return (now - before) / before if before else float(now > 0)
