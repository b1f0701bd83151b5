"""Which packets a link loses: at random, in bursts of packets, or in fades of time."""

from __future__ import annotations

import random

from bench.links.linkem.settings import Settings


class Loss:
    """Draws of one direction. The same seed gives the same draws."""

    def __init__(self, draws: random.Random) -> None:
        self._draws = draws
        self._in_burst = False
        self._in_fade = False
        self._fade_turns_s: float | None = None

    def takes(self, settings: Settings, at_s: float) -> bool:
        """Whether a packet that leaves the air at this time is lost."""
        if settings.loss_pct and self._below(settings.loss_pct):
            return True
        if settings.burst and self._burst(settings.burst):
            return True
        return bool(settings.fade) and self._fade(settings.fade or (), at_s)

    def _below(self, pct: float) -> bool:
        return self._draws.random() * 100 < pct

    def _burst(self, burst: tuple[float, ...]) -> bool:
        self._in_burst = not self._below(burst[1]) if self._in_burst else self._below(burst[0])
        return self._in_burst and self._below(burst[2] if len(burst) > 2 else 100)

    def _fade(self, fade: tuple[float, ...], at_s: float) -> bool:
        if self._fade_turns_s is None:
            self._fade_turns_s = at_s + self._draws.expovariate(1000 / fade[0])
        while at_s >= self._fade_turns_s:
            self._in_fade = not self._in_fade
            self._fade_turns_s += self._draws.expovariate(1000 / max(fade[1] if self._in_fade else fade[0], 1e-3))
        return self._in_fade and self._below(fade[2] if len(fade) > 2 else 100)
