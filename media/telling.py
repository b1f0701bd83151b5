"""When a page is told anew what to send: at once what is less or other, seldom what is a little more."""

from __future__ import annotations

from media.control import AudioShape, Limits, Rung, VideoCodec, Whose, Why
from media.shapes import PICTURES, video_shape

BITRATE_STEP = 0.15
STILLS_STEP = 0.5
FALL = 0.3
EVERY_S = 4.0
HIGHER_EVERY_S = 6.0
START_EVERY_S = 2.0
"""A page is told of another bit rate from the first differences on and no more often than this, of a fall at once; REMB
does the rest."""


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
        hurried: bool,
    ) -> tuple[Limits, bool]:
        """Return the limits, and whether they are others than the page has. `video_bps` is with headers;
        `hurried` in the beginning, when the rate still doubles."""
        told = self.limits
        shown = codec if rung >= 3 else None
        if told is not None:
            told_codec = told.video.codec if told.video is not None else None
            same = (told.rung, told.why, told.whose, told.audio, told_codec) == (rung, why, whose, audio, shown)
            video = _change(video_bps, self._video_bps) / BITRATE_STEP
            stills = _change(stills_bps, told.stills_bps) / STILLS_STEP
            elapsed_s = now_s - self._told_s
            fell = video * BITRATE_STEP < -FALL or stills * STILLS_STEP < -FALL
            lower = min(video, stills) < -1 and elapsed_s >= EVERY_S
            higher = max(video, stills) > 1 and elapsed_s >= (START_EVERY_S if hurried else HIGHER_EVERY_S)
            # The last step to the most of a rung may be a small one, and is what proves the next.
            higher = higher or (
                elapsed_s >= HIGHER_EVERY_S and rung >= 3 and _tops_out(rung, video_bps, self._video_bps)
            )
            if same and not fell and not lower and not higher:
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


def _tops_out(rung: int, now_bps: int, before_bps: int) -> bool:
    return now_bps >= PICTURES[rung].most_bps > before_bps


def _change(now: int, before: int) -> float:
    """Return the change as a share of what was before."""
    return (now - before) / before if before else float(now > 0)
