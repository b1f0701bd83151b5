"""Requests for what a sender is about to send: which numbers, how often, and never too many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from media.ahead import EVERY_S, MOST, Ahead

TICK_S = 0.02


def _follow(ahead: Ahead, *, per_s: float, rtt_s: float, seconds: float, first: int = 1_000) -> dict[int, list[float]]:
    """Let a stream run; returns for each number when it was asked for, in seconds after it was sent."""
    asked: dict[int, list[float]] = {}
    for tick in range(int(seconds / TICK_S)):
        now_s = tick * TICK_S
        newest = first + int((now_s - rtt_s / 2) * per_s)  # what was sent half a round trip ago has come
        for number in ahead.due(now_s, rtt_s, newest):
            asked.setdefault(number, []).append(now_s + rtt_s / 2 - (number - first) / per_s)
    return asked


def test_each_packet_is_asked_for_just_after_it_was_sent() -> None:
    """Of 50 packets a second over 0.1 s each one is named in two requests that come when it has been sent."""
    asked = _follow(Ahead(), per_s=50, rtt_s=0.1, seconds=20)
    learned = [times for number, times in asked.items() if 1_000 + 5 * 50 < number < 1_000 + 19 * 50]
    assert len(learned) > 600
    assert all(sum(-1e-6 <= late_s <= 0.15 for late_s in times) >= 2 for times in learned)


def test_a_slow_stream_is_asked_for_few() -> None:
    """Of five pictures a second no more is asked for than the next two packets."""
    ahead = Ahead()
    _follow(ahead, per_s=5, rtt_s=0.1, seconds=10)
    assert ahead.due(20.0, 0.1, 2_000) == []  # a jump: it begins to learn anew
    assert ahead.due(20.1, 0.1, 2_000) == [2_001]


def test_nothing_is_asked_of_a_stream_that_has_not_begun() -> None:
    """Before the first packet there is no number to ask for."""
    ahead = Ahead()
    assert ahead.due(1.0, 0.1, -1) == []
    assert ahead.due(1.1, 0.1, 7) == []


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(-100, 70_000), st.floats(0, 5)), max_size=60))
def test_a_request_is_small_whatever_the_stream_does(steps: list[tuple[float, int, float]]) -> None:
    """Any order of times and numbers gives requests of 16-bit numbers, a bounded count of them, and not too often."""
    ahead, now_s, last_s = Ahead(), 0.0, float("-inf")
    for pause_s, highest, rtt_s in steps:
        now_s += pause_s
        asked = ahead.due(now_s, rtt_s, highest)
        assert len(asked) <= MOST
        assert all(0 <= number <= 0xFFFF for number in asked)
        if asked:
            assert now_s - last_s >= EVERY_S
            last_s = now_s
