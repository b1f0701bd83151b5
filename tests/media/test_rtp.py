"""Headers, distances and retransmission packets."""

from pathlib import Path

import pytest
from aiortc.rtp import RtpPacket, unwrap_rtx, wrap_rtx
from hypothesis import given
from hypothesis import strategies as st

from media import rtp

FIXTURES = Path(__file__).parent / "fixtures"

numbers_16 = st.integers(0, 0xFFFF)
numbers_32 = st.integers(0, 0xFFFF_FFFF)


@st.composite
def packets(draw: st.DrawFn, min_payload: int = 1) -> bytes:
    """RTP packets with any CSRC list, extension and padding."""
    csrcs = draw(st.binary(max_size=60).map(lambda b: b[: len(b) & ~3]))
    extension = draw(st.none() | st.binary(max_size=80).map(lambda b: b[: len(b) & ~3]))
    padding = draw(st.integers(0, 20))
    head = bytes(
        (0x80 | bool(padding) << 5 | (extension is not None) << 4 | len(csrcs) // 4, draw(st.integers(0, 255)))
    )
    body = draw(st.binary(min_size=10, max_size=10)) + csrcs
    if extension is not None:
        body += b"\xbe\xde" + (len(extension) // 4).to_bytes(2, "big") + extension
    body += draw(st.binary(min_size=min_payload, max_size=50))
    return head + body + (bytes(padding - 1) + bytes((padding,)) if padding else b"")


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("rtp_*.bin")), ids=lambda path: path.stem)
def test_payload_is_found_where_another_implementation_finds_it(path: Path) -> None:
    """Packets of a browser have their payload where aiortc says."""
    packet = path.read_bytes()
    parsed = RtpPacket.parse(packet)
    offset = rtp.payload_offset(packet)
    assert packet[offset : rtp.payload_end(packet, offset)] == parsed.payload


def test_retransmission_of_a_browser_is_unwrapped_as_by_another_implementation() -> None:
    """A browser's RTX packet gives the original packet, extensions included."""
    packet = (FIXTURES / "rtp_rtx.bin").read_bytes()
    expected = unwrap_rtx(RtpPacket.parse(packet), payload_type=96, ssrc=77)
    original = rtp.unwrap_rtx(packet, ssrc=77, payload_type=96)
    assert original is not None
    parsed = RtpPacket.parse(original)
    assert (parsed.ssrc, parsed.payload_type, parsed.sequence_number) == (77, 96, expected.sequence_number)
    assert (parsed.payload, parsed.timestamp, parsed.marker) == (expected.payload, expected.timestamp, expected.marker)
    assert original[12 : rtp.payload_offset(original)] == packet[12 : rtp.payload_offset(packet)]


def test_padding_probe_is_not_media() -> None:
    """A browser's bandwidth probe on the RTX stream gives nothing."""
    assert rtp.unwrap_rtx((FIXTURES / "rtp_rtx_probe.bin").read_bytes(), ssrc=1, payload_type=96) is None


def test_wrapped_packet_reads_as_another_implementation_wraps_it() -> None:
    """Our RTX packet has the fields and payload of aiortc's."""
    packet = (FIXTURES / "rtp_vp8_keyframe.bin").read_bytes()
    expected = wrap_rtx(RtpPacket.parse(packet), payload_type=97, sequence_number=4321, ssrc=99)
    wrapped = RtpPacket.parse(rtp.wrap_rtx(packet, ssrc=99, payload_type=97, sequence=4321))
    for name in ("ssrc", "payload_type", "sequence_number", "timestamp", "marker", "payload", "csrc"):
        assert getattr(wrapped, name) == getattr(expected, name), name


@given(packets(), numbers_32, numbers_16)
def test_unwrapping_undoes_wrapping(packet: bytes, ssrc: int, sequence: int) -> None:
    """Wrap and unwrap return the packet without its padding."""
    wrapped = rtp.wrap_rtx(packet, ssrc, 97, sequence)
    assert wrapped[2:4] == sequence.to_bytes(2, "big")
    assert wrapped[8:12] == ssrc.to_bytes(4, "big")
    unwrapped = rtp.unwrap_rtx(wrapped, int.from_bytes(packet[8:12], "big"), packet[1] & 0x7F)
    end = rtp.payload_end(packet, rtp.payload_offset(packet))
    assert unwrapped == bytes((packet[0] & ~0x20,)) + packet[1:end]


@given(st.binary(max_size=120) | st.binary(max_size=120).map(lambda b: b"\xb0" + b))
def test_garbage_raises_only_rtp_error(packet: bytes) -> None:
    """Any bytes are either taken or refused with RtpError."""
    for call in (
        lambda: rtp.payload_offset(packet),
        lambda: rtp.unwrap_rtx(packet, 1, 96),
        lambda: rtp.wrap_rtx(packet, 1, 97, 2),
    ):
        try:
            result = call()
        except rtp.RtpError:
            continue
        assert result is None or isinstance(result, bytes) or 12 <= result <= len(packet)


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (b"", "empty"),
        (b"\x80" * 11, "short"),
        (b"\x40" + bytes(20), "version 1"),
        (b"\x8f" + bytes(20), "CSRC list beyond the end"),
        (b"\x90" + bytes(11), "no room for the extension header"),
        (b"\x90" + bytes(13) + b"\xff\xff", "extension beyond the end"),
    ],
)
def test_broken_header_is_refused(packet: bytes, why: str) -> None:
    """A header that points outside its packet is an error."""
    with pytest.raises(rtp.RtpError):
        rtp.payload_offset(packet)


@pytest.mark.parametrize("padding", [0, 21, 255])
def test_impossible_padding_is_refused(padding: int) -> None:
    """Padding of nothing, or reaching into the header, is an error."""
    with pytest.raises(rtp.RtpError):
        rtp.unwrap_rtx(b"\xa0" + bytes(11) + bytes(19) + bytes((padding,)), 1, 96)


@given(numbers_16, st.integers(-0x8000, 0x7FFF))
def test_sequence_delta_is_the_signed_distance(older: int, step: int) -> None:
    """Distances survive the wrap."""
    assert rtp.sequence_delta((older + step) & 0xFFFF, older) == step


@given(numbers_32, st.integers(-0x8000_0000, 0x7FFF_FFFF))
def test_timestamp_delta_is_the_signed_distance(older: int, step: int) -> None:
    """Distances survive the wrap."""
    assert rtp.timestamp_delta((older + step) & 0xFFFF_FFFF, older) == step
