"""A slot stays one continuous stream whatever its source is."""

from pathlib import Path

import pytest
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from media.rtp import sequence_delta, timestamp_delta
from media.slot import KEYFRAME_WAIT_S, Rewriter

FIXTURES = Path(__file__).parent / "fixtures"
AUDIO_HZ = 48000


def packet(sequence: int, timestamp: int, ssrc: int = 7) -> bytes:
    """A packet with a CSRC, an extension and a payload."""
    head = b"\x91\xef" + (sequence & 0xFFFF).to_bytes(2, "big") + (timestamp & 0xFFFF_FFFF).to_bytes(4, "big")
    return head + ssrc.to_bytes(4, "big") + b"csrc\xbe\xde\x00\x01\x10\x7f\x00\x00payload"


def sent(rewriter: Rewriter, sequence: int, timestamp: int, now_s: float) -> RtpPacket | None:
    """What the slot makes of a packet, everything but the three fields unchanged."""
    source = packet(sequence, timestamp)
    out = rewriter.rewrite(source, sequence & 0xFFFF, now_s)
    if out is None:
        return None
    assert (out[:2], out[12:]) == (source[:2], source[12:])
    assert out[8:12] == rewriter.ssrc.to_bytes(4, "big")
    return RtpPacket.parse(out)


def audio() -> Rewriter:
    """A slot for sound."""
    return Rewriter(0xCAFE0001, AUDIO_HZ, video=False)


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF))
def test_first_source_keeps_its_numbers(sequence: int, timestamp: int) -> None:
    """Nothing but the SSRC is changed."""
    rewriter = audio()
    for n in range(5):
        out = sent(rewriter, sequence + n, timestamp + 960 * n, n * 0.02)
        assert out is not None
        assert out.sequence_number == (sequence + n) & 0xFFFF
        assert out.timestamp == (timestamp + 960 * n) & 0xFFFF_FFFF
    assert rewriter.map_timestamp(timestamp) == timestamp


@given(
    st.lists(
        st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF), st.integers(1, 80), st.floats(0, 20)),
        min_size=2,
        max_size=5,
    )
)
def test_numbers_go_on_over_any_change_of_source(sources: list[tuple[int, int, int, float]]) -> None:
    """Sequence numbers rise by one and timestamps by the time that passed, over all sources."""
    rewriter = audio()
    now_s = 0.0
    before: tuple[RtpPacket, float] | None = None
    for n, (first, start, count, pause_s) in enumerate(sources):
        if n:
            rewriter.switch(now_s)
            assert not rewriter.flowing
            now_s += pause_s
        for k in range(count):
            out = sent(rewriter, first + k, start + 960 * k, now_s)
            assert out is not None
            assert rewriter.map_timestamp((start + 960 * k) & 0xFFFF_FFFF) == out.timestamp
            assert rewriter.source_sequence(out.sequence_number) == (first + k) & 0xFFFF
            if before is not None:
                assert sequence_delta(out.sequence_number, before[0].sequence_number) == 1
                ticks = timestamp_delta(out.timestamp, before[0].timestamp)
                assert ticks >= 1
                assert ticks == pytest.approx((now_s - before[1]) * AUDIO_HZ, abs=2)
            before = out, now_s
            now_s += 0.02


def test_reordered_packets_keep_their_place_after_a_change() -> None:
    """Offsets are those of the source, not of the order of arrival."""
    rewriter = audio()
    sent(rewriter, 100, 0, 0.0)
    rewriter.switch(0.0)
    numbers = {k: sent(rewriter, k, 960 * k, 0.02) for k in (5000, 5002, 5001, 5003)}
    assert {k: out.sequence_number for k, out in numbers.items() if out} == {5000: 101, 5001: 102, 5002: 103, 5003: 104}


def test_change_goes_on_after_the_newest_not_the_last_packet() -> None:
    """A late packet just before the change does not make its successor's number be used twice."""
    rewriter = audio()
    for sequence in (100, 102, 101):
        sent(rewriter, sequence, 960 * sequence, 0.0)
    rewriter.switch(0.0)
    out = sent(rewriter, 9, 0, 0.02)
    assert out is not None
    assert out.sequence_number == 103


