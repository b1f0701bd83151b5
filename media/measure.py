"""What a link will carry, measured over a warm leg before its call: the rate of each direction and its rung."""

from __future__ import annotations

from media.control import LinkMeasure, Rung
from media.controller import Way
from media.shapes import DEFERRED_BELOW_BPS, VOICES, highest_entered, video_room_bps, voice_bps

MEASURE_FOR_S = 12.0
"""After this nothing more is expected: the page sends its test picture for 8 s, a satellite answers within 2 s."""

RED_LOSS = 0.03
"""From this loss on the voice carries itself twice, which is what leaves less for the picture."""

TOLD_EVERY_S = 2.0
MATTERS = 0.2
"""A rate is told anew when it has changed by so much."""


def rung_of(rate_bps: int, loss: float) -> Rung:
    """Return the rung that a direction of this rate can carry beside the thin voice (0 when not even that)."""
    if rate_bps < DEFERRED_BELOW_BPS:
        return 0
    thin = VOICES[1] if rate_bps >= VOICES[1].from_bps else VOICES[0]
    return highest_entered(video_room_bps(rate_bps, voice_bps(thin.shape(red=loss > RED_LOSS)), loss))


class Measurement:
    """One leg's measuring. Times in seconds of one monotonic clock."""

    __slots__ = ("_begun_s", "_told", "_told_s")

    def __init__(self, now_s: float) -> None:
        self._begun_s = now_s
        self._told: LinkMeasure | None = None
        self._told_s = float("-inf")

    @property
    def over(self) -> bool:
        """Whether the last word was said."""
        return self._told is not None and self._told.final

    def look(self, now_s: float, up: Way, down: Way, *, rtt_s: float | None) -> LinkMeasure | None:
        """Return the measure if there is something new to tell."""
        if self.over:
            return None
        up_bps = up.rate_bps if up.known else None
        down_bps = down.rate_bps if down.known else None
        final = now_s - self._begun_s >= MEASURE_FOR_S
        measure = LinkMeasure(
            up_bps=up_bps,
            down_bps=down_bps,
            rtt_ms=None if rtt_s is None else round(1000 * rtt_s),
            loss_up=round(up.loss, 3),
            loss_down=round(down.loss, 3),
            rung_up=None if up_bps is None else rung_of(up_bps, up.loss),
            rung_down=None if down_bps is None else rung_of(down_bps, down.loss),
            final=final,
        )
        if not final and (now_s - self._told_s < TOLD_EVERY_S or not self._differs(measure)):
            return None
        self._told, self._told_s = measure, now_s
        return measure

    def _differs(self, measure: LinkMeasure) -> bool:
        told = self._told
        if told is None:
            return measure.up_bps is not None or measure.down_bps is not None
        return any(
            (now is None) != (before is None)
            or (now is not None and before is not None and abs(now - before) > MATTERS * before)
            for now, before in ((measure.up_bps, told.up_bps), (measure.down_bps, told.down_bps))
        )
