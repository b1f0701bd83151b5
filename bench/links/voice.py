"""How well a voice was understood: STOI, PESQ, lag and gaps of what was heard against what was said."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pystoi import stoi

from bench.links.align import HOP, Lags, find
from bench.links.assets import SPEECH_RATE, Reference, Sound

LEAD_MS = 5000
"""Sound before the window that the aligner begins with."""
PER_MS = SPEECH_RATE / 1000
SEARCHED_S = 14
"""Of the capture, to find where in the file the speaker is."""
FOUND = 0.2
PHRASE_FOUND = 0.3
SLIP = SPEECH_RATE * 3 // 2
"""A fake microphone that had to wait for the CPU goes on where it was: from one phrase to the next by this at most."""
FRAME_MS = 20
FRAME = SPEECH_RATE * FRAME_MS // 1000
SPEECH_DB, GONE_DB, SILENCE_DB = -45.0, 25.0, -50.0
"""A frame of 20 ms is missing where there was speech, and what was heard is so much quieter, and silent."""
CLEAR_STOI = 0.7
"""Above it, listeners understand nearly every word (Taal et al., 2011, figure 6)."""
CLEAR_PIECE = 2 * SPEECH_RATE


@dataclass
class _Heard:
    """Phrases of the window, each as it is in the file, as it was captured, and as it was heard."""

    said: list[Sound] = field(default_factory=list)
    captured: list[Sound] = field(default_factory=list)
    heard: list[Sound] = field(default_factory=list)
    """Put back on the speaker's clock."""
    raw: list[Sound] = field(default_factory=list)
    """As it was, with a margin: PESQ aligns by itself."""
    lags_ms: list[float] = field(default_factory=list)
    missing_ms: list[float] = field(default_factory=list)
    """Lengths of runs of missing frames."""


def voice(reference: Reference, said: Sound, heard: Sound, behind: Lags, window_s: float) -> dict[str, Any]:
    """Fields of `Way` for a voice. Both sounds begin `LEAD_MS` before the window; the heard one ends later.

    `behind`: how far `heard` is behind `said`.

    Returns {} where the file was not found in what was captured, or where no phrase lies in the window.
    """
    turn = reference.sound
    offset, peak = find(said[: SEARCHED_S * SPEECH_RATE], np.concatenate([turn, turn[: SEARCHED_S * SPEECH_RATE]]))
    if peak < FOUND:
        return {}
    found = _phrases(reference, offset, said, heard, behind, window_s)
    if not found.said:
        return {}
    spoken = behind.peaks >= 0
    recognised = round(100 * float(np.mean(behind.recognised[spoken]))) if np.any(spoken) else None
    return {
        **_intelligibility(found),
        "pesq": _pesq(found.said, found.raw),
        "pesq_net": _pesq(found.captured, found.raw),
        "phrases": len(found.said),
        "recognised_pct": recognised,
        "lag_ms": round(float(np.median(found.lags_ms))) if found.lags_ms else None,
        "lag_p95_ms": round(float(np.percentile(found.lags_ms, 95))) if found.lags_ms else None,
        "longest_gap_ms": round(max(found.missing_ms, default=0.0)),
    }


def lag_series(behind: Lags) -> list[list[float]]:
    """`[seconds, lag in ms]` where speech was recognised, from the sounds' beginning."""
    return [
        [i * HOP / SPEECH_RATE, round(behind.samples[i] / PER_MS)] for i in np.flatnonzero(behind.recognised).tolist()
    ]


