"""Transport-wide feedback: read, written, and read back."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rtcp import RtcpError, TransportFeedback, parse_compound
from media.twcc import MAX_REPORTED, TICK_S, Arrivals, Clock, Report, parse

FIXTURES = Path(__file__).parent / "fixtures"


def _body(base: int, count: int, reference: int, number: int, rest: bytes) -> bytes:
    return struct.pack("!HHI", base, count, (reference & 0xFFFFFF) << 8 | number) + rest


def _read(packets: list[bytes], clock: Clock | None = None) -> list[Report]:
    reports = []
    for packet in packets:
        (feedback,), malformed = parse_compound(packet)
        assert malformed == 0
        assert isinstance(feedback, TransportFeedback)
        reports.append(parse(feedback.body, clock or Clock()))
    return reports


def _told(packets: list[bytes]) -> dict[int, float | None]:
    return {sequence: at for report in _read(packets) for sequence, at in report.arrivals}


def test_reads_the_padded_form() -> None:
    """A packet with every kind of chunk and padding, laid out by hand after the draft, is read."""
    (feedback,), malformed = parse_compound((FIXTURES / "rtcp_twcc_all_chunks.bin").read_bytes())
    assert malformed == 0
    assert isinstance(feedback, TransportFeedback)
    report = parse(feedback.body, Clock())
    assert (report.base, report.feedback_count, len(report.arrivals)) == (0xFFFE, 42, 26)
    arrived = {number: at for number, at in report.arrivals if at is not None}
    begin_s = 3 * 0.064
    assert arrived == {
        0xFFFE: pytest.approx(begin_s + 0.001), 0xFFFF: pytest.approx(begin_s + 0.003),
        4: pytest.approx(begin_s + 0.004), 17: pytest.approx(begin_s + 0.005), 18: pytest.approx(begin_s + 0.105),
        23: pytest.approx(begin_s + 0.104),
    }  # fmt: skip


def test_reads_a_run() -> None:
    """A run-length chunk stands for that many packets of one kind."""
    report = parse(_body(65534, 4, 1, 7, b"\x20\x04" + bytes((4, 8, 0, 255))), Clock())
    assert report == Report(65534, 7, [(65534, 0.065), (65535, 0.067), (0, 0.067), (1, pytest.approx(0.13075))])


def test_reads_a_run_of_losses() -> None:
    """Packets of a lost run have no time."""
    assert parse(_body(3, 3, 0, 0, b"\x00\x03"), Clock()).arrivals == [(3, None), (4, None), (5, None)]


def test_reads_a_vector_of_one_bit() -> None:
    """A one-bit vector has fourteen packets; those beyond the count are not read."""
    report = parse(_body(0, 3, 0, 0, b"\xa8\x00" + bytes((4, 4))), Clock())
    assert report.arrivals == [(0, 0.001), (1, None), (2, 0.002)]


def test_reads_a_vector_of_two_bits() -> None:
    """A two-bit vector has seven packets, with differences of one or two bytes, which may be negative."""
    report = parse(_body(0, 3, 0, 0, b"\xd8\x00" + bytes((8,)) + struct.pack("!h", -4)), Clock())
    assert report.arrivals == [(0, 0.002), (1, 0.001), (2, None)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        _body(0, 1, 0, 0, b"")[:7],
        _body(0, 1, 0, 0, b""),
        _body(0, 1, 0, 0, b"\x20"),
        _body(0, 1, 0, 0, b"\x20\x01"),
        _body(0, 2, 0, 0, b"\x40\x02" + bytes(3)),
        _body(0, 1, 0, 0, b"\x60\x01" + bytes(4)),
        _body(0, 1, 0, 0, b"\x00\x00" + bytes(4)),
        _body(0, MAX_REPORTED + 1, 0, 0, b"\x1f\xff" * 2),
    ],
    ids=["empty", "header", "chunks", "half a chunk", "no times", "cut times", "reserved", "empty run", "too many"],
)
def test_refuses_what_cannot_be(body: bytes) -> None:
    """A body that is cut off, reserved or too long is an RtcpError."""
    with pytest.raises(RtcpError):
        parse(body, Clock())


@given(st.binary(max_size=200))
def test_junk_raises_nothing_else(body: bytes) -> None:
    """Whatever comes is a report within bounds or an RtcpError."""
    try:
        report = parse(body, Clock())
    except RtcpError:
        return
    assert len(report.arrivals) <= MAX_REPORTED


def test_the_clock_goes_on_when_the_reference_wraps() -> None:
    """Times go on rising when 24 bits of 64 ms are over, and fall when a report is older than the one before."""
    clock = Clock()
    assert [clock.unwrap(value) for value in (0xFFFFFE, 0xFFFFFF, 0, 1, 0xFFFFFF)] == [
        0xFFFFFE, 0xFFFFFF, 0x1000000, 0x1000001, 0xFFFFFF,
    ]  # fmt: skip


def test_says_nothing_when_nothing_came() -> None:
    """There is no feedback without packets, nor twice for the same ones."""
    arrivals = Arrivals()
    assert arrivals.build(1, 2, 0.0) == []
    arrivals.received(9, 1.0)
    assert len(arrivals.build(1, 2, 1.1)) == 1
    assert arrivals.build(1, 2, 1.2) == []


def test_names_both_ends_and_counts() -> None:
    """Feedback carries both SSRCs and a number that counts on."""
    arrivals = Arrivals()
    numbers = []
    for sequence in range(260):
        arrivals.received(sequence, sequence * 0.01)
        (packet,) = arrivals.build(0x11111111, 0x22222222, 0.0)
        (feedback,), _ = parse_compound(packet)
        assert isinstance(feedback, TransportFeedback)
        assert (feedback.sender_ssrc, feedback.media_ssrc) == (0x11111111, 0x22222222)
        numbers.append(parse(feedback.body, Clock()).feedback_count)
    assert numbers == [number & 0xFF for number in range(260)]


def test_tells_of_losses_between() -> None:
    """Packets that did not come before one that did are reported without a time."""
    arrivals = Arrivals()
    for sequence in (65533, 65535, 2):
        arrivals.received(sequence, 5.0)
    assert _told(arrivals.build(1, 2, 5.0)) == {65533: 5.0, 65534: None, 65535: 5.0, 0: None, 1: None, 2: 5.0}


def test_what_the_link_loses_is_passed_over_and_forgiven() -> None:
    """Excused losses are in no feedback for a second, and then in one as if they came now, whatever came since."""
    arrivals = Arrivals()
    arrivals.excused = True
    for sequence in (65533, 65535, 0, 3):
        arrivals.received(sequence, 5.0)
    packets = arrivals.build(1, 2, 5.0)
    assert len(packets) == 3
    assert _told(packets) == {65533: 5.0, 65535: 5.0, 0: 5.0, 3: 5.0}
    arrivals.received(1, 5.5)
    arrivals.received(4, 5.5)
    assert _told(arrivals.build(1, 2, 5.5)) == {1: 5.5, 3: 5.0, 4: 5.5}
    arrivals.received(5, 6.2)
    regular, forgiven = arrivals.build(1, 2, 6.2)
    assert _told([regular]) == {5: pytest.approx(6.2)}
    assert _told([forgiven]) == {65534: 6.2, 65535: 6.2, 0: 6.2, 1: 6.2, 2: 6.2}
    arrivals.received(6, 8.0)
    assert len(arrivals.build(1, 2, 8.0)) == 1


def test_what_is_no_longer_excused_is_not_forgiven() -> None:
    """When a queue stands the sender is to know what was lost."""
    arrivals = Arrivals()
    arrivals.excused = True
    for sequence in (1, 3):
        arrivals.received(sequence, 5.0)
    arrivals.build(1, 2, 5.0)
    arrivals.excused = False
    arrivals.received(5, 6.2)
    assert _told(arrivals.build(1, 2, 6.2)) == {4: None, 5: pytest.approx(6.2)}
    arrivals.excused = True
    arrivals.received(6, 7.5)
    assert _told(arrivals.build(1, 2, 7.5)) == {6: 7.5}


def test_a_new_beginning_has_nothing_to_forgive() -> None:
    """What was passed over before the sender began anew is not told of in its new numbers."""
    arrivals = Arrivals()
    arrivals.excused = True
    for sequence in (10_000, 10_002, 10_004):
        arrivals.received(sequence, 5.0)
    arrivals.build(1, 2, 5.0)
    for sequence in (40_000, 40_002):
        arrivals.received(sequence, 5.5)
    arrivals.build(1, 2, 5.5)
    arrivals.received(40_003, 6.6)
    assert _told(arrivals.build(1, 2, 6.6)) == {40_003: pytest.approx(6.6), 40_001: pytest.approx(6.6)}


def test_forgiving_is_bounded() -> None:
    """Thousands of losses are told of in feedbacks that pass any path."""
    arrivals = Arrivals()
    arrivals.excused = True
    for sequence in range(0, 1_800, 3):
        arrivals.received(sequence, 5.0 + sequence / 1_000)
    arrivals.build(1, 2, 6.8)
    arrivals.received(1_800, 8.0)
    packets = arrivals.build(1, 2, 8.0)
    assert all(len(packet) < 1_000 for packet in packets)
    assert len(_told(packets)) > 1_700


def test_losses_go_on_from_the_report_before() -> None:
    """A packet lost between two reports is told of in the second."""
    arrivals = Arrivals()
    arrivals.received(1, 1.0)
    arrivals.build(1, 2, 1.0)
    arrivals.received(3, 1.1)
    assert _told(arrivals.build(1, 2, 1.1)) == {2: None, 3: pytest.approx(1.1)}


def test_a_late_packet_is_reported_again() -> None:
    """What was reported lost and comes late is reported with its time; a duplicate changes nothing."""
    arrivals = Arrivals()
    arrivals.received(1, 1.0)
    arrivals.received(3, 1.0)
    arrivals.build(1, 2, 1.0)
    arrivals.received(2, 1.5)
    arrivals.received(3, 9.0)
    told = _told(arrivals.build(1, 2, 1.5))
    assert told == {2: 1.5, 3: 1.0}
    arrivals.received(3, 9.0)
    assert arrivals.build(1, 2, 9.0) == []


def test_a_new_beginning_is_no_loss() -> None:
    """A sender that jumps far ahead or back began anew: nothing between is reported."""
    arrivals = Arrivals()
    arrivals.received(100, 1.0)
    arrivals.received(20_000, 1.0)
    assert _told(arrivals.build(1, 2, 1.0)) == {20_000: 1.0}
    arrivals.received(5, 2.0)
    assert _told(arrivals.build(1, 2, 2.0)) == {5: 2.0}


def test_a_long_pause_begins_a_new_packet() -> None:
    """More than eight seconds between two packets do not fit a difference, so two feedbacks tell of them."""
    arrivals = Arrivals()
    arrivals.received(1, 1.0)
    arrivals.received(3, 21.0)
    packets = arrivals.build(1, 2, 21.0)
    assert len(packets) == 2
    assert _told(packets) == {1: 1.0, 2: None, 3: 21.0}


def test_many_packets_are_several_feedbacks() -> None:
    """Feedback of a second of a fast link is cut into packets that pass any path."""
    arrivals = Arrivals()
    shuffled = random.Random(1)
    for sequence in range(1500):
        arrivals.received(sequence, 1 + sequence * 0.0005 + shuffled.random() * 0.2)
    packets = arrivals.build(1, 2, 2.0)
    assert max(map(len, packets)) < 1100
    assert len(_told(packets)) == 1500


def test_the_oldest_is_given_up_for_the_newest() -> None:
    """When nobody asks for feedback the ring keeps the newest packets."""
    arrivals = Arrivals()
    for sequence in range(70_000):
        arrivals.received(sequence & 0xFFFF, sequence * 0.001)
    told = _told(arrivals.build(1, 2, 70.0))
    assert len(told) == 2048
    assert told[69_999 & 0xFFFF] == pytest.approx(69.999)


def test_feedback_costs_no_more_than_its_share() -> None:
    """The time between feedbacks stretches on thin links to 3 % of them, within 50 and 500 ms."""
    arrivals = Arrivals()
    for sequence in range(10):
        arrivals.received(sequence, sequence * 0.06)
        arrivals.build(1, 2, 0.0)
    assert arrivals.interval_s(10_000_000) == 0.05
    assert arrivals.interval_s(1) == 0.5
    interval_s = arrivals.interval_s(64_000)
    assert 0.2 < interval_s < 0.5
    assert 0.05 < arrivals.interval_s(None) < 0.5


@pytest.mark.parametrize(("link_bps", "packets_s"), [(64e3, 17), (64e3, 40), (128e3, 40), (512e3, 80), (3e6, 300)])
def test_feedback_keeps_its_share_over_time(link_bps: float, packets_s: int) -> None:
    """A minute of feedback, with all that wraps it, takes at most 3 % of the link it is sent on, or twice a second."""
    arrivals = Arrivals()
    jitter = random.Random(1)
    feedback_bytes, next_s, feedbacks = 0, 0.0, 0
    for number in range(60 * packets_s):
        now_s = number / packets_s
        arrivals.received(number & 0xFFFF, now_s + jitter.random() * 0.03)
        if now_s >= next_s:
            next_s = now_s + arrivals.interval_s(int(link_bps))
            packets = arrivals.build(1, 2, now_s)
            feedbacks += len(packets)
            feedback_bytes += sum(len(packet) + 48 for packet in packets)
    assert feedback_bytes * 8 / 60 <= 0.032 * link_bps
    assert feedbacks >= 110


@given(
    st.integers(0, 0xFFFF),
    st.floats(0, 1e7),
    st.lists(st.tuples(st.integers(1, 40), st.floats(-0.05, 0.5)), min_size=1, max_size=300),
)
def test_what_is_written_is_read(base: int, begin_s: float, steps: list[tuple[int, float]]) -> None:
    """Times survive within a tick, whatever is lost, reordered or wraps."""
    arrivals = Arrivals()
    sequence, at_s = base, begin_s + 100
    expected: dict[int, float] = {}
    for ahead, wait_s in steps:
        arrivals.received(sequence & 0xFFFF, at_s)
        expected[sequence & 0xFFFF] = at_s
        sequence, at_s = sequence + ahead, at_s + wait_s
    packets = arrivals.build(1, 2, at_s)
    assert all(len(packet) % 4 == 0 for packet in packets)
    clock = Clock()
    got = {number: at for report in _read(packets, clock) for number, at in report.arrivals}
    newest = {number: at for number, at in got.items() if at is not None}
    offset_s = 0x1000000 * 0.064 * round((at_s - max(newest.values())) / (0x1000000 * 0.064))
    for number, time_s in newest.items():
        assert time_s + offset_s == pytest.approx(expected[number], abs=TICK_S)
    assert set(newest) <= set(expected)
    if sequence - base < 2000:
        assert set(newest) == set(expected)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.floats(0, 1e9)), max_size=60))
def test_any_arrivals_can_be_reported(packets: list[tuple[int, float]]) -> None:
    """Whatever numbers come in whatever order, feedback is built and readable, once."""
    arrivals = Arrivals()
    for sequence, at_s in packets:
        arrivals.received(sequence, at_s)
    for report in _read(arrivals.build(1, 2, 0.0)):
        assert len(report.arrivals) <= 400
    assert arrivals.build(1, 2, 0.0) == []
