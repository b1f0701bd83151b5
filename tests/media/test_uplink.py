"""What the relay makes of a browser's packets: feedback for its controller, an estimate for the rung."""

from __future__ import annotations

import struct

from media.rtcp import TransportFeedback, parse_compound
from media.sdp import ABS_SEND_TIME_ID, TRANSPORT_SEQUENCE_ID
from media.twcc import Clock, parse
from media.uplink import Uplink


def packet(number: int, sent_s: float, size: int) -> bytes:
    elements = bytes((ABS_SEND_TIME_ID << 4 | 2,)) + (int(sent_s * (1 << 18)) & 0xFFFFFF).to_bytes(3, "big")
    elements += bytes((TRANSPORT_SEQUENCE_ID << 4 | 1,)) + (number & 0xFFFF).to_bytes(2, "big") + b"\x00"
    return struct.pack("!BBHII", 0x90, 96, number & 0xFFFF, 0, 1) + b"\xbe\xde\x00\x02" + elements + bytes(size - 24)


def run(
    uplink: Uplink, *, link_bps: int, sent_bps: int, seconds: float, lose_every: int = 0, first: int = 65_000
) -> None:
    """Send packets of 800 bytes at a rate through a link of another."""
    free_s, number = 0.0, first
    step_s = 828 * 8 / sent_bps
    looked_s = 0.0
    for index in range(int(seconds / step_s)):
        sent_s = index * step_s
        free_s = max(free_s, sent_s) + 828 * 8 / link_bps
        number += 1
        if lose_every and number % lose_every == 0:
            continue
        uplink.received(packet(number, sent_s, 800), 800, 500.0 + free_s + 0.05)
        if free_s - looked_s > 0.1:
            looked_s = free_s
            uplink.update(500.0 + free_s + 0.05, 0.1)


def test_a_queue_on_the_uplink_is_seen_from_here() -> None:
    """Without asking the page the relay knows that more is sent than goes through."""
    uplink = Uplink()
    run(uplink, link_bps=100_000, sent_bps=150_000, seconds=4)
    assert uplink.estimator.queue_s > 0.15
    assert uplink.way(0.1, 0.0).rate_bps is not None
    assert uplink.estimator.estimate_bps < 130_000


def test_the_first_late_packet_is_known_as_late() -> None:
    """Before the next look has asked for more of them; one that comes in time ends it."""
    uplink = Uplink()
    assert uplink.late_s == 0
    run(uplink, link_bps=1_000_000, sent_bps=100_000, seconds=3)
    assert uplink.late_s < 0.05
    uplink.received(packet(65_200, 3.0, 800), 800, 503.5)
    assert uplink.late_s > 0.3
    uplink.received(packet(65_201, 3.5, 800), 800, 503.56)
    assert uplink.late_s < 0.05


def test_a_sender_that_falls_back_to_untimed_packets_is_not_late_for_ever() -> None:
    """As Firefox, whose voice does not say when it left, when a late picture was the last that did."""
    uplink = Uplink()
    run(uplink, link_bps=1_000_000, sent_bps=100_000, seconds=3)
    uplink.received(packet(65_200, 3.0, 800), 800, 503.5)
    elements = bytes((TRANSPORT_SEQUENCE_ID << 4 | 1,)) + (65_201).to_bytes(2, "big") + b"\x00"
    untimed = struct.pack("!BBHII", 0x90, 111, 1, 0, 1) + b"\xbe\xde\x00\x01" + elements + bytes(60)
    uplink.received(untimed, len(untimed), 503.6)
    assert uplink.late_s == 0


def test_loss_is_counted_by_the_numbers() -> None:
    """What never came is lost, across the wrap of the numbers too."""
    uplink = Uplink()
    run(uplink, link_bps=1_000_000, sent_bps=300_000, seconds=5, lose_every=10)
    assert 0.06 < uplink.estimator.loss < 0.14


def test_a_packet_without_numbers_is_not_counted() -> None:
    """A sender that does not number its packets leaves no trace, and no error."""
    uplink = Uplink()
    plain = struct.pack("!BBHII", 0x80, 96, 1, 0, 1) + bytes(50)
    assert uplink.received(plain, 62, 1.0) == 0
    uplink.update(1.1, 0.1)
    assert uplink.arrivals.build(1, 2, 1.2) == []


def test_feedback_is_stretched_on_a_thin_link() -> None:
    """On 64 kbit/s feedback comes less often than on a good link."""
    uplink = Uplink()

    def feedbacks(link_bps: int) -> int:
        return sum(uplink.feedback_due(now_ms / 1000, link_bps) for now_ms in range(0, 10_000, 20))

    thin = feedbacks(64_000)
    uplink = Uplink()
    assert thin < feedbacks(3_000_000) / 2


