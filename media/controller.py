"""What a leg is to send now: from the estimates of every link on its way to a rung, shapes and a ceiling.

One `Controller` per sending leg, pure and on a given clock. It is asked several times a second. A direction carries
what the least of its links carries: the sender's uplink and the downlink of each receiver who is shown the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from media import shapes
from media.allocation import repeats, spared
from media.bounds import (
    Bound,
    Cap,
    entered_rung,
    others_bound,
    own_bound,
    reason_of,
    remb_bps_of,
    stills_bps_of,
    voice_share_bps,
)
from media.codec_choice import CodecChoice
from media.control import ClientReport, Limits, LinkHint, VideoCodec, Whose, Why
from media.ladder import Ladder
from media.nack import VOICE_MAX_RTT_S
from media.proof import CALM_QUEUE_S, Proof
from media.telling import Telling
from media.uplink_guess import UplinkGuess, assumed_uplink_bps
from media.voice_choice import VoiceChoice
from media.ways import CONGESTED_QUEUE_S, Receiver, Way

__all__ = ["Controller", "Decision", "Receiver", "Way", "repeats"]

DIP_S = 1.2
DIP_DEEP = 0.6
"""An estimate dips below the link's rate while a queue drains, for a second and a round trip. The bit rate follows
at once; the rung, which people see, only after that, or when the room is less than this share of its need."""
STILLS_DIP_S = 10.0
"""Stills wait by themselves and harm no voice: they are given up when there was no room for them for so long."""

BRAKE_QUEUE_S = 0.5
BRAKE_SHARE = 0.7
BRAKE_EVERY_S = 1.0
BRAKE_FOR_S = 2.0
"""A queue this long is the voice half a second late: whatever the estimate says, less is sent until it has gone."""

LOSS_CAPS = ((0.45, 0.35, 2), (0.18, 0.12, 4))
"""(from, until below, rung): at 20 % loss a picture of many packets stood still for a third of the time even with
repair, and from 45 % on hardly one arrives whole."""

GROWTH_PER_S = 0.1
START_GROWTH_PER_S = 1.0
"""How fast the picture's rate rises, by share and second: an estimate must see each step before the next."""
RESUME_WINDOW_S = 6.0
"""A fall so shortly before or after the link went silent was the cut itself, which is noticed after 2.5 s."""
DEFERRED_AFTER_S = 10.0
"""Nobody is told to telephone because of one bad moment."""


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
    doubled: frozenset[str] = frozenset()
    """Receivers who are sent each of its packets twice."""
    voice_ahead: bool = False
    """The sender is asked for each packet of voice before it is missed, so that it comes twice."""
    picture_ahead: bool = False
    """The same for the picture."""


