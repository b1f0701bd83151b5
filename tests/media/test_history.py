"""What is kept for retransmission, for how long, and how often it is resent."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.history import MAX_AGE_S, MAX_BYTES, MAX_PACKETS, RESEND_FLOOR_S, History
from media.rtp import MAX_MISORDER


def packet(sequence: int, size: int = 100) -> bytes:
    """An RTP packet of a size and number."""
    return b"\x80\x60" + (sequence & 0xFFFF).to_bytes(2, "big") + bytes(size - 4)


def filled(sequences: range, size: int = 100) -> History:
    """A history after these packets."""
    history = History()
    for sequence in sequences:
        history.put(sequence & 0xFFFF, packet(sequence, size))
    return history


@pytest.mark.parametrize("first", [0, 1000, 65400])
def test_last_packets_are_kept(first: int) -> None:
    """The last MAX_PACKETS, over the wrap; neither older ones nor ones that never came."""
    last = first + 999
    history = filled(range(first, last + 1))
    for sequence in range(last - MAX_PACKETS + 1, last + 1):
        assert history.get(sequence & 0xFFFF) == packet(sequence)
    assert history.get((last - MAX_PACKETS) & 0xFFFF) is None
    assert history.get((last + 1) & 0xFFFF) is None
    assert history.bytes == 100 * MAX_PACKETS


def test_reordered_and_recovered_packets_are_kept() -> None:
    """A packet that comes after newer ones can be resent as well."""
    history = filled(range(10))
    history.put(12, packet(12))
    assert history.get(11) is None
    history.put(11, packet(11))
    assert history.get(11) == packet(11)
    assert history.get(9) == packet(9)


def test_packet_older_than_the_ring_does_not_displace_a_newer_one() -> None:
    """A very late packet is dropped."""
    history = filled(range(1000, 2000))
    history.put(2000 - MAX_PACKETS - 1, packet(2000 - MAX_PACKETS - 1))
    assert history.get(1999) == packet(1999)
    assert history.get(2000 - MAX_PACKETS - 1) is None


def test_gap_is_not_filled_with_what_was_there_before() -> None:
    """Slots that a gap skips hold nothing, and their bytes are given back."""
    history = filled(range(MAX_PACKETS))
    history.put(MAX_PACKETS + 9, packet(MAX_PACKETS + 9))
    assert all(history.get(n) is None for n in range(10))
    assert history.bytes == 100 * (MAX_PACKETS - 9)


def test_jump_beyond_the_ring_empties_it() -> None:
    """After an outage nothing old is left."""
    history = filled(range(100))
    history.put(5000, packet(5000))
    assert history.bytes == 100
    assert history.get(99) is None
    assert history.get(5000) == packet(5000)


def test_bytes_are_bounded() -> None:
    """Full-size packets are kept only as many as MAX_BYTES allows, the newest ones; all of it under 0.25 MB."""
    history = filled(range(1000), size=1200)
    assert history.bytes <= MAX_BYTES
    kept = [n for n in range(1000) if history.get(n) is not None]
    assert kept == list(range(1000 - MAX_BYTES // 1200, 1000))
    memory = sum(sys.getsizeof(history.get(n)) for n in kept) + sys.getsizeof(history._ring)
    assert memory < 250_000


def test_old_packets_expire() -> None:
    """What is older than MAX_AGE_S goes, although nothing new comes; what is younger stays a while."""
    history = filled(range(10))
    history.expire(0.0)
    for sequence in range(10, 20):
        history.put(sequence, packet(sequence))
    history.expire(1.0)
    history.expire(MAX_AGE_S)
    assert history.get(9) is None
    assert history.get(10) is not None
    history.expire(MAX_AGE_S + 1.0)
    assert history.bytes == 0
    history.put(5, packet(5))
    assert history.get(5) is None  # older than what has expired already
    history.put(20, packet(20))
    assert history.get(20) == packet(20)


def test_expiry_notes_are_bounded() -> None:
    """Calling it at each tick of the engine costs no memory and keeps the age to within a second."""
    history = History()
    for tick in range(1000):
        history.put(tick, packet(tick))
        history.expire(tick * 0.02)
    assert len(history._marks) <= MAX_AGE_S / 0.5 + 1
    assert history.get(999 - int(MAX_AGE_S / 0.02)) is not None
    assert history.get(999 - int((MAX_AGE_S + 1) / 0.02)) is None


def test_resending_waits_for_a_round_trip() -> None:
    """The same packet is not sent again while the last copy is under way."""
    history = filled(range(10))
    assert history.resend(5, now_s=0.0, rtt_s=0.2) == packet(5)
    assert history.resend(5, now_s=0.1, rtt_s=0.2) is None
    assert history.resend(5, now_s=0.2, rtt_s=0.2) == packet(5)
    assert history.resend(6, now_s=0.2, rtt_s=0.2) == packet(6)
    assert history.resend(6, now_s=0.2 + RESEND_FLOOR_S / 2, rtt_s=0.0) is None


def test_refused_request_does_not_extend_the_wait() -> None:
    """Someone who asks at each tick still gets a copy each round trip."""
    history = filled(range(10))
    times = [tick for tick in range(100) if history.resend(5, now_s=tick / 100, rtt_s=0.25)]
    assert times == [0, 25, 50, 75]


def test_receivers_are_resent_to_independently() -> None:
    """What one has got is no reason to refuse it to another."""
    history = filled(range(10))
    assert history.resend(5, now_s=0.0, rtt_s=0.2, receiver=1)
    assert history.resend(5, now_s=0.0, rtt_s=0.2, receiver=2)
    assert not history.resend(5, now_s=0.1, rtt_s=0.2, receiver=1)


def test_unknown_packet_is_not_resent() -> None:
    """What is not kept costs nothing, however often it is asked for."""
    history = filled(range(10))
    assert all(history.resend(n, now_s=0.0, rtt_s=0.1) is None for n in range(10, 2000))
    assert len(history._resent) == 0


def test_notes_of_resends_are_bounded() -> None:
    """Many receivers asking for everything do not fill the memory."""
    history = filled(range(MAX_PACKETS))
    for receiver in range(10):
        for sequence in range(MAX_PACKETS):
            assert history.resend(sequence, now_s=0.0, rtt_s=1.0, receiver=receiver)
    assert len(history._resent) <= 512


def test_cleared_history_is_empty() -> None:
    """Nothing is left, and it can be used again."""
    history = filled(range(100))
    history.clear()
    assert history.bytes == 0
    assert history.get(99) is None
    history.put(50, packet(50))
    assert history.get(50) == packet(50)


def test_number_that_has_come_round_begins_anew() -> None:
    """After an outage of half a turn of the numbers the new packets are kept, not taken for late ones."""
    history = filled(range(30000, 30100))
    history.put(5000, packet(5000))
    assert history.get(5000) == packet(5000)
    assert history.get(30099) is None


@given(
    st.integers(0, 0xFFFF),
    st.lists(st.tuples(st.integers(-400, 400), st.integers(12, 1400), st.booleans()), min_size=1, max_size=120),
)
def test_any_order_keeps_the_books(first: int, steps: list[tuple[int, int, bool]]) -> None:
    """Bytes are those of the packets kept, within the bound; what is returned is what was last put; newest is kept."""
    history = History()
    latest: dict[int, bytes] = {}
    at = newest = first
    for n, (step, size, expire) in enumerate(steps):
        at = max(at + step, newest - MAX_MISORDER)
        newest = max(newest, at) if n else at
        latest[at & 0xFFFF] = packet(at, size)
        history.put(at & 0xFFFF, latest[at & 0xFFFF])
        if at == newest:
            assert history.get(at & 0xFFFF) == latest[at & 0xFFFF]
        if expire:
            history.expire(n * 0.7)
    kept = [p for p in history._ring if p is not None]
    assert history.bytes == sum(map(len, kept)) <= MAX_BYTES
    for sequence, expected in latest.items():
        assert history.get(sequence) in {None, expected}
