"""How the voice is encoded now: safer at once, richer with patience, since each change is a negotiation in the page."""

from __future__ import annotations

from media.control import AudioShape
from media.shapes import FEEDBACK_SHARE, LOSSY, LOSSY_VOICE, VOICES, Voice, voice_bps

RED_FROM = 0.03
"""From this loss on each packet carries the one before it too."""
RED_AT_ONCE_FROM = 0.08
RED_AFTER_S = 1.5
"""Between the two so long: in a second of 60 ms packets one lost is 6 %."""
RED_OFF_BELOW = 0.01
RED_OFF_AFTER_S = 30.0
CONCEALED_FROM = 0.03
"""Made-up sound that a listener reports, whatever was measured on the way."""
RICHER_MARGIN = 1.15
RICHER_AFTER_S = 5.0
CHANGE_EVERY_S = 10.0
"""Least time from any change to a richer voice."""


class VoiceChoice:
    """One leg's voice over time. Times are of one monotonic clock, in seconds."""

    __slots__ = ("_changed_s", "_clean_since_s", "_lossy_since_s", "_rich_since_s", "shape")

    def __init__(self, now_s: float, room_bps: float, loss: float) -> None:
        self.shape: AudioShape = _shape(room_bps, loss, loss >= RED_FROM)
        """As it is to be now."""
        self._changed_s = now_s
        self._rich_since_s: float | None = None
        self._lossy_since_s: float | None = None
        self._clean_since_s: float | None = None

    def step(self, now_s: float, room_bps: float, loss: float, concealed: float) -> AudioShape:
        """Return the shape from now on for a direction of `room_bps` in all, with the worst loss on its way and the
        worst concealment that a listener reported, as shares."""
        red = self._red(now_s, loss, concealed)
        safe = _shape(room_bps, loss, red)
        if _cost(safe) < _cost(self.shape) or (safe.red and not self.shape.red):
            # Too much for the link, or unprotected on one that loses.
            self._set(now_s, safe)
            return self.shape
        rich = _shape(room_bps / RICHER_MARGIN, loss, red)
        if rich == self.shape or (_cost(rich) <= _cost(self.shape) and rich.red == self.shape.red):
            self._rich_since_s = None
            return self.shape
        if self._rich_since_s is None:
            self._rich_since_s = now_s
        if now_s - self._rich_since_s >= RICHER_AFTER_S and now_s - self._changed_s >= CHANGE_EVERY_S:
            self._set(now_s, rich)
        return self.shape

    def _set(self, now_s: float, shape: AudioShape) -> None:
        self.shape = shape
        self._changed_s = now_s
        self._rich_since_s = None

    def _red(self, now_s: float, loss: float, concealed: float) -> bool:
        lossy = loss >= RED_FROM or concealed >= CONCEALED_FROM
        clean = loss < RED_OFF_BELOW and concealed < CONCEALED_FROM
        self._lossy_since_s = (self._lossy_since_s if self._lossy_since_s is not None else now_s) if lossy else None
        self._clean_since_s = (self._clean_since_s if self._clean_since_s is not None else now_s) if clean else None
        if self.shape.red:
            return self._clean_since_s is None or now_s - self._clean_since_s < RED_OFF_AFTER_S
        long_enough = self._lossy_since_s is not None and now_s - self._lossy_since_s >= RED_AFTER_S
        return loss >= RED_AT_ONCE_FROM or long_enough


def _cost(shape: AudioShape) -> int:
    return voice_bps(shape)


def _shape(room_bps: float, loss: float, red: bool) -> AudioShape:
    """Return the richest voice for a direction of so many bit/s in all."""
    voice = _voice(room_bps, loss)
    fits_bps = room_bps * (1 - FEEDBACK_SHARE)
    shape = voice.shape(red)
    if _cost(shape) <= fits_bps:
        return shape
    # On the thinnest links the protected voice must be a thinner one, and in the end go unprotected.
    shape = VOICES[0].shape(red)
    return shape if _cost(shape) <= fits_bps else VOICES[0].shape(False)


def _voice(room_bps: float, loss: float) -> Voice:
    if loss >= LOSSY and room_bps >= LOSSY_VOICE.from_bps:
        return LOSSY_VOICE
    return next(voice for voice in reversed(VOICES) if room_bps >= voice.from_bps)
