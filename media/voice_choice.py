"""How the voice is encoded now: safer at once, richer with patience, since each change is a negotiation in the page."""

from __future__ import annotations

from media.control import AudioShape
from media.shapes import (
    FEEDBACK_SHARE,
    LOSSY,
    LOSSY_VOICES,
    THIN_RED_BELOW_BPS,
    THIN_RED_VOICE,
    VOICES,
    Voice,
    voice_bps,
)

RED_FROM = 0.03
"""From this loss on each packet carries the one before it too."""
RED_AT_ONCE_FROM = 0.05
THINNER_FROM = 0.045
RED_AFTER_S = 1.5
"""At this loss after so long; below it the mean counts: of the 80 packets of 5 s one per cent loses four now and then,
and RED taken up for that costs a thin link its picture."""
MEAN_S = 6.0
MEAN_FROM = 0.025
"""A mean that goes up and down by a half of one per cent around 3 % is to find it."""
RED_OFF_BELOW = 0.015
SLOW_S = 15.0
CHEAP_SHARE = 0.37
CHEAP_FROM, CHEAP_OFF_BELOW = 0.006, 0.003
"""Where the protected voice takes no more than this share of the direction even 1 % loss is worth it: each packet of
60 ms that is lost is a syllable, and PESQ was 3.2 with them and 3.6 without. At 0.3 % it is not, where the protected
voice is a thinner one (3.1 instead of 3.5), so the mean is a slow one: two lost packets in 5 s happen there too."""
RED_OFF_AFTER_S = 30.0
CONCEALED_FROM = 0.03
CONCEALED_LOSS_FROM = 0.01
"""Made-up sound that a listener reports, where something is lost at all: a buffer that adapts makes sound up too, and
against that RED is of no use."""
POORER_MARGIN = 0.85
POORER_AFTER_S = 3.0
"""A voice that still fits is given up when the rate was so far below its line for so long: estimates dip."""
DIP_S = 1.5
DIP_DEEP = 0.6
"""While a queue drains the estimate is below what the voice alone takes, for a moment and by no more than that."""
FITS_SHARE = 0.85
"""Of the direction a voice may need when it is chosen."""
RICHER_MARGIN = 1.15
RICHER_AFTER_S = 5.0
CHANGE_EVERY_S = 10.0
CHANGE_EVERY_MOST_S = 240.0
FAILED_WITHIN_S = 60.0
"""Least time from any change to a richer voice; it doubles each time when the richer one did not last
so long or twice the wait."""
LOSSY_ENDS = 0.6
"""Of the loss from which short packets are sent, until they no longer are."""


