"""Parsing of hostile compounds and packing of our own."""

from pathlib import Path

import pytest
from aiortc.rtp import RtcpPacket, RtcpRtpfbPacket, unpack_remb_fci
from hypothesis import example, given
from hypothesis import strategies as st

from media import rtcp
from media.rtcp import (
    Bye,
    FullIntra,
    Nack,
    PictureLoss,
    ReceiverReport,
    Remb,
    ReportBlock,
    SenderReport,
    SourceDescription,
    TransportFeedback,
    Unknown,
    pack_compound,
    parse_compound,
)

FIXTURES = Path(__file__).parent / "fixtures"

bytes_1 = st.integers(0, 0xFF)
numbers = st.integers(0, 0xFFFF_FFFF)
words = st.binary(max_size=40).map(lambda b: b[: len(b) & ~3])
blocks = st.builds(ReportBlock, numbers, bytes_1, st.integers(-0x800000, 0x7FFFFF), numbers, numbers, numbers, numbers)
reports = st.lists(blocks, max_size=31).map(tuple)
ssrcs = st.lists(numbers, max_size=31).map(tuple)
items = st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=255)), max_size=8).map(tuple)


@st.composite
def nacks(draw: st.DrawFn) -> Nack:
    """NACKs whose numbers rise, over the wrap too, by any steps."""
    sequence = draw(st.integers(0, 0xFFFF))
    lost = [sequence]
    for step in draw(st.lists(st.integers(1, 40), max_size=60)):
        lost.append((lost[-1] + step) & 0xFFFF)
    return Nack(draw(numbers), draw(numbers), tuple(lost))


rembs = st.builds(
    Remb,
    numbers,
    st.builds(lambda mantissa, exponent: mantissa << exponent, st.integers(0, 0x3FFFF), st.integers(0, 63)),
    st.lists(numbers, max_size=255).map(tuple),
)
everything = st.one_of(
    st.builds(SenderReport, numbers, st.integers(0, 2**64 - 1), numbers, numbers, numbers, reports),
    st.builds(ReceiverReport, numbers, reports),
    st.lists(st.tuples(numbers, items), max_size=31).map(tuple).map(SourceDescription),
    st.builds(Bye, ssrcs, st.binary(max_size=255)),
    nacks(),
    st.builds(PictureLoss, numbers, numbers),
    st.builds(FullIntra, numbers, st.lists(st.tuples(numbers, bytes_1), max_size=32).map(tuple)),
    rembs,
    st.builds(TransportFeedback, numbers, numbers, words),
    st.builds(Unknown, st.integers(207, 255), st.integers(0, 31), words),
)


