"""What getStats and the links' own counters say of a window."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from bench.links.log import Log

NEAR_MS = 2000
"""Statistics come once a second: those of the window's ends are at most this far from them."""
FLAP_S = 10.0
"""A rise that is taken back within this was none."""
FITS = 1.25
"""What is sent into a link fits when it is at most this much of the rate: bursts of an encoder are not a backlog."""
Sample = tuple[float, dict[str, Any]]


def rtp(log: Log, begin_ms: float, end_ms: float) -> dict[str, Any]:
    """Differences of counters over the window, all connections of one browser together."""
    near: dict[tuple[int, str], list[tuple[float, dict[str, Any]]]] = {}
    codecs: dict[tuple[int, str], str] = {}
    for at, connection, items in log.stats:
        for item in items:
            if item["type"] == "codec":
                codecs[connection, item["id"]] = item.get("mimeType", "").split("/")[-1]
            elif begin_ms - NEAR_MS <= at <= end_ms + NEAR_MS:
                near.setdefault((connection, item["id"]), []).append((at, item))
    found: dict[str, Any] = {"cpu_limited": 0.0}
    for (connection, _), samples in near.items():
        first = min(samples, key=lambda sample: abs(sample[0] - begin_ms))
        last = min(samples, key=lambda sample: abs(sample[0] - end_ms))
        change = _Change(first, last)
        codec = codecs.get((connection, str(last[1].get("codecId"))))
        match last[1]["type"], last[1].get("kind"):
            case "inbound-rtp", "audio" if change("totalSamplesReceived") > 0:
                found |= _audio_in(change, codec)
            case "inbound-rtp", "video" if change("framesDecoded") > 0 or "video_codec" not in found:
                found |= _video_in(change, codec)
            case "outbound-rtp", "video":
                found |= _video_out(change, found["cpu_limited"])
            case "outbound-rtp", "audio":
                found["audio_out_kbps"] = change.kbps("bytesSent")
            case "candidate-pair", _ if last[1].get("currentRoundTripTime") is not None:
                found["rtt_ms"] = round(1000 * last[1]["currentRoundTripTime"])
    return found


class _Change:
    """How one statistics object changed over the window."""

    def __init__(self, first: tuple[float, dict[str, Any]], last: tuple[float, dict[str, Any]]) -> None:
        self.first, self.last = first[1], last[1]
        self.secs = max(0.5, (last[0] - first[0]) / 1000)

    def __call__(self, name: str) -> float:
        return float((self.last.get(name) or 0) - (self.first.get(name) or 0))

    def kbps(self, name: str) -> float:
        return round(self(name) * 8 / self.secs / 1000, 1)

    def share(self, name: str, of: str) -> float:
        return self(name) / max(1.0, self(of))


def _audio_in(change: _Change, codec: str | None) -> dict[str, Any]:
    return {
        "concealed_pct": round(100 * change.share("concealedSamples", "totalSamplesReceived"), 1),
        "audio_in_kbps": change.kbps("bytesReceived"),
        "audio_lost": int(change("packetsLost")),
        "audio_pps": round(change("packetsReceived") / change.secs, 1),
        "jitter_buffer_ms": round(1000 * change.share("jitterBufferDelay", "jitterBufferEmittedCount")),
        "audio_codec": codec,
    }


def _video_in(change: _Change, codec: str | None) -> dict[str, Any]:
    return {
        "video_in_kbps": change.kbps("bytesReceived"),
        "decoded_fps": round(change("framesDecoded") / change.secs, 1),
        "video_codec": codec,
        "plis": int(change("pliCount")),
        "nacks": int(change("nackCount")),
        "video_lost": int(change("packetsLost")),
    }


def _video_out(change: _Change, cpu_limited: float) -> dict[str, Any]:
    before = change.first.get("qualityLimitationDurations") or {}
    after = change.last.get("qualityLimitationDurations") or {}
    limited = {why: (secs - before.get(why, 0)) / change.secs for why, secs in after.items()}
    return {
        "sent_fps": round(change("framesEncoded") / change.secs, 1),
        "sent_size": f"{change.last.get('frameWidth')}x{change.last.get('frameHeight')}",
        "video_out_kbps": change.kbps("bytesSent"),
        "encode_ms": round(1000 * change.share("totalEncodeTime", "framesEncoded"), 1),
        "limited": {why: round(share, 2) for why, share in limited.items() if share > 0.02},
        "cpu_limited": round(max(cpu_limited, limited.get("cpu", 0.0)), 3),
    }


