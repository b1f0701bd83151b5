"""Voice first, repairs before pictures, pictures whole or not at all."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.pacer import BURST_S, HARD_BOUND_S, MAX_PACKETS, MAX_SOURCES, Kind, Pacer


def _picture(
    pacer: Pacer[str],
    name: str,
    now_s: float,
    packets: int = 2,
    size: int = 500,
    keyframe: bool = False,
    source: int = 1,
) -> list[bool]:
    """Let the packets of one picture wait; returns which were taken."""
    return [
        pacer.put(Kind.VIDEO, f"{name}{n}", size, now_s, n == packets - 1, source=source, keyframe=keyframe)
        for n in range(packets)
    ]


def _drain(pacer: Pacer[str], from_s: float, to_s: float) -> list[tuple[float, str]]:
    """Ask each time something is due; returns what left and when."""
    left: list[tuple[float, str]] = []
    now_s = from_s
    while pacer.next_due_s is not None:
        now_s = max(now_s, pacer.next_due_s)
        if now_s > to_s:
            break
        left.extend((now_s, item) for item in pacer.due(now_s))
    return left


def test_a_fast_link_lets_all_through() -> None:
    """A picture that the link takes in its stride is sent at once."""
    pacer: Pacer[str] = Pacer(10e6)
    assert all(pacer.offer(1.0 + picture * 0.04, 1200) for picture in range(10) for _ in range(8))


def test_a_thin_link_spreads_a_picture() -> None:
    """At 100 kbit/s packets of 500 bytes leave 40 ms apart."""
    pacer: Pacer[str] = Pacer(100e3)
    assert pacer.offer(1.0, 500)
    assert not pacer.offer(1.0, 500)
    _picture(pacer, "p", 1.0, packets=4)
    times = [at for at, _ in _drain(pacer, 1.0, 9.0)]
    assert [later - before for before, later in pairwise(times)] == pytest.approx([0.04] * 3)
    assert times[0] == pytest.approx(1.04 - BURST_S)


def test_nothing_overtakes_what_waits() -> None:
    """While something waits a packet that is offered must wait too."""
    pacer: Pacer[str] = Pacer(100e3)
    _picture(pacer, "p", 1.0)
    assert not pacer.offer(9.0, 100)


def test_voice_is_charged_and_never_held_back() -> None:
    """Voice delays pictures by what it takes of the rate, but not for ever."""
    pacer: Pacer[str] = Pacer(100e3)
    pacer.voice(1.0, 1000)
    assert not pacer.offer(1.05, 500)
    assert pacer.offer(1.08, 500)
    for _ in range(100):
        pacer.voice(2.0, 1000)
    assert pacer.offer(2.31, 500)


def test_repairs_leave_before_pictures_and_padding_last() -> None:
    """What waits leaves in the order repair, picture, padding."""
    pacer: Pacer[str] = Pacer(100e3)
    pacer.voice(1.0, 500)
    pacer.put(Kind.PADDING, "padding", 100, 1.0)
    _picture(pacer, "p", 1.0)
    pacer.put(Kind.REPAIR, "repair", 100, 1.0)
    assert [item for _, item in _drain(pacer, 1.0, 9.0)] == ["repair", "p0", "p1", "padding"]


def test_the_rate_is_kept() -> None:
    """Over a second what leaves is the rate, and a burst no more."""
    pacer: Pacer[str] = Pacer(200e3)
    sent = 0
    for tick in range(200):
        now_s = 1.0 + tick * 0.005
        if not pacer.offer(now_s, 400) and pacer.queue_s < 0.2:
            pacer.put(Kind.VIDEO, "x", 400, now_s, True)
        else:
            sent += pacer.queue_s == 0
        sent += len(pacer.due(now_s))
    assert sent * 400 * 8 <= 200e3 * (1 + BURST_S) + 2 * 400 * 8


def test_a_full_queue_drops_whole_pictures() -> None:
    """When 300 ms wait the next picture is dropped, not part of one, and what needs it until a keyframe comes."""
    pacer: Pacer[str] = Pacer(100e3)
    taken = [_picture(pacer, f"{n}-", 1.0) for n in range(8)]
    assert taken == [[True, True]] * 4 + [[False, False]] * 4
    assert pacer.needs_keyframe == {1}
    assert pacer.dropped_frames == 4
    assert len(_drain(pacer, 1.0, 9.0)) == 8
    assert _picture(pacer, "still dropped", 2.0) == [False, False]
    assert not pacer.offer(2.0, 10)
    assert _picture(pacer, "key", 2.1, keyframe=True) == [True, True]
    assert pacer.needs_keyframe == set()
    assert _picture(pacer, "after", 2.2) == [True, True]


def test_a_picture_nothing_refers_to_goes_alone() -> None:
    """Dropping a picture that no other needs asks for no keyframe and costs no other."""
    pacer: Pacer[str] = Pacer(100e3)
    for n in range(4):
        _picture(pacer, f"{n}", 1.0)
    assert not pacer.put(Kind.VIDEO, "top", 500, 1.0, True, source=1, keyframe=False, reference=False)
    assert pacer.needs_keyframe == set()
    _drain(pacer, 1.0, 2.0)
    assert _picture(pacer, "next", 2.0) == [True, True]


def test_without_knowledge_of_keyframes_pictures_go_on() -> None:
    """If the caller cannot tell keyframes, only the picture itself is dropped; a keyframe is asked for."""
    pacer: Pacer[str] = Pacer(100e3)
    taken = [pacer.put(Kind.VIDEO, "x", 500, 1.0, True) for _ in range(10)]
    assert taken.count(False) == 2
    assert pacer.needs_keyframe == {None}
    _drain(pacer, 1.0, 3.0)
    assert pacer.put(Kind.VIDEO, "x", 500, 3.0, True)


def test_a_keyframe_may_take_its_time() -> None:
    """On a thin link a keyframe is longer than the bound; it and the pictures after it are sent all the same."""
    pacer: Pacer[str] = Pacer(64e3)
    assert all(_picture(pacer, "key", 1.0, packets=8, size=1000, keyframe=True))
    assert all(_picture(pacer, "next", 1.1, packets=1, size=400))
    left = _drain(pacer, 1.0, 9.0)
    assert len(left) == 9
    assert left[-1][0] == pytest.approx(2.0, abs=0.05)


def test_a_keyframe_replaces_what_is_late() -> None:
    """When a keyframe comes to a full queue what waits of its source is dropped, others' is not."""
    pacer: Pacer[str] = Pacer(100e3)
    _picture(pacer, "other", 1.0, source=2)
    for n in range(4):
        _picture(pacer, f"{n}", 1.0)
    _picture(pacer, "key", 1.05, keyframe=True)
    assert [item for _, item in _drain(pacer, 1.05, 9.0)] == ["other0", "other1", "key0", "key1"]