def test_packet_from_before_the_change_is_not_sent() -> None:
    """Its number in the slot belongs to the former source."""
    rewriter = audio()
    sent(rewriter, 100, 0, 0.0)
    rewriter.switch(0.0)
    assert sent(rewriter, 5000, 0, 0.02) is not None
    assert sent(rewriter, 4999, 0, 0.02) is None
    for sequence in range(5001, 5001 + 70000):  # a whole turn of the numbers
        rewriter.rewrite(packet(sequence, 0), sequence & 0xFFFF, 0.02)
    assert sent(rewriter, 4998 + 70000, 0, 0.02) is not None


def test_number_that_has_come_round_is_sent() -> None:
    """After an outage of half a turn of the numbers nothing is taken for a packet of the former source."""
    rewriter = audio()
    sent(rewriter, 30000, 0, 0.0)
    out = sent(rewriter, 5000, 0, 60.0)
    assert out is not None
    assert out.sequence_number == 5000
    assert sent(rewriter, 4999, 0, 60.0) is not None


def test_requests_for_the_former_source_are_not_mapped() -> None:
    """Its packets are not in the present source's history, under whatever number; nor is what was never sent."""
    rewriter = audio()
    assert rewriter.source_sequence(100) is None
    for sequence in range(100, 110):
        sent(rewriter, sequence, 0, 0.0)
    assert rewriter.source_sequence(105) == 105
    assert rewriter.source_sequence(110) is None
    rewriter.switch(0.0)
    assert rewriter.source_sequence(105) is None
    sent(rewriter, 60000, 0, 0.02)
    sent(rewriter, 60001, 0, 0.02)
    assert [rewriter.source_sequence(n) for n in (109, 110, 111, 112)] == [None, 60000, 60001, None]


def test_switched_picture_begins_with_a_keyframe() -> None:
    """What builds on pictures the receiver has never seen is held back."""
    keyframe = (FIXTURES / "rtp_vp8_keyframe.bin").read_bytes()
    delta = (FIXTURES / "rtp_vp8_delta.bin").read_bytes()
    number = keyframe[2] << 8 | keyframe[3]
    rewriter = Rewriter(1, 90000, video=True)
    assert rewriter.rewrite(delta, delta[2] << 8 | delta[3], 0.0) is not None  # the first source is not held
    rewriter.switch(1.0)
    assert rewriter.rewrite(delta, delta[2] << 8 | delta[3], 1.1) is None
    assert not rewriter.flowing
    assert rewriter.rewrite(keyframe, number, 1.2) is not None
    assert rewriter.flowing
    assert rewriter.rewrite(keyframe[:2] + (number + 1).to_bytes(2, "big") + delta[4:], number + 1, 1.3) is not None


def test_picture_is_not_held_for_ever() -> None:
    """After KEYFRAME_WAIT_S anything is better than nothing; sound is never held."""
    delta = (FIXTURES / "rtp_vp8_delta.bin").read_bytes()
    sequence = delta[2] << 8 | delta[3]
    rewriter = Rewriter(1, 90000, video=True)
    rewriter.rewrite(delta, sequence, 0.0)
    rewriter.switch(1.0)
    assert rewriter.rewrite(delta, sequence, 1.0 + KEYFRAME_WAIT_S - 0.1) is None
    assert rewriter.rewrite(delta, sequence, 1.0 + KEYFRAME_WAIT_S) is not None


def test_source_that_comes_back_with_fitting_numbers_is_not_moved() -> None:
    """Where the numbers happen to go on, the packets pass unchanged again."""
    rewriter = audio()
    sent(rewriter, 10, 960, 0.0)
    rewriter.switch(0.0)
    out = sent(rewriter, 11, 1920, 0.02)
    assert out is not None
    assert (out.sequence_number, out.timestamp) == (11, 1920)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.booleans()), max_size=100))
def test_any_numbers_and_changes_give_packets_or_nothing(steps: list[tuple[int, bool]]) -> None:
    """Whatever a source numbers, nothing is raised and the length stays."""
    rewriter = audio()
    for n, (sequence, switch) in enumerate(steps):
        if switch:
            rewriter.switch(n * 0.02)
        source = packet(sequence, n * 960)
        out = rewriter.rewrite(source, sequence, n * 0.02)
        assert out is None or len(out) == len(source)