def _nearest(samples: Sequence[Sample], at_ms: float) -> Sample:
    return min(samples, key=lambda sample: abs(sample[0] - at_ms))


def link(samples: Sequence[Sample], way: str, begin_ms: float, end_ms: float) -> dict[str, Any]:
    """Fields of `Way` for what was sent into one direction of the patient's link."""
    if not samples:
        return {}
    (first_ms, first), (last_ms, last) = _nearest(samples, begin_ms), _nearest(samples, end_ms)
    before, after = first[way], last[way]
    secs = max(0.5, (last_ms - first_ms) / 1000)
    return {
        "sent_kbps": round((after["sent_bytes"] - before["sent_bytes"]) * 8 / secs / 1000, 1),
        "queue_dropped": after["queue_dropped"] - before["queue_dropped"],
        "link_lost": after["lost"] - before["lost"],
    }


def kbps_series(samples: Sequence[Sample], way: str, begin_ms: float) -> list[list[float]]:
    """`[seconds, kbit/s]` sent into a direction, one point for each two readings."""
    found = []
    for (a_ms, a), (b_ms, b) in itertools.pairwise(samples):
        if b_ms > a_ms:
            sent = (b[way]["sent_bytes"] - a[way]["sent_bytes"]) * 8 / (b_ms - a_ms)
            found.append([round((b_ms - begin_ms) / 1000, 2), round(sent, 1)])
    return found


def step_down_s(series: Iterable[Sequence[float]], falls: Sequence[tuple[float, float]]) -> float | None:
    """The slowest answer to a fall of the link's rate: seconds until what is sent fits for two readings in a row.

    A reading is of the time since the one before it, so the answer was there when the first that fits begins.
    `falls`: when the rate fell, and to how many kbit/s. None where none is inside the series.
    """
    points = list(series)
    slowest = None
    for at_s, rate_kbps in falls:
        after = [(begin, end, sent) for (begin, _), (end, sent) in itertools.pairwise(points) if end > at_s]
        if not after:
            continue
        fits = [begin - at_s for (begin, _, a), (_, _, b) in itertools.pairwise(after) if max(a, b) <= FITS * rate_kbps]
        took = max(0.0, fits[0]) if fits else after[-1][1] - at_s
        slowest = max(slowest or 0.0, round(took, 1))
    return slowest


def fps_series(times_ms: Sequence[float], begin_ms: float, from_s: float, to_s: float) -> list[list[float]]:
    """`[seconds, new pictures in that second]`."""
    ordered = sorted(times_ms)
    found = []
    for second in range(int(from_s), int(to_s)):
        low, high = begin_ms + second * 1000, begin_ms + (second + 1) * 1000
        found.append([float(second), float(bisect.bisect(ordered, high) - bisect.bisect(ordered, low))])
    return found


def rungs(log: Log, begin_ms: float) -> list[list[Any]]:
    """`[seconds from the window's beginning, rung]` at each change of what a page shows."""
    found: list[list[Any]] = []
    for at, rung, *_ in log.page:
        if rung is not None and (not found or found[-1][1] != rung):
            found.append([round((at - begin_ms) / 1000, 1), rung])
    return found


def flaps(history: Sequence[Sequence[float]], from_s: float) -> int:
    """Rises that were taken back within `FLAP_S`, from a time on."""
    count = 0
    for i in range(1, len(history) - 1):
        (at, rung), (next_at, next_rung), before = history[i], history[i + 1], history[i - 1][1]
        count += at >= from_s and rung > before and next_rung < rung and next_at - at < FLAP_S
    return count


def stills(log: Log, begin_ms: float, end_ms: float) -> dict[str, Any]:
    """Fields of `Way` for the stills that a page showed."""
    last: Sequence[str] | None = None
    changes: list[float] = []
    known: set[str] = set()
    for at, _, ids, *_ in log.page:
        if begin_ms <= at <= end_ms:
            known.update(ids)
            if ids and ids != last:
                changes.append(at)
            last = ids or last
    edges = [begin_ms, *changes, end_ms]
    gap_s = max((b - a) / 1000 for a, b in itertools.pairwise(edges))
    return {"stills": len(known), "still_gap_s": round(gap_s, 1) if known else None}