def _phrases(reference: Reference, offset: int, said: Sound, heard: Sound, behind: Lags, window_s: float) -> _Heard:
    found = _Heard()
    turn = len(reference.sound)
    first, last = int((LEAD_MS - 500) * PER_MS), int((LEAD_MS + window_s * 1000) * PER_MS)
    drift = 0
    missing = _Missing(found)
    for repeat in range(-1, 2 + len(said) // turn):
        for begin, end in reference.phrases:
            at, length = repeat * turn - offset + begin + drift, end - begin
            if at < first or at + length > last:
                continue
            margin = max(0, at - SLIP)
            shift, peak = find(reference.sound[begin:end], said[margin : at + length + SLIP])
            if peak > PHRASE_FOUND:
                drift += margin + shift - at
                at = margin + shift
            captured = said[at : at + length]
            if len(captured) < length:
                continue
            spoken = reference.sound[begin:end]
            replaced, offsets = _on_speakers_clock(heard, behind, at, length, found)
            found.said.append(spoken)
            found.captured.append(captured)
            found.heard.append(replaced)
            low = max(0, at + min(offsets[0], offsets[-1]) - SPEECH_RATE // 5)
            high = max(at + length + offsets[-1] + SPEECH_RATE // 5, low + length)
            found.raw.append(heard[low:high])
            missing.look(spoken, replaced, at / PER_MS)
    missing.end()
    return found


def _on_speakers_clock(heard: Sound, behind: Lags, at: int, length: int, found: _Heard) -> tuple[Sound, list[int]]:
    parts, offsets = [], []
    for i in range(0, length, HOP):
        n = min(HOP, length - i)
        index = behind.at(at + i + n / 2)
        lag = int(behind.samples[index])
        part = heard[at + i + lag : at + i + lag + n]
        parts.append(np.pad(part, (0, n - len(part))))
        offsets.append(lag)
        if behind.recognised[index]:
            found.lags_ms.append(lag / PER_MS)
    return np.concatenate(parts), offsets


def _levels(sound: Sound) -> list[float]:
    """Level of each frame in dB."""
    frames = sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME)
    decibels: list[float] = (10 * np.log10(np.mean(frames**2, 1) + 1e-10)).tolist()
    return decibels


class _Missing:
    """Measures runs of missing speech frames; pauses of the speaker neither begin a run nor end one."""

    def __init__(self, found: _Heard) -> None:
        self._found = found
        self._began_ms: float | None = None
        self._until_ms = 0.0

    def look(self, spoken: Sound, heard: Sound, at_ms: float) -> None:
        """Take the next phrase, which was said at this time."""
        for i, (here, there) in enumerate(zip(_levels(spoken), _levels(heard), strict=False)):
            if here <= SPEECH_DB:
                continue
            if there < here - GONE_DB and there < SILENCE_DB:
                self._began_ms = at_ms + i * FRAME_MS if self._began_ms is None else self._began_ms
                self._until_ms = at_ms + (i + 1) * FRAME_MS
            else:
                self.end()

    def end(self) -> None:
        """Close the run that is open, if one is."""
        if self._began_ms is not None:
            self._found.missing_ms.append(self._until_ms - self._began_ms)
        self._began_ms = None


def _intelligibility(found: _Heard) -> dict[str, Any]:
    said, heard, captured = (np.concatenate(each) for each in (found.said, found.heard, found.captured))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # too little speech in a piece: pystoi then says 1e-5, which is meant
        pieces = [
            float(stoi(said[i : i + CLEAR_PIECE], heard[i : i + CLEAR_PIECE], SPEECH_RATE))
            for i in range(0, len(said) - CLEAR_PIECE + 1, CLEAR_PIECE)
        ]
        return {
            "stoi": round(float(stoi(said, heard, SPEECH_RATE)), 3),
            "estoi": round(float(stoi(said, heard, SPEECH_RATE, extended=True)), 3),
            "stoi_net": round(float(stoi(captured, heard, SPEECH_RATE)), 3),
            "clear_pct": round(100 * float(np.mean([piece >= CLEAR_STOI for piece in pieces])), 1) if pieces else None,
        }


def _pesq(said: list[Sound], heard: list[Sound]) -> float | None:
    """Mean over phrases, weighted by their lengths; one that PESQ finds empty counts 1.0, the lowest."""
    from pesq import NoUtterancesError, PesqError, pesq  # needs a compiler where it is installed: only for measuring

    scores, weights = [], []
    for reference, degraded in zip(said, heard, strict=True):
        try:
            silent = np.sqrt(np.mean(degraded**2)) < 1e-4
            scores.append(1.0 if silent else float(pesq(SPEECH_RATE, reference, degraded, "wb")))
        except NoUtterancesError:
            scores.append(1.0)
        except PesqError:
            continue
        weights.append(len(reference))
    return round(float(np.average(scores, weights=weights)), 2) if scores else None
