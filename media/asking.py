"""Whom to ask for lost packets and keyframes at a tick: all who wait, a bounded number at a time."""

from __future__ import annotations

import itertools
from collections.abc import Collection

from media.feedback import leg_of
from media.streams import Source

ASKS_PER_TICK = 48
"""Sources that are asked for lost packets, or a keyframe, at one tick. A worker that is held up loses packets of all
its legs at once; asking for them all took three quarters of its time, so that it lost more still."""


class Asking:
    """The requests of one worker. `with_holes`, filled by the plane, are the sources that miss packets."""

    def __init__(self, with_holes: set[Source]) -> None:
        self._with_holes = with_holes
        self._keyframes: set[Source] = set()
        self._tick = 0

    def keyframe(self, source: Source, now_s: float) -> None:
        """Ask for a keyframe, at once if that is due and else at a later tick."""
        self._keyframes.add(source)
        self._ask_keyframe(source, now_s)

    def forget(self, source: Source) -> None:
        """Ask no more of a source that has ended."""
        self._keyframes.discard(source)

    @property
    def waits(self) -> bool:
        """Tell whether somebody waits for a keyframe."""
        return bool(self._keyframes)

    def tick(self, now_s: float) -> None:
        """Ask those whose turn it is."""
        self._tick += 1
        for source in self._turn(self._with_holes):
            leg_of(source.end).feedback.ask_again(source, now_s)
            if not source.missing:
                self._with_holes.discard(source)
        for source in self._turn(self._keyframes):
            self._ask_keyframe(source, now_s)

    def _ask_keyframe(self, source: Source, now_s: float) -> None:
        leg_of(source.end).feedback.ask_keyframe(source, now_s)
        if not source.keyframes.pending:
            self._keyframes.discard(source)

    def _turn(self, waiting: Collection[Source]) -> tuple[Source, ...]:
        """Those whose turn it is at this tick: all of them, unless they are too many."""
        turns = -(-len(waiting) // ASKS_PER_TICK) or 1
        return tuple(itertools.islice(waiting, self._tick % turns, None, turns))
