"""Whose turn it is to be asked: everybody's while they are few, a bounded number's when a worker was held up."""

from __future__ import annotations

from typing import Any, cast

from media.asking import ASKS_PER_TICK, Asking
from media.streams import Source


class _Leg:
    """Counts how often it was told to ask."""

    def __init__(self) -> None:
        self.feedback = self
        self.asked = 0

    def ask_again(self, _source: Source, _now_s: float) -> None:
        self.asked += 1

    def ask_keyframe(self, _source: Source, _now_s: float) -> None:
        self.asked += 1


class _Source:
    """What `Asking` looks at of a source."""

    def __init__(self, *, missing: bool = True, pending: bool = True) -> None:
        self.end = self
        self.owner = _Leg()
        self.missing = missing
        self.keyframes = self
        self.pending = pending


def _sources(count: int) -> tuple[list[_Source], set[Source]]:
    made = [_Source() for _ in range(count)]
    return made, cast(set[Source], set(made))


def test_few_are_all_asked_at_each_tick() -> None:
    """Somebody who misses a packet does not wait for anybody else."""
    made, holes = _sources(ASKS_PER_TICK)
    asking = Asking(holes)
    asking.tick(1.0)
    asking.tick(1.02)
    assert {source.owner.asked for source in made} == {2}


def test_many_take_turns() -> None:
    """At one tick a bounded number, and after as many ticks as it takes each one once."""
    made, holes = _sources(3 * ASKS_PER_TICK)
    asking = Asking(holes)
    for tick in range(1, 4):
        asking.tick(tick * 0.02)
        assert sum(source.owner.asked for source in made) == tick * ASKS_PER_TICK
    assert {source.owner.asked for source in made} == {1}


def test_who_misses_nothing_any_more_is_let_go() -> None:
    """A hole that was filled, a keyframe that came, and a source that ended are asked for no longer."""
    filled = cast(Any, _Source(missing=False))
    holes = {filled}
    asking = Asking(holes)
    asking.tick(1.0)
    assert not holes
    came, ended = cast(Any, _Source(pending=False)), cast(Any, _Source())
    asking.keyframe(came, 1.0)
    assert not asking.waits
    asking.keyframe(ended, 1.0)
    assert asking.waits
    asking.forget(ended)
    assert not asking.waits
