"""Sounds with the rhythm and the changing colours of speech, made by a seed: the recordings are too large."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from bench.links.assets import SPEECH_RATE, Reference, Sound

SYLLABLE_S = 0.18


class Spoken(Reference):
    """A reference of phrases of about 2.5 s with pauses, without files."""

    def __init__(self, seed: int, phrases: int = 8) -> None:
        draws = np.random.default_rng(seed)
        pieces = [np.zeros(SPEECH_RATE // 2, np.float32)]
        self.phrases = []
        at = len(pieces[0])
        for _ in range(phrases):
            phrase = np.concatenate([_syllable(draws) for _ in range(14)])
            self.phrases.append((at, at + len(phrase)))
            pieces += [phrase, np.zeros(int(0.7 * SPEECH_RATE), np.float32)]
            at += len(phrase) + len(pieces[-1])
        self.sound: Sound = np.concatenate(pieces).astype(np.float32)


def _syllable(draws: np.random.Generator) -> Sound:
    """Noise and a pitch through two resonances, swelling and fading."""
    n = int(SPEECH_RATE * SYLLABLE_S * draws.uniform(0.6, 1.4))
    pulses = np.zeros(n)
    pulses[:: int(SPEECH_RATE / draws.uniform(90, 220))] = 5
    sound = pulses + draws.normal(0, draws.uniform(0.05, 0.6), n)
    for low, high in ((250, 900), (900, 3500)):
        angle = 2 * np.pi * draws.uniform(low, high) / SPEECH_RATE
        sound = lfilter([1], [1, -2 * 0.95 * np.cos(angle), 0.95**2], sound)
    shaped = sound * np.hanning(n) ** 0.5
    loud: Sound = (shaped / np.sqrt(np.mean(shaped**2)) * 0.09).astype(np.float32)
    return loud


def late(sound: Sound, by_s: float) -> Sound:
    """The sound after a silence, with some silence at its end and a little noise everywhere."""
    padded = np.concatenate([np.zeros(int(by_s * SPEECH_RATE)), sound, np.zeros(6 * SPEECH_RATE)])
    noisy: Sound = (padded + np.random.default_rng(9).normal(0, 1e-4, len(padded))).astype(np.float32)
    return noisy
