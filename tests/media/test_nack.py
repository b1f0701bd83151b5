"""When a missing packet is asked for, and when it is given up."""

from hypothesis import given
from hypothesis import strategies as st

from media.nack import MAX_AGE_S, MAX_MISSING, MAX_TRIES, REPEAT_FLOOR_S, Missing


def test_gap_is_asked_for_at_once_and_in_order() -> None:
    """Numbers come oldest first, over the wrap."""
    missing = Missing()
    missing.gap(65534, 4, now_s=1.0)
    assert missing.due(1.0, rtt_s=0.1) == [65534, 65535, 0, 1]
    assert len(missing) == 4


def test_request_is_repeated_after_a_round_trip() -> None:
    """Not before an answer can be there, and from then on again."""
    missing = Missing()
    missing.gap(7, 1, now_s=0.0)
    asked = [tick / 100 for tick in range(100) if missing.due(tick / 100, rtt_s=0.3)]
    assert asked == [0.0, 0.3, 0.6, 0.9]


def test_short_round_trip_has_a_floor() -> None:
    """On a local network the same packet is not asked for at each tick."""
    missing = Missing()
    missing.gap(7, 1, now_s=0.0)
    assert missing.due(0.0, rtt_s=0.001)
    assert not missing.due(REPEAT_FLOOR_S - 0.001, rtt_s=0.001)
    assert missing.due(REPEAT_FLOOR_S, rtt_s=0.001)


def test_packet_that_arrived_is_not_asked_for() -> None:
    """A late or retransmitted packet ends its requests; a second copy is told to be one."""
    missing = Missing()
    missing.gap(7, 2, now_s=0.0)
    assert missing.arrived(7)
    assert not missing.arrived(7)
    assert missing.due(0.0, rtt_s=0.1) == [8]


def test_too_many_tries_end_in_a_keyframe() -> None:
    """After MAX_TRIES requests the packet is given up."""
    missing = Missing()
    missing.gap(7, 1, now_s=0.0)
    tries = [tick for tick in range(60) if missing.due(tick * 0.02, rtt_s=0.0)]
    assert len(tries) == MAX_TRIES
    assert missing.needs_keyframe
    assert (len(missing), missing.given_up) == (0, 1)


def test_old_holes_end_in_a_keyframe() -> None:
    """Where the round trip is long, age ends it: no request after MAX_AGE_S."""
    missing = Missing()
    missing.gap(7, 1, now_s=0.0)
    assert missing.due(MAX_AGE_S - 0.1, rtt_s=1.0) == [7]
    assert not missing.needs_keyframe
    assert missing.due(MAX_AGE_S + 0.1, rtt_s=1.0) == []
    assert missing.needs_keyframe


def test_large_hole_is_a_keyframe_at_once() -> None:
    """An outage is not asked for packet by packet."""
    missing = Missing()
    missing.gap(0, 30000, now_s=0.0)
    assert missing.needs_keyframe
    assert missing.due(0.0, rtt_s=0.1) == []
    assert missing.given_up == 30000


def test_many_small_holes_overflow_too() -> None:
    """Holes that add up to more than MAX_MISSING give way together."""
    missing = Missing()
    for n in range(MAX_MISSING):
        missing.gap(2 * n, 1, now_s=0.0)
    assert not missing.needs_keyframe
    missing.gap(2 * MAX_MISSING, 1, now_s=0.0)
    assert missing.needs_keyframe
    assert len(missing) == 0


def test_clear_forgets_everything() -> None:
    """After a keyframe nothing older is asked for."""
    missing = Missing()
    missing.gap(0, MAX_MISSING + 1, now_s=0.0)
    missing.gap(5, 3, now_s=0.0)
    missing.clear()
    assert not missing.needs_keyframe
    assert missing.due(0.0, rtt_s=0.1) == []


actions = st.tuples(st.sampled_from(("gap", "arrived", "due")), st.integers(0, 0xFFFF), st.integers(1, 400))


@given(st.lists(actions, max_size=80), st.floats(0, 3))
def test_size_and_requests_are_bounded_whatever_happens(steps: list[tuple[str, int, int]], rtt_s: float) -> None:
    """Any order of events keeps the table small and asks for nothing more than MAX_TRIES times in its time."""
    missing = Missing()
    asked: dict[int, int] = {}
    for now, (action, sequence, count) in enumerate(steps):
        now_s = now * 0.02
        if action == "gap":
            missing.gap(sequence, count, now_s)
            asked.clear()
        elif action == "arrived":
            missing.arrived(sequence)
        else:
            for number in missing.due(now_s, rtt_s):
                asked[number] = asked.get(number, 0) + 1
        assert len(missing) <= MAX_MISSING
    assert all(times <= MAX_TRIES for times in asked.values())


def test_much_that_is_missing_is_looked_through_seldom() -> None:
    """New holes are asked for at once; the others are looked through again after a while, not at every tick."""
    missing = Missing()
    missing.gap(0, 100, now_s=0.0)
    assert len(missing.due(0.0, rtt_s=0.2)) == 100
    missing.gap(100, 1, now_s=0.02)
    assert missing.due(0.02, rtt_s=0.2) == [100]
    assert missing.due(0.1, rtt_s=0.2) == []
    assert len(missing.due(0.31, rtt_s=0.2)) == 101
