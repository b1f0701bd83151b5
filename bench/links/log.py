"""Everything that `probe.js` collected in one browser. Times are Unix milliseconds."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from bench.links.assets import SPEECH_RATE, Sound

Row = list[Any]
HOLE_MS = 30
"""When all chunks for a while are later than the earliest before by this much, samples between are missing: a track was
paused, or a busy machine skipped some again and again."""
CHUNKS = 150
"""How many before and after are looked at, 1.5 s: a page that stood still delivers late, and then catches up."""


class Track:
    """A tapped audio track: chunks as they came, of which silent ones carry no samples."""

    def __init__(self, side: str, rate: int) -> None:
        self.side = side
        self.rate = rate
        self.chunks: list[Row] = []
        self._bytes = bytearray()

    def add(self, chunks: list[Row], pcm: bytes) -> None:
        """Append chunks `[wall clock, samples, is_silent]` and the samples of those that are not silent."""
        at = 0
        for wall_ms, samples, silent in chunks:
            self.chunks.append([wall_ms, samples])
            if silent:
                self._bytes += bytes(2 * samples)
            else:
                self._bytes += pcm[at : at + 2 * samples]
                at += 2 * samples

    def lay(self, out: Sound, from_ms: float) -> None:
        """Add this track to a sound at 16 kHz that begins at a time, each hole-free run of chunks in one piece.

        Where a run begins is told by its earliest arrivals: a chunk can be late, but not early.
        """
        if not self.chunks:
            return
        pcm = np.frombuffer(bytes(self._bytes), "<i2")
        wall = np.array([chunk[0] for chunk in self.chunks], float)
        lengths = np.array([chunk[1] for chunk in self.chunks], int)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        ideal = starts[:-1] / self.rate * 1000
        behind = wall - ideal
        cuts = [0, *_holes(behind), len(wall)]
        for first, last in itertools.pairwise(cuts):
            begin_ms = behind[first:last].min() + ideal[first]
            samples: Sound = (pcm[starts[first] : starts[last]] / np.float32(32768)).astype(np.float32)
            piece = _at_16k(samples, self.rate)
            position = round((begin_ms - from_ms) / 1000 * SPEECH_RATE)
            low, high = max(0, position), min(len(out), position + len(piece))
            if high > low:
                out[low:high] += piece[low - position : high - position]


def _holes(behind: NDArray[np.float64]) -> list[int]:
    """Chunks that come after missing samples, by how far the wall clock is ahead of the samples' at each."""
    padded = np.concatenate([behind, np.full(CHUNKS, np.inf)])
    earliest = np.lib.stride_tricks.sliding_window_view(padded, CHUNKS).min(axis=1)
    found: list[int] = []
    base = float(earliest[0])
    for i, coming in enumerate(earliest[: len(behind)].tolist()):
        if coming - base > HOLE_MS:
            found.append(i)
            base = coming
        base = min(base, coming)
    return found


def _at_16k(sound: Sound, rate: int) -> Sound:
    if rate == SPEECH_RATE:
        return sound
    divisor = int(np.gcd(rate, SPEECH_RATE))
    resampled: Sound = resample_poly(sound, SPEECH_RATE // divisor, rate // divisor).astype(np.float32)
    return resampled


class Log:
    """One browser's events, statistics, pictures and sounds, in the order they were drained."""

    def __init__(self) -> None:
        self.events: list[Row] = []
        """`[at, kind, what]`"""
        self.stats: list[Row] = []
        """`[at, connection, [statistics]]`"""
        self.shown: list[Row] = []
        """`[at, counter or -1, width, height, presented, due, RTP time]` of the element that shows the far side"""
        self.sent: list[Row] = []
        self.got: list[Row] = []
        """`[at, counter, width, height, time]` of the camera, and of the far side's decoded track"""
        self.shots: list[Row] = []
        """`[at, counter, width, height, luma in base64]`"""
        self.sync: list[Row] = []
        """`[at, played at, RTP time, level]` of the far side's voice packets"""
        self.page: list[Row] = []
        """`[at, rung or null, [ids of stills], state of the call or null]`, each second"""
        self._tracks: dict[tuple[float, int], Track] = {}

    def add(self, drained: dict[str, Any]) -> None:
        """Append what one drain gave."""
        for name in ("events", "stats", "shown", "sent", "got", "shots", "sync", "page"):
            getattr(self, name).extend(drained[name])
        for tap in drained["audio"]:
            track = self._tracks.setdefault((tap["document"], tap["tap"]), Track(tap["side"], tap["rate"]))
            track.add(tap["chunks"], base64.b64decode(tap["pcm"]))

    def sound(self, side: str, from_ms: float, to_ms: float) -> Sound:
        """What was spoken or heard between two times; several tracks of a side are laid over each other."""
        out = np.zeros(int((to_ms - from_ms) / 1000 * SPEECH_RATE), np.float32)
        for track in self._tracks.values():
            if track.side == side:
                track.lay(out, from_ms)
        return out

    def times(self, kind: str, ending: str) -> list[float]:
        """When events of a kind said something that ends so."""
        return [float(at) for at, name, what in self.events if name == kind and str(what).endswith(ending)]
