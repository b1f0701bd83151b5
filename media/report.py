"""How a leg has done since it began, for the record of its visit: no person, no address, only how it went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media.control import LegReport, VideoCodec, WayReport
from media.sdp import PAYLOAD_TYPES

if TYPE_CHECKING:
    from media.leg import Leg

REPORT_EVERY_S = 15.0
"""What a worker that dies takes with it; each report replaces the one before."""


class Course:
    """What is gathered of a leg beyond its counters. Times in seconds of one monotonic clock."""

    __slots__ = ("_concealed", "_looks", "begun_s", "frozen_ms", "reported_s", "rtt_max_s")

    def __init__(self, now_s: float) -> None:
        self.begun_s = now_s
        self.reported_s = now_s
        self.rtt_max_s = 0.0
        self.frozen_ms = 0
        self._concealed = 0.0
        self._looks = 0

    def heard(self, concealed: float | None, frozen_ms: int | None) -> None:
        """Take what the page reported of the last seconds."""
        if concealed is not None:
            self._concealed += concealed
            self._looks += 1
        self.frozen_ms += frozen_ms or 0

    @property
    def concealed(self) -> float | None:
        """Mean share of made-up sound; None: the page never said."""
        return round(self._concealed / self._looks, 4) if self._looks else None


def leg_report(leg: Leg, now_s: float) -> LegReport:
    """Return the report of a leg as it is now."""
    end, course = leg.end, leg.conductor.course
    sinks = [sink for sink in leg.sinks.values() if sink.packets]
    known = leg.feedback.round_trip_known
    up, down = leg.conductor.uplink(), leg.conductor.downlink(now_s)
    return LegReport(
        seconds=round(now_s - course.begun_s, 1),
        transport=None if end.path is None else "tcp" if end.path.tcp else "udp",
        rtt_ms=round(1000 * end.rtt_s, 1) if known else None,
        rtt_max_ms=round(1000 * max(course.rtt_max_s, end.rtt_s), 1) if known else None,
        up=WayReport(
            packets=leg.audio.packets + leg.video.packets,
            bytes=leg.audio.bytes + leg.video.bytes,
            lost=sum(max(0, source.reception.lost) for source in (leg.audio, leg.video) if source.packets),
            repaired=leg.audio.recovered + leg.video.recovered,
            estimate_bps=up.rate_bps,
            jitter_ms=round(1000 * leg.audio.reception.jitter_s, 1) if leg.audio.packets else None,
            codec=_codec(leg.video.payload_type),
        ),
        down=WayReport(
            packets=sum(sink.packets for sink in sinks),
            bytes=sum(sink.bytes for sink in sinks),
            lost=sum(max(0, sink.lost) for sink in sinks),
            repaired=sum(sink.resent for sink in sinks),
            estimate_bps=down.carries_bps(),
            jitter_ms=round(1000 * down.jitter_s, 1),
            codec=next((_codec(sink.source.payload_type) for sink in sinks if sink.video and sink.source), None),
        ),
        rungs=leg.conductor.steps,
        concealed=course.concealed,
        frozen_ms=course.frozen_ms,
        restarts=leg.restart,
    )


def _codec(payload_type: int) -> VideoCodec | None:
    match PAYLOAD_TYPES.get(payload_type):
        case "VP8" | "VP9" | "AV1" | "H264" as name:
            return name
        case _:
            return None