def test_at_least_three_packets_may_wait() -> None:
    """However slow the link, three packets are let in."""
    pacer: Pacer[str] = Pacer(1_000)
    assert [pacer.put(Kind.VIDEO, "x", 500, 1.0, True) for _ in range(4)] == [True, True, True, False]


def test_nothing_old_is_replayed_after_a_cut() -> None:
    """What has waited for longer than the bound is dropped up to the next keyframe in the queue."""
    pacer: Pacer[str] = Pacer(100e3)
    pacer.voice(1.0, 500)
    _picture(pacer, "old", 1.0)
    pacer.put(Kind.REPAIR, "repair", 100, 1.0)
    _picture(pacer, "key", 10.9, keyframe=True)
    _picture(pacer, "after", 10.9)
    assert [item for _, item in _drain(pacer, 11.0, 19.0)] == ["key0", "key1", "after0", "after1"]
    assert pacer.needs_keyframe == set()


def test_old_pictures_without_a_keyframe_wait_for_one() -> None:
    """If no keyframe waits the source is dropped until one comes."""
    pacer: Pacer[str] = Pacer(100e3)
    pacer.voice(1.0, 500)
    _picture(pacer, "old", 1.0)
    assert pacer.due(11.0) == []
    assert not pacer
    assert pacer.needs_keyframe == {1}
    assert _picture(pacer, "after", 11.0) == [False, False]
    assert _picture(pacer, "key", 11.1, keyframe=True) == [True, True]


