"""The ladder keeps its rules for any link: down at once, up with patience, steady on a steady link."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from media.ladder import CHANGE_EVERY_S, CLIMB_AFTER_MOST_S, CLIMB_AFTER_S, START_CHANGE_EVERY_S, START_S, Ladder

LATER_S = 1000.0
"""Long after the beginning."""

looks = st.lists(
    st.tuples(st.floats(0.05, 20), st.integers(0, 5), st.integers(0, 5)).map(
        lambda look: (look[0], look[1], min(look[1], look[2]))
    ),
    max_size=200,
)
"""Time since the look before, the highest rung that can be kept, and the highest that could be entered."""


def settled(rung: int) -> Ladder:
    ladder = Ladder(0.0, rung)
    ladder.step(LATER_S, rung, rung)
    return ladder


def climb_time(ladder: Ladder, from_s: float, enter: int = 5) -> float:
    """When the ladder climbs on a link that is good from now on."""
    rung, now_s = ladder.rung, from_s
    while ladder.rung == rung:
        now_s += 0.1
        ladder.step(now_s, enter, enter)
        assert now_s < from_s + 2 * CLIMB_AFTER_MOST_S
    return now_s


@given(looks)
@settings(max_examples=150, deadline=None)
def test_rules_hold_on_any_link(steps: list[tuple[float, int, int]]) -> None:
    """Never above what can be kept; up by one rung and seldom, except in the beginning."""
    ladder, now_s, changed_s = Ladder(0.0, 4), 0.0, 0.0
    for elapsed_s, keep, enter in steps:
        before, starting = ladder.rung, ladder.starting(now_s + elapsed_s)
        now_s += elapsed_s
        after = ladder.step(now_s, keep, enter)
        assert after <= max(keep, before if keep >= before else keep)
        if after > before:
            assert now_s - changed_s >= (START_CHANGE_EVERY_S if starting else CHANGE_EVERY_S)
            assert after == before + 1 or starting
        if after != before:
            changed_s = now_s


@given(looks, st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_ends_in_a_steady_rung(steps: list[tuple[float, int, int]], fits: int) -> None:
    """Whatever was before, a constant link ends in the rung that fits it, and stays there."""
    ladder, now_s = Ladder(0.0, 4), 0.0
    for elapsed_s, keep, enter in steps:
        now_s += elapsed_s
        ladder.step(now_s, keep, enter)
    for _ in range(6 * 9):
        now_s += 60
        ladder.step(now_s, fits, fits)
    assert ladder.rung == fits


def test_goes_down_at_once() -> None:
    """A rung that cannot be kept is left at the same look, whatever lies between."""
    assert settled(5).step(LATER_S + 0.1, 1, 1) == 1


def test_goes_up_one_rung_after_half_a_minute() -> None:
    """Each rung needs its own half minute of a good link."""
    ladder = settled(2)
    first_s = climb_time(ladder, LATER_S)
    assert ladder.rung == 3
    assert CLIMB_AFTER_S <= first_s - LATER_S <= CLIMB_AFTER_S + 0.3
    second_s = climb_time(ladder, first_s)
    assert ladder.rung == 4
    assert second_s - first_s >= CLIMB_AFTER_S - 0.2


def test_bad_moment_starts_the_wait_again() -> None:
    """Thirty seconds are counted from the last moment the link was not good."""
    ladder = settled(3)
    for tick in range(290):
        ladder.step(LATER_S + tick * 0.1, 5, 5)
    ladder.step(LATER_S + 29, 3, 3)
    assert climb_time(ladder, LATER_S + 29) - LATER_S - 29 >= CLIMB_AFTER_S


def test_failed_climb_doubles_the_wait_up_to_a_bound() -> None:
    """A link that does not bear the climb is tried ever more seldom."""
    ladder, now_s, waits = settled(3), LATER_S, []
    for _ in range(7):
        from_s = now_s
        now_s = climb_time(ladder, from_s, 4)
        waits.append(round(now_s - from_s))
        now_s += 3
        assert ladder.step(now_s, 3, 3) == 3
    assert waits == [30, 60, 120, 240, 480, 480, 480]
    assert ladder.failures == 7


def test_climb_that_holds_ends_the_long_wait() -> None:
    """After a minute on the higher rung the next wait is the first one again."""
    ladder = settled(3)
    now_s = climb_time(ladder, LATER_S, 4)
    ladder.step(now_s + 3, 3, 3)
    now_s = climb_time(ladder, now_s + 3, 4)
    assert ladder.wait_s == 2 * CLIMB_AFTER_S
    ladder.step(now_s + 61, 4, 4)
    assert ladder.wait_s == CLIMB_AFTER_S


def test_beginning_goes_straight_to_what_is_proven() -> None:
    """In the first seconds the ladder may jump, once in two seconds."""
    ladder = Ladder(0.0, 2)
    assert ladder.step(START_CHANGE_EVERY_S - 0.1, 5, 5) == 2
    assert ladder.step(START_CHANGE_EVERY_S, 5, 5) == 5
    assert not ladder.starting(START_S)


def test_second_fall_ends_the_beginning() -> None:
    """A link that comes and goes is given no more jumps."""
    ladder = Ladder(0.0, 5)
    ladder.step(1, 3, 3)
    ladder.step(3, 5, 5)
    ladder.step(4, 2, 2)
    assert not ladder.starting(4.1)
    assert ladder.step(7, 5, 5) == 2
