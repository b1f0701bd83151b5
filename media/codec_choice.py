"""Which codec a picture is encoded with: the best for the rate that all in the room know and the processor bears."""

from __future__ import annotations

from collections.abc import Sequence

from media.control import ClientReport, VideoCodec

THIN: tuple[VideoCodec, ...] = ("AV1", "VP9", "VP8", "H264")
"""Best first where bits are dear: at 30 kbit/s AV1 keeps texture and colour where VP8 smears and rings."""
PLENTY: tuple[VideoCodec, ...] = ("VP8", "VP9", "AV1", "H264")
"""Best first where bits are cheap: VP8 costs a phone least. H264 last: it cannot change its size smoothly, and is for
browsers that have nothing else."""
PLENTY_FROM_BPS = 220_000
PLENTY_ABOVE_BPS = 140_000
"""Entered from the one, left below the other: what AV1 costs the processor
is better spent on pictures a second where bits are not dear."""

CHANGE_EVERY_S = 20.0
"""Each change costs a keyframe and a moment of a new encoder finding its rate."""
OVERLOADED_AFTER_S = 4.0
"""Two reports of the page, which come every 2 s: one alone may be a page that was loading."""
ENCODE_SHARE = 0.6
"""Of the time between pictures; the browser drops its own share for capture, drawing and the other side's picture."""
VETO_S = 900.0
"""About a visit: a processor does not grow in one, but a hot phone cools."""
CPU_CAP_S = 60.0
CPU_CAP_MOST_S = 480.0
"""Where the cheapest codec is too much the rung is held down so long, twice as long each time, up to this."""
LEAST_CPU_RUNG = 3


class CodecChoice:
    """One sender's codec over time. Times are of one monotonic clock, in seconds."""

    __slots__ = (
        "_cap_s", "_cap_until_s", "_changed_s", "_overloaded_since_s", "_plenty", "_vetoed_until_s", "codec",
        "most_rung",
    )  # fmt: skip

    def __init__(self) -> None:
        self.codec: VideoCodec | None = None
        """What is to be encoded; None: nothing that all know."""
        self.most_rung = 5
        """The highest rung the processor bears."""
        self._plenty = False
        self._changed_s = float("-inf")
        self._vetoed_until_s: dict[VideoCodec, float] = {}
        self._overloaded_since_s: float | None = None
        self._cap_s = CPU_CAP_S
        self._cap_until_s = float("-inf")

    def step(
        self, now_s: float, codecs: Sequence[VideoCodec], video_bps: int, fps: int, client: ClientReport | None
    ) -> VideoCodec | None:
        """Return the codec from now on, of those that all in the room can decode and this one encode, for a picture of
        `video_bps` and `fps`, by what the page reported last."""
        self._watch(now_s, codecs, fps, client)
        if self._plenty != (video_bps >= (PLENTY_ABOVE_BPS if self._plenty else PLENTY_FROM_BPS)):
            self._plenty = not self._plenty
        order = PLENTY if self._plenty else THIN
        known = [codec for codec in order if codec in codecs]
        borne = [codec for codec in known if now_s >= self._vetoed_until_s.get(codec, float("-inf"))]
        best = next(iter(borne or reversed(known)), None)
        if best != self.codec and (self.codec not in codecs or now_s - self._changed_s >= CHANGE_EVERY_S):
            self.codec = best
            self._changed_s = now_s
            self._overloaded_since_s = None
        return self.codec

    def _watch(self, now_s: float, codecs: Sequence[VideoCodec], fps: int, client: ClientReport | None) -> None:
        if self.most_rung < 5 and now_s >= self._cap_until_s:
            self.most_rung += 1
            self._cap_until_s = now_s + self._cap_s
        if client is None or self.codec is None or not _overloaded(client, fps):
            self._overloaded_since_s = None
            return
        if self._overloaded_since_s is None:
            self._overloaded_since_s = now_s
        if now_s - self._overloaded_since_s < OVERLOADED_AFTER_S or now_s - self._changed_s < OVERLOADED_AFTER_S:
            return
        self._overloaded_since_s = None
        if client.codec is not None and client.codec != self.codec:
            return  # it complains of one that is being left
        cheaper = [codec for codec in codecs if codec != self.codec and now_s >= self._vetoed_until_s.get(codec, 0.0)]
        if self.codec in ("AV1", "VP9") and cheaper:
            self._vetoed_until_s[self.codec] = now_s + VETO_S
            return
        self.most_rung = max(LEAST_CPU_RUNG, self.most_rung - 1)
        self._cap_until_s = now_s + self._cap_s
        self._cap_s = min(self._cap_s * 2, CPU_CAP_MOST_S)


def _overloaded(client: ClientReport, fps: int) -> bool:
    if client.cpu_limited:
        return True
    return client.encode_ms is not None and client.encode_ms > ENCODE_SHARE * 1000 / max(fps, 1)
