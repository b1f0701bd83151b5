"""When a keyframe is asked for, and how one is recognised."""

from itertools import pairwise
from pathlib import Path

import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import VpxPayloadDescriptor
from hypothesis import given
from hypothesis import strategies as st

from media.keyframe import GIVE_UP_S, MIN_INTERVAL_S, KeyframeRequests, starts_keyframe
from media.sdp import AV1, H264, OPUS, VIDEO_PTS, VP8, VP9

FIXTURES = Path(__file__).parent / "fixtures"


def ticks(requests: KeyframeRequests, until_s: float, rtt_s: float, since_s: float = 0.0) -> list[float]:
    """The times at which a request is due, looked at each 20 ms."""
    times = [since_s + n * 0.02 for n in range(round((until_s - since_s) / 0.02))]
    return [round(now_s, 2) for now_s in times if requests.due(now_s, rtt_s)]


def test_nobody_asking_means_no_request() -> None:
    """Without a wish none is due."""
    assert ticks(KeyframeRequests(), 2.0, 0.1) == []


def test_first_wish_is_asked_at_once() -> None:
    """Someone who joins does not wait for a pause."""
    requests = KeyframeRequests()
    requests.wanted(5.0)
    assert requests.due(5.0, 0.1)
    assert requests.asked == 1


def test_many_wishes_are_one_request() -> None:
    """Three receivers that lose the same packet cost the sender one keyframe."""
    requests = KeyframeRequests()
    for _ in range(3):
        requests.wanted(0.0)
    assert requests.due(0.0, 0.1)
    requests.wanted(0.01)
    assert not requests.due(0.02, 0.1)


@pytest.mark.parametrize(("rtt_s", "pause_s"), [(0.01, MIN_INTERVAL_S), (1.2, 1.2)])
def test_unanswered_request_is_repeated(rtt_s: float, pause_s: float) -> None:
    """After the pause or the round trip, whichever is longer."""
    requests = KeyframeRequests()
    requests.wanted(0.0)
    asked = ticks(requests, 3.0, rtt_s)
    assert len(asked) > 2
    assert all(pause_s <= later - sooner + 1e-6 <= pause_s + 0.03 for sooner, later in pairwise(asked))


def test_keyframe_ends_the_requests() -> None:
    """Once one has come nothing is asked, until the next wish, and that not before the pause is over."""
    requests = KeyframeRequests()
    requests.wanted(0.0)
    assert requests.due(0.0, 0.1)
    requests.seen()
    assert not requests.pending
    assert ticks(requests, 2.0, 0.1, since_s=0.02) == []
    requests.wanted(2.0)
    assert requests.due(2.0, 0.1)
    requests.seen()
    requests.wanted(2.1)
    assert ticks(requests, 2.6, 0.1, since_s=2.1) == [pytest.approx(2.0 + MIN_INTERVAL_S, abs=0.03)]


def test_unanswered_requests_are_given_up() -> None:
    """A camera that is off is not asked for ever; a new wish begins anew."""
    requests = KeyframeRequests()
    requests.wanted(0.0)
    asked = ticks(requests, 30.0, 0.1)
    assert asked[-1] < GIVE_UP_S
    assert not requests.pending
    requests.wanted(30.0)
    assert requests.due(30.0, 0.1)


@pytest.mark.parametrize("codec", ["vp8", "vp9", "av1", "h264"])
def test_keyframes_of_a_browser_are_recognised(codec: str) -> None:
    """The first packet of a browser's keyframe is one, a packet of another picture is not."""
    assert starts_keyframe((FIXTURES / f"rtp_{codec}_keyframe.bin").read_bytes())
    assert not starts_keyframe((FIXTURES / f"rtp_{codec}_delta.bin").read_bytes())


def rtp(payload_type: int, payload: bytes) -> bytes:
    """A packet without extensions."""
    return bytes((0x80, 0x80 | payload_type)) + bytes(10) + payload


@given(
    st.booleans(),
    st.integers(0, 7),
    st.booleans(),
    st.none() | st.integers(0, 0x7FFF),
    st.none() | st.integers(0, 255),
    st.none() | st.tuples(st.integers(0, 3), st.integers(0, 1)),
    st.none() | st.integers(0, 31),
)
def test_vp8_descriptors_of_any_form_are_understood(
    start: bool,
    partition: int,
    keyframe: bool,
    picture: int | None,
    tl0: int | None,
    tid: tuple[int, int] | None,
    index: int | None,
) -> None:
    """Whatever optional fields aiortc writes before the frame header, the keyframe bit is found."""
    descriptor = VpxPayloadDescriptor(int(start), partition, picture, tl0, tid, index)
    packet = rtp(VP8, bytes(descriptor) + bytes((0x10 | (not keyframe),)) + b"data")
    assert starts_keyframe(packet) == (start and partition == 0 and keyframe)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"\x08data", True),  # begins a frame, not predicted, no layers
        (b"\x48data", False),  # predicted
        (b"\x00data", False),  # within a frame
        (b"\xa8\x80\x01\x00\x00", True),  # long picture id, spatial layer 0
        (b"\xa8\x01\x02\x00\x00", False),  # short picture id, spatial layer 1
        (b"\xa8\x80", False),  # cut off
    ],
)
def test_vp9_descriptors(payload: bytes, expected: bool) -> None:
    """Begin of a frame that is not predicted, in the lowest layer (RFC 9628 §4.2)."""
    assert starts_keyframe(rtp(VP9, payload)) == expected


def test_av1_new_sequence() -> None:
    """The N bit of the aggregation header."""
    assert starts_keyframe(rtp(AV1, b"\x18data"))
    assert not starts_keyframe(rtp(AV1, b"\x10data"))


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ([b"\x65" + bytes(100)], True),
        ([b"\x41" + bytes(100)], False),
        ([b"\x67abc", b"\x68def", b"\x65" + bytes(100)], True),
        ([b"\x06abc", b"\x65" + bytes(100)], True),
        ([b"\x06abc", b"\x41" + bytes(100)], False),
        ([b"\x65" + bytes(5000)], True),
        ([b"\x41" + bytes(5000)], False),
    ],
)
def test_h264_units_alone_aggregated_and_fragmented(units: list[bytes], expected: bool) -> None:
    """However aiortc packs the units of a picture, its first packet is known."""
    first, *others = H264Encoder._packetize(iter(units))
    assert starts_keyframe(rtp(H264, first)) == expected
    assert not any(starts_keyframe(rtp(H264, other)) for other in others)


@given(st.sampled_from((*VIDEO_PTS, OPUS)), st.binary(max_size=40), st.binary(max_size=40))
def test_garbage_never_raises(payload_type: int, payload: bytes, packet: bytes) -> None:
    """Any payload, and any bytes at all, are a keyframe or not."""
    starts_keyframe(packet)
    starts_keyframe(packet[:1] + bytes((payload_type,)) + payload)
    assert starts_keyframe(rtp(payload_type, payload)) in {True, False}


def test_audio_is_no_keyframe() -> None:
    """Payload types that are not video of ours are none."""
    assert not starts_keyframe((FIXTURES / "rtp_opus.bin").read_bytes())
