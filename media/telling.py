"""When a page is told anew what to send: at once what is less or other, seldom what is a little more."""

from __future__ import annotations

from media.control import AudioShape, Limits, Rung, VideoCodec, Whose, Why
from media.shapes import video_shape

BITRATE_STEP = 0.15
STILLS_STEP = 0.3
EVERY_S = 2.0
"""A page is told of another bit rate from these differences on, of a higher one no more often; REMB does the rest."""


class Telling:
    """What one page was told, and whether that still holds. Times are of one monotonic clock, in seconds."""

    __slots__ = ("_told_s", "_video_bps", "limits")

    def __init__(self) -> None:
        self.limits: Limits | None = None
        """As told last; None: nothing yet."""
        self._video_bps = 0
        self._told_s = float("-inf")

    def look(
        self,
        now_s: float,
        *,
        rung: Rung,
        why: Why,
        whose: Whose,
        since_ms: int,
        audio: AudioShape,
        codec: VideoCodec | None,
        video_bps: int,
        stills_bps: int,
    ) -> tuple[Limits, bool]:
        """Return the limits, and whether they are others than the page has. `video_bps` is with headers."""
        told = self.limits
        shown = codec if rung >= 3 else None
        if told is not None:
            told_codec = told.video.codec if told.video is not None else None
            same = (told.rung, told.why, told.whose, told.audio, told_codec) == (rung, why, whose, audio, shown)
            video = _change(video_bps, self._video_bps) / BITRATE_STEP
            stills = _change(stills_bps, told.stills_bps) / STILLS_STEP
            lower = min(video, stills) < -1
            higher = max(video, stills) > 1 and now_s - self._told_s >= EVERY_S
            if same and not lower and not higher:
                return told, False
        before = told.video if told is not None and told.rung == rung else None
        self._video_bps = video_bps
        self._told_s = now_s
        self.limits = Limits(
            rung=rung,
            why=why,
            whose=whose,
            audio=audio,
            video=video_shape(rung, video_bps, shown, before) if shown is not None else None,
            stills_bps=stills_bps,
            since_ms=since_ms,
        )
        return self.limits, True


def _change(now: int, before: int) -> float:
    """Return the change as a share of what was before."""
    return (now - before) / before if before else float(now > 0)
