"""When to take another rung: down at once, up with patience, and never to and fro.

The ladder knows nothing of rates. It is told which rung can be kept and which could be entered now, and holds to the
rules: one rung up after 30 s of a good link, a climb that fails doubles the wait, and only in the first seconds may it
go straight to what is proven.
"""

from __future__ import annotations

CLIMB_AFTER_S = 30.0
"""A link that was good for so long stays so, more often than not; a cell that comes and goes does so within seconds."""
CLIMB_AFTER_MOST_S = 480.0
"""A visit takes 15-20 minutes: with a longer wait a link that is well again would not be noticed in it."""
FAILED_WITHIN_S = 10.0
"""Down again so soon after a climb: it was the climb that the link did not bear."""
HELD_AFTER_S = 60.0
"""A climb that held so long was right, and the wait is the first one again."""
CHANGE_EVERY_S = 10.0
"""The least time from any change to the next climb."""

START_S = 20.0
"""How long a leg's beginning lasts. A bad link has its rung within 10 s; a good one of which nothing at all was known
needs some 15 s until its picture has grown to what proves the next rung, and should not wait another half minute."""
START_CHANGE_EVERY_S = 2.0
"""Time for an estimate to see what the last change did."""
START_FALLS = 2
"""After so many falls the link is known not to be steady, and patience begins."""


class Ladder:
    """One direction's rung over time. Times are of one monotonic clock, in seconds."""

    __slots__ = ("_changed_s", "_climbed_s", "_falls", "_good_since_s", "_start_until_s", "failures", "rung", "wait_s")

    def __init__(self, now_s: float, rung: int) -> None:
        self.rung = rung
        """0-5, see `media.control.Rung`."""
        self.wait_s = CLIMB_AFTER_S
        """How long the link must be good before the next climb."""
        self.failures = 0
        """Climbs so far that did not hold."""
        self.begin(now_s, rung)

    def begin(self, now_s: float, rung: int) -> None:
        """Begin anew at a rung: the leg is new or resumed, or the picture is wanted again. The wait is kept."""
        self.rung = rung
        self._start_until_s = now_s + START_S
        self._falls = 0
        self._changed_s = now_s
        self._climbed_s: float | None = None  # of a climb that has not held long enough yet
        self._good_since_s: float | None = None

    def starting(self, now_s: float) -> bool:
        """Return whether this is still the beginning."""
        return now_s < self._start_until_s

    def step(self, now_s: float, keep: int, enter: int) -> int:
        """Return the rung from now on, given the highest that can be kept and the highest that could be entered.

        `enter` > rung also means that the link is good now: the caller says no more than the rung itself otherwise.
        """
        if self._climbed_s is not None and now_s - self._climbed_s >= HELD_AFTER_S:
            self._climbed_s = None
            self.wait_s = CLIMB_AFTER_S
        if keep < self.rung:
            self._fall(now_s, keep)
        elif enter > self.rung:
            self._consider(now_s, enter)
        else:
            self._good_since_s = None
        return self.rung

    def _fall(self, now_s: float, rung: int) -> None:
        if self.starting(now_s):
            self._falls += 1
            if self._falls >= START_FALLS:
                self._start_until_s = now_s
        elif self._climbed_s is not None:
            self.failures += 1
            if now_s - self._climbed_s <= FAILED_WITHIN_S:
                self.wait_s = min(self.wait_s * 2, CLIMB_AFTER_MOST_S)
        self._climbed_s = None
        self._good_since_s = None
        self._changed_s = now_s
        self.rung = rung

    def _consider(self, now_s: float, enter: int) -> None:
        if self.starting(now_s):
            if now_s - self._changed_s >= START_CHANGE_EVERY_S:
                self.rung = enter
                self._changed_s = now_s
            return
        if self._good_since_s is None:
            self._good_since_s = now_s
        if now_s - self._good_since_s >= self.wait_s and now_s - self._changed_s >= CHANGE_EVERY_S:
            self.rung += 1
            self._changed_s = self._climbed_s = now_s
            self._good_since_s = now_s