def test_a_fallen_rate_shortens_the_queue() -> None:
    """When the rate falls what waits is measured anew: no old pictures for seconds."""
    pacer: Pacer[str] = Pacer(2e6)
    pacer.voice(1.0, 500)
    for n in range(60):
        _picture(pacer, f"{n}-", 1.0)
    pacer.rate_bps = 64e3
    left = _drain(pacer, 1.1, 99.0)
    assert left == [] or left[-1][0] < 1.1 + HARD_BOUND_S
    assert pacer.needs_keyframe == {1}


def test_goes_on_asking_for_a_keyframe() -> None:
    """A request may be lost: each picture dropped for want of a keyframe asks anew."""
    pacer: Pacer[str] = Pacer(100e3)
    for n in range(6):
        _picture(pacer, f"{n}-", 1.0)
    pacer.needs_keyframe.clear()
    _drain(pacer, 1.0, 9.0)
    assert _picture(pacer, "later", 9.0) == [False, False]
    assert pacer.needs_keyframe == {1}


def test_clears_pictures() -> None:
    """Clearing drops pictures and repairs; a keyframe is needed then."""
    pacer: Pacer[str] = Pacer(100e3)
    _picture(pacer, "p", 1.0)
    pacer.put(Kind.REPAIR, "repair", 100, 1.0)
    pacer.clear_video()
    assert not pacer
    assert pacer.next_due_s is None
    assert pacer.needs_keyframe == {1}


def test_forgets_a_source() -> None:
    """A source that leaves takes along what waits of it, and holds up nothing any more."""
    pacer: Pacer[str] = Pacer(100e3)
    for n in range(8):
        _picture(pacer, f"{n}-", 1.0)
    pacer.forget(1)
    assert not pacer
    assert pacer.needs_keyframe == set()
    assert pacer.offer(5.0, 100)


events = st.lists(
    st.tuples(
        st.sampled_from(["voice", "offer", "video", "repair", "padding", "due", "rate", "clear", "forget"]),
        st.integers(1, 1500),
        st.integers(0, MAX_SOURCES + 2),
        st.booleans(),
        st.sampled_from([True, False, None]),
        st.floats(0, 0.5),
    ),
    max_size=150,
)


@given(events)
def test_whatever_happens_the_queue_is_bounded_and_counted(
    happened: list[tuple[str, int, int, bool, bool | None, float]],
) -> None:
    """Bytes and packets add up, nothing waits beyond the bounds, and all that is taken leaves or is dropped."""
    pacer: Pacer[int] = Pacer(200e3)
    now_s, taken, left = 0.0, 0, 0
    for what, size, source, marker, keyframe, wait_s in happened:
        now_s += wait_s
        match what:
            case "voice":
                pacer.voice(now_s, size)
            case "offer":
                pacer.offer(now_s, size)
            case "video":
                taken += pacer.put(Kind.VIDEO, size, size, now_s, marker, source=source, keyframe=keyframe)
            case "repair":
                taken += pacer.put(Kind.REPAIR, size, size, now_s)
            case "padding":
                taken += pacer.put(Kind.PADDING, size, size, now_s)
            case "due":
                left += len(pacer.due(now_s))
            case "rate":
                pacer.rate_bps = size * 1000.0
            case "clear":
                pacer.clear_video()
            case "forget":
                pacer.forget(source)
        waiting = [one for queue in pacer._queues for one in queue]
        assert pacer._bytes == sum(one.size_bytes for one in waiting)
        assert pacer._plain_bytes == sum(one.size_bytes for one in pacer._queues[Kind.VIDEO] if not one.keyframe)
        assert bool(pacer) == bool(waiting) == (pacer.next_due_s is not None)
        assert len(waiting) <= MAX_PACKETS
        assert len(pacer._sources) <= MAX_SOURCES
        assert pacer._dropping == sum(one.drop is not None for one in pacer._sources.values())
        assert left + len(waiting) <= taken <= left + len(waiting) + pacer.dropped_packets
