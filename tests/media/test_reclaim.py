"""When a worker gives memory back."""

from __future__ import annotations

import gc
import weakref

from media.reclaim import MAX_WAIT_S, QUIET_S, Reclaiming, reclaim


class _Cycle:
    def __init__(self) -> None:
        self.itself = self


def test_it_is_done_once_after_the_last_leg_went() -> None:
    """Legs that go one after another cost one collection, when there is a pause."""
    done: list[float] = []
    now_s = 0.0
    reclaiming = Reclaiming(lambda: done.append(now_s))
    for step in range(10):
        now_s = step * QUIET_S / 2
        reclaiming.ended(now_s)
        reclaiming.tick(now_s)
    assert done == []
    now_s += QUIET_S
    reclaiming.tick(now_s)
    reclaiming.tick(now_s + 100)
    assert done == [now_s]


def test_it_is_done_where_somebody_always_leaves() -> None:
    """Without a pause it is done at an interval."""
    done: list[float] = []
    reclaiming = Reclaiming(lambda: done.append(0.0))
    for step in range(int(3 * MAX_WAIT_S / (QUIET_S / 2))):
        reclaiming.ended(step * QUIET_S / 2)
        reclaiming.tick(step * QUIET_S / 2)
    assert 2 <= len(done) <= 3


def test_nothing_is_done_while_nobody_left() -> None:
    """A worker at rest does not collect."""
    done: list[float] = []
    Reclaiming(lambda: done.append(0.0)).tick(1e6)
    assert done == []


def test_cycles_are_freed() -> None:
    """What only a full collection finds is gone afterwards."""
    gone = weakref.ref(_Cycle())
    gc.collect(0)
    reclaim()
    assert gone() is None