def padded(packet: bytes, count: int) -> bytes:
    """The packet with `count` bytes of padding, a multiple of four."""
    body = packet[4:] + bytes(count - 1) + bytes((count,))
    return bytes((packet[0] | 0x20, packet[1])) + (len(body) // 4).to_bytes(2, "big") + body


@given(st.lists(everything, max_size=8))
def test_what_is_packed_is_parsed(packets: list[rtcp.Rtcp]) -> None:
    """Every packet survives packing and parsing, in its place."""
    data = pack_compound(packets)
    assert len(data) % 4 == 0
    assert parse_compound(data) == (packets, 0)


def test_compound_of_another_implementation_is_read() -> None:
    """Reports, descriptions and feedback that aiortc wrote have the values it was given."""
    packets, malformed = parse_compound((FIXTURES / "rtcp_compound.bin").read_bytes())
    block = ReportBlock(0x11111111, 25, -3, 0x12345, 77, 0x12345678, 65536)
    assert malformed == 0
    assert packets == [
        SenderReport(0x22222222, 0xE1234567_89ABCDEF, 90000, 1000, 123456, (block,)),
        SourceDescription(((0x22222222, ((rtcp.CNAME, b"puente"),)),)),
        Nack(1, 2, (10, 11, 26, 100, 200)),
        PictureLoss(1, 2),
        Remb(1, 1234560, (2, 3)),
        Bye((0x22222222,)),
    ]


def test_another_implementation_reads_the_same_from_what_we_pack() -> None:
    """What we parsed of aiortc's compound we pack so that aiortc reads it as before."""
    data = (FIXTURES / "rtcp_compound.bin").read_bytes()
    assert [str(p) for p in RtcpPacket.parse(pack_compound(parse_compound(data)[0]))] == [
        str(p) for p in RtcpPacket.parse(data)
    ]


@given(nacks())
def test_another_implementation_reads_our_nacks(nack: Nack) -> None:
    """The pairs of number and flags name the same packets to aiortc."""
    (packet,) = RtcpPacket.parse(nack.pack())
    assert isinstance(packet, RtcpRtpfbPacket)
    assert [sequence & 0xFFFF for sequence in packet.lost] == list(nack.lost)  # aiortc forgets the wrap


@given(st.integers(0, 0x3FFFF << 63))
@example(0x3FFFF)
@example(0x40000)
def test_remb_is_rounded_down_to_18_bits(bitrate_bps: int) -> None:
    """The rate told is never above the one meant, and within 1/131072 of it; aiortc reads the same."""
    data = Remb(1, bitrate_bps, (2,)).pack()
    ((told,), _) = parse_compound(data)
    assert isinstance(told, Remb)
    assert bitrate_bps - (bitrate_bps >> 17) <= told.bitrate_bps <= bitrate_bps
    assert unpack_remb_fci(data[12:]) == (told.bitrate_bps, [2])


def test_padded_transport_feedback_costs_nothing() -> None:
    """Chromium's padded feedback is read, and the reports in the same compound too."""
    packets, malformed = parse_compound((FIXTURES / "rtcp_padded_twcc.bin").read_bytes())
    assert malformed == 0
    assert [type(packet) for packet in packets] == [ReceiverReport, TransportFeedback, PictureLoss]
    assert packets[1] == TransportFeedback(1, 2, bytes.fromhex("00010002000000052002"))


@given(everything, st.integers(1, 63))
def test_padding_is_removed(packet: rtcp.Rtcp, quads: int) -> None:
    """Any packet may be padded."""
    assert parse_compound(padded(packet.pack(), 4 * quads)) == ([packet], 0)


BROKEN = {
    "report block missing": b"\x81\xc9\x00\x01" + bytes(4),
    "sender info missing": b"\x80\xc8\x00\x01" + bytes(4),
    "receiver report of nothing": b"\x80\xc9\x00\x00",
    "description without chunk": b"\x81\xca\x00\x00",
    "description item beyond the end": b"\x81\xca\x00\x02" + bytes(4) + b"\x01\xff\x00\x00",
    "bye without source": b"\x81\xcb\x00\x00",
    "bye reason beyond the end": b"\x80\xcb\x00\x01\xff\x00\x00\x00",
    "nack without sources": b"\x81\xcd\x00\x01" + bytes(4),
    "pli without sources": b"\x81\xce\x00\x01" + bytes(4),
    "remb with too few sources": b"\x8f\xce\x00\x04" + bytes(8) + b"REMB\xff\x00\x00\x00",
    "remb cut off": b"\x8f\xce\x00\x03" + bytes(8) + b"REMB",
    "no padding where some is announced": b"\xa1\xce\x00\x02" + bytes(8),
    "padding longer than the packet": b"\xa1\xce\x00\x02" + bytes(7) + b"\x09",
    "padding of an empty packet": b"\xa0\xc9\x00\x00",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_broken_packet_costs_only_itself(broken: bytes) -> None:
    """The packets before and after it are read, and one is counted."""
    loss = PictureLoss(1, 2)
    assert parse_compound(loss.pack() + broken + loss.pack()) == ([loss, loss], 1)


@pytest.mark.parametrize("tail", [b"\x80", b"\x80\xc9\x00", b"\x80\xc9\xff\xff", b"\x40\xc9\x00\x01" + bytes(4)])
def test_unframed_tail_is_one_malformed_packet(tail: bytes) -> None:
    """Where nothing says where the next packet begins, the packets before are kept."""
    loss = PictureLoss(1, 2)
    assert parse_compound(loss.pack() + tail) == ([loss], 1)


def test_everything_read_is_bounded() -> None:
    """Endless compounds, NACKs, FIRs and descriptions end at their limits."""
    packets, malformed = parse_compound(Unknown(210, 0, b"").pack() * 10_000)
    assert (len(packets), malformed) == (rtcp.MAX_PACKETS, 1)
    flood = b"\x81\xcd" + (2 + 5000).to_bytes(2, "big") + bytes(8) + b"\x00\x00\xff\xff" * 5000
    ((nack,), _) = parse_compound(flood)
    assert isinstance(nack, Nack)
    assert len(nack.lost) == rtcp.MAX_NACKED
    ((fir,), _) = parse_compound(FullIntra(1, ((2, 3),) * 1000).pack())
    assert isinstance(fir, FullIntra)
    assert len(fir.entries) == rtcp.MAX_FIR_ENTRIES
    assert parse_compound(SourceDescription(((1, ((1, b""),) * 9),)).pack()) == ([], 1)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda b: b"\x8f\xce\x00\x05" + b))
def test_garbage_never_raises(data: bytes) -> None:
    """Any bytes give packets and a count."""
    packets, malformed = parse_compound(data)
    assert len(packets) + malformed <= rtcp.MAX_PACKETS + 1


@given(st.lists(everything, min_size=1, max_size=4), st.data())
def test_damaged_compound_never_raises(packets: list[rtcp.Rtcp], data: st.DataObject) -> None:
    """A changed byte and a cut leave something that can be read without an error."""
    damaged = bytearray(pack_compound(packets))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(bytes_1)
    parse_compound(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))


@pytest.mark.parametrize(
    "packet",
    [
        ReceiverReport(1, (ReportBlock(1, 0, 0, 0, 0, 0, 0),) * 32),
        SourceDescription(((1, ((1, bytes(256)),)),)),
        Bye((1,), bytes(256)),
        Remb(1, 1, (2,) * 256),
        Remb(1, -1, ()),
        Remb(1, 1 << 82, ()),
    ],
    ids=["reports", "description", "reason", "sources", "negative rate", "huge rate"],
)
def test_what_the_format_cannot_carry_is_refused(packet: rtcp.Rtcp) -> None:
    """Packing beyond a field raises RtcpError."""
    with pytest.raises(rtcp.RtcpError):
        packet.pack()


def test_loss_count_is_clamped() -> None:
    """The loss count stays in its 24 bits, as RFC 3550 A.3 wants."""
    for lost, told in ((10**9, 0x7FFFFF), (-(10**9), -0x800000)):
        ((report,), _) = parse_compound(ReceiverReport(1, (ReportBlock(1, 0, lost, 0, 0, 0, 0),)).pack())
        assert isinstance(report, ReceiverReport)
        assert report.reports[0].packets_lost == told