class VoiceChoice:
    """One leg's voice over time. Times are of one monotonic clock, in seconds."""

    __slots__ = (
        "_changed_s", "_clean_since_s", "_dip_since_s", "_enriched_s", "_loss_s", "_lossy_since_s", "_mean_loss",
        "_poor_since_s", "_rich_since_s", "_slow_loss", "_wait_s", "shape", "wanted",
    )  # fmt: skip

    def __init__(self, now_s: float, room_bps: float, loss: float) -> None:
        self.shape: AudioShape = _shape(room_bps, loss, loss >= RED_AT_ONCE_FROM)
        """As it is to be now."""
        self.wanted = self.shape
        """As it would be without patience."""
        self._dip_since_s: float | None = None
        self._changed_s = now_s
        self._enriched_s = float("-inf")
        self._wait_s = CHANGE_EVERY_S
        self._rich_since_s: float | None = None
        self._poor_since_s: float | None = None
        self._lossy_since_s: float | None = None
        self._clean_since_s: float | None = None
        self._mean_loss = 0.0
        self._slow_loss = 0.0
        self._loss_s = now_s

    def step(self, now_s: float, room_bps: float, proven_bps: float, loss: float, concealed: float) -> AudioShape:
        """Return the shape from now on for a direction of `room_bps` in all, of which `proven_bps` are sure, with the
        worst loss on its way and the worst concealment that a listener reported, as shares."""
        red = self._red(now_s, room_bps, loss, concealed)
        loss = loss if loss >= LOSSY else self._mean_loss
        if self.shape in [voice.shape(red=True) for voice in LOSSY_VOICES]:
            loss /= LOSSY_ENDS
        if red and not self.shape.red and self._protect(now_s, room_bps, loss):
            return self.shape
        rich = _shape(min(room_bps / RICHER_MARGIN, proven_bps), loss, red)
        self.wanted = _shape(room_bps, loss, red)
        fits = _cost(self.shape) <= room_bps * (1 - FEEDBACK_SHARE)
        self._dip_since_s = _since(self._dip_since_s, now_s, not fits)
        if not fits:
            dips = self._dip_since_s is not None and now_s - self._dip_since_s < DIP_S
            if dips and room_bps >= DIP_DEEP * _cost(self.shape):
                return self.shape
            thin = _shape(room_bps, loss, red)
            if _cost(thin) < _cost(self.shape):
                self._impoverish(now_s, thin)
            return self.shape
        poor = _shape(room_bps / POORER_MARGIN, loss, red)
        self._poor_since_s = _since(self._poor_since_s, now_s, _cost(poor) < _cost(self.shape) and poor.red == red)
        better = rich != self.shape and (_cost(rich) > _cost(self.shape) or rich.red != self.shape.red)
        self._rich_since_s = _since(self._rich_since_s, now_s, better)
        if self._poor_since_s is not None and now_s - self._poor_since_s >= POORER_AFTER_S:
            self._impoverish(now_s, poor)
        elif (
            self._rich_since_s is not None
            and now_s - self._rich_since_s >= RICHER_AFTER_S
            and now_s - self._changed_s >= self._wait_s
        ):
            self._set(now_s, rich)
            self._enriched_s = now_s
        return self.shape

    def _impoverish(self, now_s: float, shape: AudioShape) -> None:
        self._set(now_s, shape)
        if now_s - self._enriched_s <= max(FAILED_WITHIN_S, 2 * self._wait_s):
            self._wait_s = min(self._wait_s * 2, CHANGE_EVERY_MOST_S)
        self._enriched_s = float("-inf")

    def _protect(self, now_s: float, room_bps: float, loss: float) -> bool:
        """Take up RED, unless there is no room for it."""
        safe = _shape(room_bps, loss, True)
        if not safe.red:
            return False
        self._set(now_s, safe)
        return True

    def _set(self, now_s: float, shape: AudioShape) -> None:
        self.shape = shape
        self._changed_s = now_s
        self._rich_since_s = self._poor_since_s = None

    def _red(self, now_s: float, room_bps: float, loss: float, concealed: float) -> bool:
        elapsed_s = min(max(now_s - self._loss_s, 0.0), 1.0)
        self._mean_loss += (loss - self._mean_loss) * min(elapsed_s / MEAN_S, 1.0)
        self._slow_loss += (loss - self._slow_loss) * min(elapsed_s / SLOW_S, 1.0)
        self._loss_s = now_s
        conceals = concealed >= CONCEALED_FROM and self._mean_loss >= CONCEALED_LOSS_FROM
        lossy = loss >= RED_AT_ONCE_FROM or conceals
        cheap = _cost(_shape(room_bps, loss, True)) <= CHEAP_SHARE * room_bps
        calm = self._mean_loss < RED_OFF_BELOW and not (cheap and self._slow_loss >= CHEAP_OFF_BELOW)
        clean = calm and loss < RED_FROM and not conceals
        self._lossy_since_s = _since(self._lossy_since_s, now_s, lossy)
        self._clean_since_s = _since(self._clean_since_s, now_s, clean)
        if self.shape.red:
            return self._clean_since_s is None or now_s - self._clean_since_s < RED_OFF_AFTER_S
        long_enough = self._lossy_since_s is not None and now_s - self._lossy_since_s >= RED_AFTER_S
        return self._mean_loss >= MEAN_FROM or (cheap and self._slow_loss >= CHEAP_FROM) or long_enough


def _since(since_s: float | None, now_s: float, holds: bool) -> float | None:
    """Return since when something holds."""
    if not holds:
        return None
    return now_s if since_s is None else since_s


def _cost(shape: AudioShape) -> int:
    return voice_bps(shape)


def _shape(room_bps: float, loss: float, red: bool) -> AudioShape:
    """Return the richest voice for a direction of so many bit/s in all."""
    voice = _voice(room_bps, loss)
    fits_bps = room_bps * FITS_SHARE
    if red and voice is VOICES[1] and room_bps < THIN_RED_BELOW_BPS:
        voice = THIN_RED_VOICE
    shape = voice.shape(red=red)
    if _cost(shape) <= fits_bps:
        return shape
    # On the thinnest links the protected voice must be a thinner one, which is worth it only where more is lost than
    # is heard of a hole of 60 ms now and then; and in the end it goes unprotected.
    plain = VOICES[1].shape(red=False)
    if loss < THINNER_FROM and voice.from_bps >= VOICES[1].from_bps and _cost(plain) <= fits_bps:
        return plain
    shape = VOICES[0].shape(red=red)
    return shape if _cost(shape) <= fits_bps else VOICES[0].shape(red=False)


def _voice(room_bps: float, loss: float) -> Voice:
    if loss >= LOSSY and room_bps >= LOSSY_VOICES[0].from_bps:
        return next(voice for voice in reversed(LOSSY_VOICES) if room_bps >= voice.from_bps)
    return next(voice for voice in reversed(VOICES) if room_bps >= voice.from_bps)