def test_a_packet_without_a_send_time_is_not_lost() -> None:
    """Voice that is numbered but not timed, as Firefox sends it, is no loss between pictures that are both."""
    uplink = Uplink()
    for number in range(1, 200):
        made = packet(number, number * 0.02, 300)
        if number % 2:
            made = made.replace(bytes((ABS_SEND_TIME_ID << 4 | 2,)), bytes((7 << 4 | 2,)), 1)
        uplink.received(made, 300, 500 + number * 0.02)
        if number % 5 == 0:
            uplink.update(500 + number * 0.02, 0.1)
    assert uplink.estimator.loss == 0
    assert uplink.estimator.acked_bps > 0


def test_a_cut_is_no_loss() -> None:
    """After ten seconds in which nothing came, the link is what it was: neither estimate nor loss remember them."""
    uplink = Uplink()
    run(uplink, link_bps=1_000_000, sent_bps=300_000, seconds=5, first=0)
    before_bps = uplink.estimator.estimate_bps
    uplink.arrivals.build(1, 2, 505.0)
    lost = round(10 / (828 * 8 / 300_000))
    first = round(5 / (828 * 8 / 300_000)) + lost
    for index in range(1, 60):
        sent_s = 15.0 + index * 0.02
        uplink.received(packet(first + index, sent_s, 800), 800, 500.07 + sent_s)
    uplink.update(516.3, 0.1)
    assert uplink.estimator.loss < 0.02
    assert uplink.estimator.estimate_bps > 0.9 * before_bps
    assert _lost_as_told(uplink, 516.4) == 0


def _lost_as_told(uplink: Uplink, now_s: float) -> int:
    (packets, malformed), clock = parse_compound(b"".join(uplink.arrivals.build(1, 2, now_s))), Clock()
    assert malformed == 0
    reports = [parse(packet.body, clock) for packet in packets if isinstance(packet, TransportFeedback)]
    return sum(arrived_s is None for report in reports for _, arrived_s in report.arrivals)


def test_a_browser_hears_of_no_loss_that_is_the_links_own() -> None:
    """Loss without a queue would make it send next to nothing; with a queue it is told, for then it must send less."""
    radio, full = Uplink(), Uplink()
    run(radio, link_bps=1_000_000, sent_bps=300_000, seconds=5, lose_every=4)
    assert radio.estimator.loss > 0.2
    assert _lost_as_told(radio, 506.0) == 0
    short = Uplink()
    run(short, link_bps=1_000_000, sent_bps=300_000, seconds=5, lose_every=4)
    first = _lost_as_told(short, 506.0)
    for number in range(60):  # each feedback is of a few packets, and begins with one that is missing
        for part in (4 * number + 3, 4 * number + 4):
            sent_s = 6.0 + part * 0.02
            short.received(packet(66_000 + part, sent_s, 800), 800, 500.0 + sent_s)
        first += _lost_as_told(short, 506.0 + number)
    assert first == 0
    run(full, link_bps=100_000, sent_bps=150_000, seconds=4, lose_every=4)
    assert _lost_as_told(full, 508.0) > 10


def _send_twice(uplink: Uplink, *, copies_counted: bool) -> None:
    """200 packets/s of which every second is a copy that SRTP refuses."""
    for number in range(1, 2_001):
        sent_s = number * 0.005
        data, now_s = packet(number, sent_s, 100), 500.05 + sent_s
        if number % 2:
            uplink.received(data, 100, now_s)
        elif copies_counted:
            uplink.repeated(data, 100, now_s)
        if number % 20 == 0:
            uplink.update(now_s, 0.1)


def test_copies_that_were_asked_for_are_not_lost() -> None:
    """SRTP refuses a second copy of a packet of voice; the link carried it all the same."""
    counted, refused = Uplink(), Uplink()
    _send_twice(counted, copies_counted=True)
    _send_twice(refused, copies_counted=False)
    assert refused.estimator.loss > 0.4
    assert counted.estimator.loss < 0.01
    assert counted.estimator.acked_bps > 1.9 * refused.estimator.acked_bps
    assert counted.estimator.queue_s < 0.01
    assert _lost_as_told(counted, 511.0) == 0


def test_a_forged_copy_moves_no_number() -> None:
    """Nobody vouches for a copy: far from what was expected, or before anything came, it is nothing."""
    uplink = Uplink()
    uplink.repeated(packet(7, 0.0, 100), 100, 500.0)
    uplink.update(500.1, 0.1)
    uplink.received(packet(100, 0.0, 100), 100, 500.2)
    uplink.repeated(packet(30_000, 0.0, 100), 100, 500.3)
    uplink.repeated(b"\x80" * 40, 100, 500.3)
    uplink.received(packet(101, 0.1, 100), 100, 500.3)
    uplink.update(500.4, 0.1)
    assert uplink.estimator.loss == 0
    assert _lost_as_told(uplink, 500.4) == 0
