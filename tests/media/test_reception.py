"""Loss, jitter and clock of a received stream, against the algorithms of RFC 3550 written out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.reception import LATE, Reception
from media.rtp import MAX_MISORDER


def run(reception: Reception, sequences: list[int], step_s: float = 0.02) -> list[int]:
    """Feed packets that arrive as evenly as they were sent; returns what each call returned."""
    return [
        reception.received(s & 0xFFFF, round(n * step_s * 48000) & 0xFFFFFFFF, n * step_s)
        for n, s in enumerate(sequences)
    ]


def test_nothing_received_is_nothing_reported() -> None:
    """Before the first packet there is no report."""
    assert Reception(48000).report(1, 5.0) is None


@pytest.mark.parametrize("first", [0, 1, 30000, 65535])
def test_stream_without_loss(first: int) -> None:
    """Any first number, over the wrap: no loss, and the highest number counts the wraps."""
    reception = Reception(48000)
    assert run(reception, list(range(first, first + 70000))) == [0] * 70000
    report = reception.report(7, 0.0)
    assert report is not None
    assert (report.ssrc, report.fraction_lost, report.packets_lost, report.jitter) == (7, 0, 0, 0)
    assert report.highest_sequence == first + 69999
    assert reception.packets == 70000


def test_gap_is_told_with_its_size() -> None:
    """A gap of two is told by the packet after it, and again at the wrap."""
    reception = Reception(48000)
    assert run(reception, [10, 11, 14, 15]) == [0, 0, 2, 0]
    assert run(Reception(48000), [65534, 65536 + 1]) == [0, 2]


def test_late_packet_is_counted_as_received() -> None:
    """A reordered packet is no loss in the end."""
    reception = Reception(48000)
    assert run(reception, [10, 12, 11, 13]) == [0, 1, LATE, 0]
    assert reception.lost == 0


def test_fraction_is_of_the_time_since_the_last_report() -> None:
    """A quarter lost in one interval, none in the next, and the total stays."""
    reception = Reception(48000)
    run(reception, [0, 1, 2, 3])
    reception.report(1, 0.0)
    run(reception, [4, 5, 7])
    report = reception.report(1, 0.0)
    assert report is not None
    assert (report.fraction_lost, report.packets_lost) == (64, 1)
    run(reception, [8, 9])
    report = reception.report(1, 0.0)
    assert report is not None
    assert (report.fraction_lost, report.packets_lost) == (0, 1)


def test_duplicates_are_no_negative_fraction() -> None:
    """More packets than expected give a fraction of 0 and a negative total (RFC 3550 A.3)."""
    reception = Reception(48000)
    run(reception, [1, 1, 1, 2])
    report = reception.report(1, 0.0)
    assert report is not None
    assert (report.fraction_lost, report.packets_lost) == (0, -2)


def test_interval_without_packets_has_no_fraction() -> None:
    """Two reports in a row do not divide by zero."""
    reception = Reception(48000)
    run(reception, [1, 2])
    reception.report(1, 0.0)
    report = reception.report(1, 0.0)
    assert report is not None
    assert report.fraction_lost == 0


def test_number_that_has_come_round_is_a_gap() -> None:
    """Below what can be late it is ahead: SRTP would not have let an older one through."""
    reception = Reception(48000)
    assert run(reception, [30000, 30001, 5000, 5001]) == [0, 0, 0x10000 - 25002, 0]
    report = reception.report(1, 0.0)
    assert report is not None
    assert report.highest_sequence == 0x10000 + 5001


def test_late_up_to_the_limit_is_misorder() -> None:
    """The oldest packet that counts as late is MAX_MISORDER behind."""
    reception = Reception(48000)
    assert run(reception, [30000, 30000 - MAX_MISORDER]) == [0, LATE]
    assert run(reception, [30000 - MAX_MISORDER - 1]) == [0x10000 - MAX_MISORDER - 2]


def test_jitter_follows_the_standard() -> None:
    """RFC 3550 A.8 written out gives the same over uneven arrivals and a wrap of the timestamp."""
    reception = Reception(90000)
    start, jitter, before = 0xFFFF_FF00, 0.0, None
    for n in range(200):
        sent = n * 3000
        arrival_s = n / 30 + (n * 7919 % 13) / 1000
        transit = arrival_s * 90000 - sent
        wrapped = start + sent > 0xFFFF_FFFF and start + sent - 3000 <= 0xFFFF_FFFF
        if before is not None and not wrapped:  # one sample is left out where the timestamp wraps
            jitter += (abs(transit - before) - jitter) / 16
        before = transit
        reception.received(n, (start + sent) & 0xFFFF_FFFF, arrival_s)
    report = reception.report(1, 0.0)
    assert report is not None
    assert report.jitter == pytest.approx(jitter, abs=1.0)
    assert reception.jitter_s == pytest.approx(jitter / 90000, rel=1e-3)


def test_pause_is_no_jitter() -> None:
    """A camera that was off for a minute, with its timestamps standing still, does not shake."""
    reception = Reception(90000)
    reception.received(1, 0, 0.0)
    reception.received(2, 3000, 1 / 30)
    reception.received(3, 6000, 60.0)
    assert reception.jitter_s < 1e-6


def test_sender_clock_is_returned_with_its_age() -> None:
    """LSR is the middle of the NTP time, DLSR the delay since, both in 1/65536 s; zero before the first report."""
    reception = Reception(48000)
    run(reception, [1])
    report = reception.report(1, 9.0)
    assert report is not None
    assert (report.lsr, report.dlsr) == (0, 0)
    reception.sender_report(0xE1234567_89ABCDEF, 10.0)
    report = reception.report(1, 12.5)
    assert report is not None
    assert (report.lsr, report.dlsr) == (0x456789AB, 5 << 15)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF), st.floats(0, 1e6)), max_size=60))
def test_any_numbers_make_a_report_that_fits(packets: list[tuple[int, int, float]]) -> None:
    """Whatever a sender numbers, the report can be packed."""
    reception = Reception(90000)
    for n, (sequence, timestamp, arrival_s) in enumerate(packets):
        assert reception.received(sequence, timestamp, arrival_s) >= LATE
        if n % 10 == 0:
            report = reception.report(1, arrival_s)
            assert report is not None
            assert len(report.pack()) == 24


@given(st.integers(0, 0xFFFF), st.lists(st.booleans(), min_size=1, max_size=300))
def test_loss_is_what_did_not_come(first: int, came: list[bool]) -> None:
    """Gaps told and losses reported add up to the packets left out between the first and the last that came."""
    reception = Reception(48000)
    sequences = [first + n for n, here in enumerate(came) if here]
    gaps = run(reception, sequences)
    if sequences:
        left_out = sequences[-1] - sequences[0] + 1 - len(sequences)
        assert sum(gaps) == left_out == reception.lost