class Controller:
    """One sending leg's rung and shapes over time."""

    def __init__(self) -> None:
        self._ladder: Ladder | None = None
        self._voice: VoiceChoice | None = None
        self._uplink: UplinkGuess | None = None
        self._proof: Proof | None = None
        self._codec = CodecChoice()
        self._telling = Telling()
        self._looked_s = 0.0
        self._low_since_s: float | None = None  # since when the room is too little for the rung
        self._brake_bps = 0
        self._brake_s = float("-inf")
        self._loss_cap = 5
        self._deferred_since_s: float | None = None
        self._paused: frozenset[str] = frozenset()
        self._doubled: frozenset[str] = frozenset()
        self._uplink_loss = 0.0
        self._copies = 0  # of each packet of voice, that the sender is asked for
        self._picture_ahead = False
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

    @property
    def limits(self) -> Limits | None:
        """What the page was last told; None before the first look."""
        return self._telling.limits

    def resume(self, now_s: float, silent_for_s: float) -> None:
        """The link is back after it was silent for so long: go on where it was before the cut, with a low bit rate.

        The falls of the cut's first seconds, before it was known as one, are taken back. If the link is not as before
        the estimates say so, and the rung goes down at once.
        """
        if self._ladder is None or self._uplink is None:
            return
        rung = self._ladder.rung
        if abs(now_s - silent_for_s - self._fell_s) <= RESUME_WINDOW_S and not self._voice_only:
            rung = max(rung, self._fell_from)
        self._ladder.begin(now_s, rung)
        self._fell_s = float("-inf")
        self._brake_s = float("-inf")
        self._low_since_s = None
        self._deferred_since_s = None
        self._looked_s = now_s
        self._video_bps = shapes.enter_bps(rung)
        self._assume(now_s, self._uplink, rung)

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
        `own_downlink` the sender's own, from which an unmeasured uplink is guessed. Not to be called while a link on
        the way is silent; then `resume`.
        """
        if self._uplink is None or self._proof is None:
            self._proof = Proof(now_s)
            self._uplink = UplinkGuess(now_s, assumed_uplink_bps(own_downlink, hint))
            self._looked_s = now_s
            self._since_ms = now_ms
        guess, proof = self._uplink, self._proof
        elapsed_s = max(0.0, now_s - self._looked_s)
        self._looked_s = now_s
        guess.see(now_s, uplink, sending_bps)
        calm = max([uplink.queue_s, *(receiver.downlink.queue_s for receiver in receivers)]) < CALM_QUEUE_S
        proof.see(now_s, sending_bps, calm=calm)
        starting = self._ladder is None or self._ladder.starting(now_s)

        voice_room_bps = min([guess.rate_bps, *(voice_share_bps(receiver) for receiver in receivers)])
        times = 1 + self._copies
        proven_bps = proof.proven_bps(now_s, voice_room_bps, probes=not starting, times=times)
        voice = self._speak(now_s, uplink, receivers, voice_room_bps, proven_bps)
        audio_bps = shapes.voice_bps(voice.shape)
        # A climb must leave room for the voice that the link deserves, and may have a poorer one of a bad moment.
        wanted_bps = max(audio_bps, shapes.voice_bps(voice.wanted))

        shown = [receiver for receiver in receivers if receiver.shown]
        bounds = {
            one.key: others_bound(now_s, one, proof, audio_bps, wanted_bps, doubled=one.key in self._doubled)
            for one in shown
        }
        self._doubled = frozenset(key for key, bound in bounds.items() if bound.doubled)
        self._paused = spared({key: bound.room_bps for key, bound in bounds.items()}, self._paused)
        shown = [receiver for receiver in shown if receiver.key not in self._paused]
        own_proven_bps = proof.proven_bps(now_s, guess.rate_bps, probes=not starting, times=times)
        own = self._own(uplink, guess.rate_bps, own_proven_bps, audio_bps, wanted_bps)
        others = [bounds[receiver.key] for receiver in shown]
        proven_room_bps = min(bound.proven_bps for bound in (own, *others))
        others += self._brake(now_s, uplink, shown, sending_bps, audio_bps)
        least = min([own, *others], key=lambda bound: bound.room_bps)

        cap = self._cap(client, codecs, receivers, uplink, shown)
        ladder = self._ladder
        if ladder is None:
            enter = min(cap.rung, shapes.highest_entered(least.room_bps))
            ladder = self._ladder = Ladder(now_s, enter)
            self._video_bps = max(shapes.enter_bps(enter), least.room_bps / 2)
        keep = min(cap.rung, self._kept(now_s, ladder.rung, least.room_bps, uplink, shown))
        enter = min(cap.rung, entered_rung(now_s, ladder, guess, proof, own, others, lossy=self._loss_cap < 5))
        if self._is_deferred(now_s, ladder.rung, voice_room_bps):
            keep = enter = 0
        self._choose(now_s, ladder, guess, cap, keep)
        self._step(now_s, now_ms, ladder, guess, proof, keep, enter, least, cap)

        video_bps = self._follow(now_s, elapsed_s, ladder, least.room_bps)
        told = self._telling.limits
        fps = told.video.fps if told is not None and told.video is not None else 15
        heading_bps = max(video_bps, least.room_bps) if ladder.rung == 5 else video_bps  # where the rate is going
        codec = self._codec.step(now_s, codecs, heading_bps, fps, client)
        limits, changed = self._telling.look(
            now_s,
            rung=ladder.rung,
            why=self._why,
            whose=self._whose,
            since_ms=self._since_ms,
            audio=voice.shape,
            codec=codec,
            video_bps=video_bps,
            stills_bps=stills_bps_of(ladder.rung, video_bps, least.room_bps, proven_room_bps),
            hurried=starting,
        )
        hidden = frozenset(receiver.key for receiver in receivers if not receiver.shown)
        remb_bps = remb_bps_of(guess.rate_bps, audio_bps, video_bps, uplink.loss)
        return Decision(
            limits, changed, remb_bps, self._paused | hidden, self._doubled,
            voice_ahead=self._copies > 0, picture_ahead=own.doubled,
        )  # fmt: skip

    def _speak(
        self, now_s: float, uplink: Way, receivers: Sequence[Receiver], room_bps: int, proven_bps: int
    ) -> VoiceChoice:
        """Choose the voice for the worst that any listener has of it."""
        loss = max([uplink.loss, *(receiver.downlink.loss for receiver in receivers)])
        concealed = max((receiver.concealed or 0.0 for receiver in receivers), default=0.0)
        if self._voice is None:
            self._voice = VoiceChoice(now_s, room_bps, loss)
        self._voice.step(now_s, room_bps, proven_bps, loss, concealed)
        return self._voice

    def _own(self, uplink: Way, rate_bps: int, proven_bps: int, audio_bps: int, wanted_bps: int) -> Bound:
        """Return what the sender's own uplink leaves for the picture, and settle what is asked for ahead there."""
        self._uplink_loss = uplink.loss
        self._copies = _copies(uplink, rate_bps, audio_bps)
        own = own_bound(
            rate_bps, proven_bps, audio_bps, wanted_bps, uplink.loss, copies=self._copies, doubled=self._picture_ahead
        )
        self._picture_ahead = own.doubled
        return own

    def _assume(self, now_s: float, guess: UplinkGuess, rung: int) -> None:
        audio_bps = shapes.voice_bps(self._voice.shape) if self._voice is not None else 0
        video_bps = int(shapes.enter_bps(rung) / (1 - min(self._uplink_loss, 0.9)))
        guess.assume(now_s, shapes.direction_need_bps(video_bps, audio_bps * (1 + self._copies)))

    def _kept(self, now_s: float, rung: int, room_bps: int, uplink: Way, shown: Sequence[Receiver]) -> int:
        """Return the highest rung that need not be left, dips aside."""
        kept = shapes.highest_kept(room_bps)
        if kept >= rung:
            self._low_since_s = None
            return kept
        if self._low_since_s is None:
            self._low_since_s = now_s
        rtt_s = max([uplink.rtt_s, *(receiver.downlink.rtt_s for receiver in shown)])
        low_s = now_s - self._low_since_s
        if rung == 2:
            return 2 if low_s < STILLS_DIP_S else kept
        return rung if low_s < DIP_S + rtt_s and room_bps >= DIP_DEEP * shapes.keep_bps(rung) else kept

    def _brake(
        self, now_s: float, uplink: Way, shown: Sequence[Receiver], sending_bps: int, audio_bps: int
    ) -> list[Bound]:
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
        return [Bound(room_bps, room_bps, "own" if own else "other", "delay")]

    def _cap(
        self,
        client: ClientReport | None,
        codecs: Sequence[VideoCodec],
        receivers: Sequence[Receiver],
        uplink: Way,
        shown: Sequence[Receiver],
    ) -> Cap:
        if client is not None and not client.wants_video:
            if not self._voice_only:
                first = any(not receiver.wants_video for receiver in receivers)
                self._chosen_by = "other" if first else "own"
            return Cap(1, self._chosen_by, "choice")
        worst = max(shown, key=lambda receiver: receiver.downlink.loss, default=None)
        own = worst is None or uplink.loss >= worst.downlink.loss
        loss = uplink.loss if worst is None or own else worst.downlink.loss
        self._loss_cap = next(
            (rung for from_, below, rung in LOSS_CAPS if loss >= (below if self._loss_cap <= rung else from_)), 5
        )
        most_rung = self._codec.most_rung if codecs else 2
        if most_rung < self._loss_cap:
            return Cap(most_rung, "own", "cpu")
        return Cap(self._loss_cap, "own" if own else "other", "loss")

    def _is_deferred(self, now_s: float, rung: int, room_bps: int) -> bool:
        """Return whether not even a voice has been possible for long enough to say so."""
        least_bps = shapes.DEFERRED_BELOW_BPS
        if rung == 0:
            least_bps = shapes.direction_need_bps(0, shapes.voice_bps(shapes.VOICES[0].shape(red=False)))
        if room_bps >= least_bps:
            self._deferred_since_s = None
            return False
        if self._deferred_since_s is None:
            self._deferred_since_s = now_s
        return now_s - self._deferred_since_s >= DEFERRED_AFTER_S

    def _choose(self, now_s: float, ladder: Ladder, guess: UplinkGuess, cap: Cap, keep: int) -> None:
        """Remember what was before voice only was chosen, and go back to it without patience."""
        chosen = cap.why == "choice"
        if chosen and not self._voice_only:
            self._wanted_rung = ladder.rung
        elif self._voice_only and not chosen:
            self._assume(now_s, guess, self._wanted_rung)
            ladder.begin(now_s, min(self._wanted_rung, cap.rung))
            self._video_bps = shapes.enter_bps(ladder.rung)
        self._voice_only = chosen

    def _step(
        self,
        now_s: float,
        now_ms: int,
        ladder: Ladder,
        guess: UplinkGuess,
        proof: Proof,
        keep: int,
        enter: int,
        least: Bound,
        cap: Cap,
    ) -> None:
        """Let the ladder step, and say why."""
        told = self._telling.limits
        before = ladder.rung if told is None else told.rung
        failures = ladder.failures
        after = ladder.step(now_s, keep, enter)
        if ladder.failures > failures:
            proof.refute(now_s)
        why, whose = reason_of(after, cap, least)
        if told is None and why == "rate" and guess.guessed:
            why, whose = "start", "none"
        elif after > before and (after == 5 or not ladder.starting(now_s)):
            why, whose = "clear", "none"
        began = self._why == "start" and not ladder.starting(now_s)
        if told is None or after != before or began or (why == "choice") != (self._why == "choice"):
            self._why, self._whose = why, whose
        if after == before:
            return
        self._since_ms = now_ms
        if after < before and now_s - self._fell_s > RESUME_WINDOW_S:
            self._fell_from, self._fell_s = before, now_s
        if after > before:
            self._video_bps = max(self._video_bps, shapes.enter_bps(after))
            # Copies take room that was not shown to be there before.
            if self._copies or guess.rate_bps < shapes.direction_need_bps(shapes.enter_bps(after), 0):
                self._assume(now_s, guess, after)

    def _follow(self, now_s: float, elapsed_s: float, ladder: Ladder, room_bps: int) -> int:
        """Return the picture's rate: down at once with its room, up no faster than estimates can see."""
        picture = shapes.PICTURES.get(ladder.rung)
        if picture is None:
            self._video_bps = 0.0
            return 0
        most_bps = shapes.LOSSY_PICTURE_BPS if self._loss_cap < 5 else picture.most_bps
        growth = START_GROWTH_PER_S if ladder.starting(now_s) else GROWTH_PER_S
        rising_bps = max(self._video_bps * (1 + growth * min(elapsed_s, 1.0)), picture.keep_bps)
        self._video_bps = min(rising_bps, most_bps, max(room_bps, shapes.LEAST_PICTURE_BPS))
        return int(self._video_bps)


def _copies(uplink: Way, rate_bps: int, audio_bps: int) -> int:
    """Return how many copies of each packet of voice a sender is asked for: as loss, room and distance say.

    None where a queue stands: what a full link loses copies would only add to.
    """
    if uplink.rtt_s >= VOICE_MAX_RTT_S or uplink.queue_s >= CONGESTED_QUEUE_S:
        return 0
    return min(1, repeats(uplink.loss, rate_bps - audio_bps, audio_bps))
