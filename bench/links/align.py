"""Finding what was said in what was heard, however late and however stretched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import correlate

from bench.links.assets import SPEECH_RATE, Sound

HOP = SPEECH_RATE // 2
PIECE = SPEECH_RATE
"""Pieces of 1 s, every 0.5 s: short enough to have one lag, long enough to be recognised."""
LONGEST_LAG = 12 * SPEECH_RATE
BIN = SPEECH_RATE // 100
CHANCE = 0.3
"""A correlation under this is met by chance."""
SILENT = 1e-5
"""Mean square under which nobody speaks."""
NEAR_BINS = 10
NEAR_COST, JUMP_COST = 0.005, 0.5
"""Of a change of lag: a hundredth of a second costs next to nothing (a jitter buffer stretches), any size this much."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def find(piece: Sound, where: Sound) -> tuple[int, float]:
    """Where a piece is in a sound: the offset in samples, and the normalised correlation there, 0 to 1."""
    if len(where) < len(piece) or not np.any(where) or not np.any(piece):
        return 0, 0.0
    match = correlate(where, piece, "valid", "fft")
    energy = np.concatenate([[0], np.cumsum(where.astype(np.float64) ** 2)])
    own = np.sum(piece.astype(np.float64) ** 2)
    norm = np.sqrt(np.maximum(energy[len(piece) :] - energy[: -len(piece)], 1e-6) * own + 1e-12)
    scores = match / norm[: len(match)]
    best = int(np.argmax(scores))
    return best, float(scores[best])


@dataclass(frozen=True)
class Lags:
    """How far behind the heard voice is, every `HOP` of what was said."""

    samples: Ints
    peaks: Floats
    """Correlation at that lag; -1 where the speaker is silent."""

    @property
    def recognised(self) -> NDArray[np.bool_]:
        """Where speech was found again."""
        return self.peaks > CHANCE

    def at(self, sample: float) -> int:
        """Index of the piece whose middle is nearest to a sample of what was said."""
        return min(len(self.samples) - 1, max(0, round((sample - PIECE / 2) / HOP)))


def lags(said: Sound, heard: Sound) -> Lags:
    """The lag of `heard` behind `said`, which may change all the time.

    One lag for a phrase would call clear speech that a jitter buffer stretched unintelligible. So pieces are
    correlated with all lags up to 12 s, and the best path through them is taken (Viterbi).
    """
    count = max(0, (len(said) - PIECE) // HOP + 1)
    if not count:
        return Lags(np.zeros(0, np.int64), np.zeros(0))
    scores, fine, silent = _correlations(said, heard, count)
    path = _best_path(np.maximum(scores - CHANCE, 0))
    peaks = scores[np.arange(count), path]
    samples = np.where(peaks > CHANCE, fine[np.arange(count), path], -1)
    known = np.flatnonzero(samples >= 0)
    if len(known):  # where nothing was recognised (loss, silence): the neighbour's lag
        samples = np.array([samples[i] if samples[i] >= 0 else samples[known[np.abs(known - i).argmin()]]
                            for i in range(count)])  # fmt: skip
    else:
        samples = np.zeros(count, np.int64)
    return Lags(samples.astype(np.int64), np.where(silent, -1.0, peaks))


def _correlations(said: Sound, heard: Sound, count: int) -> tuple[Floats, Ints, NDArray[np.bool_]]:
    """By piece and bin of lags: the best correlation and the lag it is at; and by piece whether nobody speaks."""
    bins = LONGEST_LAG // BIN
    scores, fine = np.zeros((count, bins)), np.zeros((count, bins), np.int64)
    silent = np.zeros(count, bool)
    padded = np.pad(heard, (0, max(0, len(said) + LONGEST_LAG + PIECE - len(heard))))
    for i in range(count):
        piece = said[i * HOP : i * HOP + PIECE]
        if np.mean(piece**2) < SILENT:
            silent[i] = True
            continue
        window = padded[i * HOP : i * HOP + PIECE + LONGEST_LAG - 1]
        energy = np.concatenate([[0], np.cumsum(window.astype(np.float64) ** 2)])
        own = float(np.sum(piece.astype(np.float64) ** 2))
        norm = np.sqrt(np.maximum(energy[PIECE:] - energy[:-PIECE], own * 1e-3) * own)
        match = (correlate(window, piece, "valid", "fft") / norm)[: bins * BIN].reshape(bins, BIN)
        fine[i] = match.argmax(1) + np.arange(bins) * BIN
        scores[i] = match.max(1)
    return scores, fine, silent


def _best_path(scores: Floats) -> Ints:
    """The bin of each piece on the path with the highest sum of scores less the costs of changing."""
    count, bins = scores.shape
    best, came_from = scores[0].copy(), np.zeros((count, bins), np.int64)
    for i in range(1, count):
        reach, origin = best.copy(), np.arange(bins)
        for step in range(1, NEAR_BINS + 1):
            cost = NEAR_COST * step
            up, down = best[:-step] - cost, best[step:] - cost
            better = up > reach[step:]
            reach[step:][better], origin[step:][better] = up[better], (np.arange(bins)[step:] - step)[better]
            better = down > reach[:-step]
            reach[:-step][better], origin[:-step][better] = down[better], (np.arange(bins)[:-step] + step)[better]
        top = int(best.argmax())
        better = best[top] - JUMP_COST > reach
        reach[better], origin[better] = best[top] - JUMP_COST, top
        best, came_from[i] = reach + scores[i], origin
    path = np.zeros(count, np.int64)
    at = int(best.argmax())
    for i in range(count - 1, -1, -1):
        path[i] = at
        at = int(came_from[i, at])
    return path
