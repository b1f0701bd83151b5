"""Giving memory back when legs have gone.

A leg is full of cycles (its DTLS transport, tasks, callbacks), so after its end it waits for a full collection, which
the collector puts off the longer the more there is; and glibc keeps what is freed. Measured: 200 closed legs stayed at
70 MB above the base. One collection and one trim, a moment after the last leg went, bring a worker back to its base.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable

QUIET_S = 1.0
"""Legs go in twos and more; only after the last of them is it worth it."""

MAX_WAIT_S = 30.0
"""On a worker where somebody always leaves it is done at this interval. It holds up the others for 37 ms (measured with
200 legs and their clients in one process): less than a jitter buffer."""


def reclaim() -> None:
    """Collect cycles and give free pages back to the system. Blocks for milliseconds."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; other C libraries give back by themselves
    if trim is not None:
        trim(0)


class Reclaiming:
    """When to reclaim: `ended` notes a leg that went, `tick` does it when it is due. Times of one clock, in seconds."""

    def __init__(self, reclaim: Callable[[], None] = reclaim) -> None:
        self._reclaim = reclaim
        self._first_s: float | None = None
        self._last_s = 0.0

    def ended(self, now_s: float) -> None:
        """Note that a leg was freed."""
        if self._first_s is None:
            self._first_s = now_s
        self._last_s = now_s

    def tick(self, now_s: float) -> None:
        """Reclaim if legs went and no other is going just now."""
        if self._first_s is None:
            return
        if now_s - self._last_s >= QUIET_S or now_s - self._first_s >= MAX_WAIT_S:
            self._first_s = None
            self._reclaim()
