"""The fixed offer."""

import re
from dataclasses import replace

import pytest
from aiortc.sdp import SessionDescription

from media import sdp
from media.ice import IceCredentials
from media.sdp import TRANSPORT_SEQUENCE_URI, OfferSpec, SdpError, SlotSsrcs, build_offer

SPEC = OfferSpec(
    session_id=4611686018427387904,
    version=3,
    addresses=("192.0.2.2", "2001:db8::2"),
    port=40000,
    ice=IceCredentials("0123456789ab", "0123456789abcdef0123456789abcdef"),
    fingerprint=":".join(["AB"] * 32),
    slots=(SlotSsrcs(1001, 1002, 1003), SlotSsrcs(2001, 2002, 2003), SlotSsrcs(3001, 3002, 3003)),
)


def test_offer_is_read_by_another_implementation() -> None:
    """Sections, directions, credentials, SSRCs and formats are what aiortc reads."""
    session = SessionDescription.parse(build_offer(SPEC))
    assert [m.kind for m in session.media] == list(sdp.KINDS)
    assert [m.rtp.muxId for m in session.media] == list(sdp.MIDS)
    assert [m.direction for m in session.media] == ["sendrecv"] * 2 + ["sendonly"] * 4
    assert session.group[0].items == list(sdp.MIDS)
    for index, media in enumerate(session.media):
        slot = SPEC.slots[index // 2]
        assert media.ice is not None
        assert media.dtls is not None
        assert (media.ice.iceLite, media.ice.usernameFragment, media.ice.password) == (
            True,
            SPEC.ice.ufrag,
            SPEC.ice.pwd,
        )
        assert (media.dtls.fingerprints[0].value, media.dtls.role) == (SPEC.fingerprint, "auto")
        assert media.rtcp_mux
        if media.kind == "audio":
            assert media.fmt == [111, 63]
            assert [s.ssrc for s in media.ssrc] == [slot.audio]
        else:
            assert media.fmt == [96, 97, 98, 99, 45, 46, 102, 103]
            assert media.ssrc_group[0].items == [slot.video, slot.video_rtx]
            assert [s.ssrc for s in media.ssrc] == [slot.video, slot.video_rtx]


def test_candidates_are_in_order_with_udp_before_tcp() -> None:
    """Each address as UDP and as passive TCP on the same port, the first one best, and no more to come."""
    first, *others = SessionDescription.parse(build_offer(SPEC)).media
    seen = [(c.protocol, c.ip, c.port, c.type, c.tcpType) for c in first.ice_candidates]
    assert seen == [
        ("udp", "192.0.2.2", 40000, "host", None),
        ("udp", "2001:db8::2", 40000, "host", None),
        ("tcp", "192.0.2.2", 40000, "host", "passive"),
        ("tcp", "2001:db8::2", 40000, "host", "passive"),
    ]
    priorities = [c.priority for c in first.ice_candidates]
    assert priorities == sorted(set(priorities), reverse=True)
    assert len({c.foundation for c in first.ice_candidates}) == 4
    assert first.ice_candidates_complete
    assert [bool(m.ice_candidates) for m in others] == [False] * 3 + [True] * 2
    assert others[-1].ice_candidates == others[-2].ice_candidates == first.ice_candidates


def test_relay_without_tcp_offers_none() -> None:
    """No TCP candidate where nobody listens."""
    assert " tcp " not in build_offer(replace(SPEC, tcp=False))


def test_offer_has_no_mid_extension() -> None:
    """A forwarded packet would carry its sender's mid."""
    assert "sdes:mid" not in build_offer(SPEC)


def test_every_section_has_transport_numbers_and_their_feedback() -> None:
    """Voice and picture of a leg are counted in one sequence, both ways."""
    for section in build_offer(SPEC).split("m=")[1:]:
        assert f"a=extmap:3 {TRANSPORT_SEQUENCE_URI}\r\n" in section
        assert "transport-cc\r\n" in section


@pytest.mark.parametrize(("cap_bps", "line"), [(500_000, "b=AS:500"), (10, "b=AS:1")])
def test_video_cap_stands_after_the_address_of_what_the_browser_sends(cap_bps: int, line: str) -> None:
    """Browsers read `b=` only directly after `c=`; only mid 1 is video towards us."""
    lines = build_offer(replace(SPEC, video_cap_bps=cap_bps)).split("\r\n")
    at = lines.index(line)
    assert lines[at - 1].startswith("c=")
    assert lines[at - 2].startswith("m=video")
    assert lines.count(line) == 1
    assert "a=mid:1" in lines[at : at + 10]


def test_ipv6_alone_is_offered() -> None:
    """A relay with only an IPv6 address says so in every section."""
    offer = build_offer(replace(SPEC, addresses=("2001:db8::2",)))
    assert offer.count("c=IN IP6 2001:db8::2\r\n") == 6


def test_no_voice_waits_for_a_picture() -> None:
    """Sound and picture are of different streams everywhere: of one stream browsers play in step, and voice late."""
    streams = re.findall(r"a=msid:(\S+) (\S+)", build_offer(SPEC))
    assert len({stream for stream, _ in streams}) == len({track for _, track in streams}) == 6


@pytest.mark.parametrize("spec", [replace(SPEC, addresses=()), replace(SPEC, slots=SPEC.slots[:2])])
def test_incomplete_specification_is_refused(spec: OfferSpec) -> None:
    """No address or too few slots is an error."""
    with pytest.raises(SdpError):
        build_offer(spec)


def test_offer_fits_where_answers_must_fit() -> None:
    """The offer passes the control API's limit many times over, and a slow link in under a second."""
    assert len(build_offer(replace(SPEC, video_cap_bps=10_000))) < 5600
