"""Answers of real browsers, damaged ones and hostile ones."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import sdp
from media.answer import Answer, SentTrack, parse_answer
from media.ice import IceCredentials
from media.sdp import OfferSpec, SdpError, SlotSsrcs

FIXTURES = Path(__file__).parent / "fixtures"
SPEC = OfferSpec(
    session_id=4611686018427387904,
    version=3,
    addresses=("192.0.2.2", "2001:db8::2"),
    port=40000,
    ice=IceCredentials("0123456789ab", "0123456789abcdef0123456789abcdef"),
    fingerprint=":".join(["AB"] * 32),
    slots=(SlotSsrcs(1001, 1002, 1003), SlotSsrcs(2001, 2002, 2003), SlotSsrcs(3001, 3002, 3003)),
)
BROWSERS = ("aiortc", "chromium", "firefox")
ALL_VIDEO = frozenset(sdp.VIDEO_PTS)


def answer_text(name: str) -> str:
    """A stored answer to this offer, its addresses and ids replaced."""
    return (FIXTURES / f"answer_{name}.sdp").read_bytes().decode()


def changed(pattern: str, replacement: str, name: str = "chromium", count: int = 0) -> str:
    """A stored answer with something else in it."""
    text, changes = re.subn(pattern, replacement, answer_text(name), count=count)
    assert changes
    return text


def test_transport_wide_counting_is_read_per_kind() -> None:
    """Numbers under our id and their feedback, both or neither."""
    lines = f"a=extmap:3 {sdp.TRANSPORT_SEQUENCE_URI}\r\na=rtcp-fb:111 transport-cc\r\n"
    assert parse_answer(changed("a=mid:0\r\n", "a=mid:0\r\n" + lines), SPEC).counts == {"audio"}
    for missing in lines.splitlines(keepends=True):
        assert parse_answer(changed("a=mid:0\r\n", "a=mid:0\r\n" + missing), SPEC).counts == frozenset()


def test_answer_of_chromium() -> None:
    """Everything is accepted."""
    answer = parse_answer(answer_text("chromium"), SPEC)
    assert answer == Answer(
        fingerprints=[("sha-256", ":".join(["CD"] * 32))],
        setup="active",
        ice=IceCredentials("abcd", "abcdefghijklmnopqrstuv"),
        audio=SentTrack(3000000001, None, {111: "OPUS", 63: "RED"}),
        video=SentTrack(
            3000000002,
            3000000003,
            {96: "VP8", 98: "VP9", 45: "AV1", 102: "H264", 97: "RTX", 99: "RTX", 46: "RTX", 103: "RTX"},
        ),
        counts=frozenset(),  # it was stored before transport-wide numbers were offered
        receives={
            "0": frozenset((111, 63)), "1": ALL_VIDEO, "2": frozenset((111, 63)), "3": ALL_VIDEO,
            "4": frozenset((111, 63)), "5": ALL_VIDEO,
        },
    )  # fmt: skip
    assert (answer.ice_ufrag, answer.ice_pwd) == ("abcd", "abcdefghijklmnopqrstuv")


def test_answer_of_firefox() -> None:
    """No RED, no H264 without its plug-in; the fingerprint stands above the sections."""
    answer = parse_answer(answer_text("firefox"), SPEC)
    assert answer.audio == SentTrack(3000000001, None, {111: "OPUS"})
    assert answer.video == SentTrack(
        3000000002, 3000000003, {96: "VP8", 98: "VP9", 45: "AV1", 97: "RTX", 99: "RTX", 46: "RTX"}
    )
    assert answer.receives["5"] == ALL_VIDEO - {sdp.H264}
    assert answer.fingerprints == [("sha-256", ":".join(["CD"] * 32))]


def test_answer_of_aiortc() -> None:
    """VP8 and H264 only, three fingerprints."""
    answer = parse_answer(answer_text("aiortc"), SPEC)
    assert answer.setup == "active"
    assert [algorithm for algorithm, _ in answer.fingerprints] == ["sha-256", "sha-384", "sha-512"]
    assert answer.video is not None
    assert (answer.video.ssrc, answer.video.rtx_ssrc) == (3000000002, 3000000003)
    assert answer.receives["3"] == {sdp.VP8, sdp.H264}


def test_answer_without_camera() -> None:
    """Who has only a microphone still receives pictures."""
    answer = parse_answer(answer_text("chromium_no_camera"), SPEC)
    assert answer.audio is not None
    assert answer.video is None
    assert answer.receives["1"] == ALL_VIDEO


def test_answer_without_any_device() -> None:
    """Who has nothing to send still hears and sees."""
    answer = parse_answer(answer_text("chromium_receive_only"), SPEC)
    assert (answer.audio, answer.video) == (None, None)
    assert all(answer.receives.values())


def test_bare_line_ends_are_read() -> None:
    """An answer with LF alone means the same."""
    text = answer_text("chromium")
    assert parse_answer(text.replace("\r\n", "\n"), SPEC) == parse_answer(text, SPEC)


# --- tolerated ---


def test_rejected_sections_are_tolerated() -> None:
    """A section with port 0 is neither sent nor received, and has no part in the bundle."""
    text = re.sub(r"m=video 9 ", "m=video 0 ", answer_text("chromium")).replace("BUNDLE 0 1 2 3 4 5", "BUNDLE 0 2 4")
    answer = parse_answer(text, SPEC)
    assert answer.audio is not None
    assert answer.video is None
    assert [bool(answer.receives[mid]) for mid in sdp.MIDS] == [True, False, True, False, True, False]


def test_inactive_section_is_tolerated() -> None:
    """An inactive section is neither sent nor received."""
    answer = parse_answer(changed("a=sendrecv", "a=inactive", count=1), SPEC)
    assert answer.audio is None
    assert not answer.receives["0"]
    assert answer.video is not None


def test_bundle_speaks_through_its_first_accepted_section() -> None:
    """With the first section rejected the transport's attributes are those of the next."""
    text = answer_text("chromium").replace("m=audio 9 ", "m=audio 0 ", 1).replace("BUNDLE 0 1", "BUNDLE 1")
    text = text.replace("a=setup:active", "a=setup:passive").replace("a=setup:passive", "a=setup:active", 1)
    assert parse_answer(text, SPEC).setup == "passive"


def test_answer_without_ssrc_lines_names_no_ssrc() -> None:
    """The engine then learns the SSRC from the payload type of the first packet."""
    answer = parse_answer(changed(r"a=ssrc[^\n]*\n", ""), SPEC)
    assert answer.audio is not None
    assert answer.video is not None
    assert (answer.audio.ssrc, answer.video.ssrc, answer.video.rtx_ssrc) == (None, None, None)


def test_foreign_payload_types_are_left_out() -> None:
    """Numbers that are not ours, ours under another name, and retransmissions of another codec do not count."""
    text = changed("a=rtpmap:98 VP9/90000", "a=rtpmap:98 H265/90000").replace("apt=96", "apt=45")
    answer = parse_answer(text.replace("a=rtpmap:102 H264", "a=rtpmap:120 H264"), SPEC)
    assert answer.video is not None
    assert answer.video.payload_types == {96: "VP8", 45: "AV1", 46: "RTX"}


def test_track_with_no_codec_of_ours_is_none() -> None:
    """A section in which nothing of the offer is left sends nothing."""
    answer = parse_answer(changed("opus/48000/2", "PCMU/8000").replace("red/48000/2", "PCMA/8000"), SPEC)
    assert answer.audio is None


def test_weak_digest_beside_a_good_one_is_left_out() -> None:
    """SHA-1 proves nothing, but does not spoil a SHA-256."""
    sha1 = "a=fingerprint:sha-1 " + ":".join(["EF"] * 20) + r"\r\na=fingerprint:"
    assert [a for a, _ in parse_answer(changed("a=fingerprint:", sha1), SPEC).fingerprints] == ["sha-256"]


# --- refused ---

CD = ":".join(["CD"] * 32)
REFUSED = {
    "empty": "",
    "too long": answer_text("chromium") + "a=x\r\n" * 8000,
    "long line": answer_text("chromium") + "a=" + "x" * 5000,
    "not SDP": "hello\nworld",
    "section missing": answer_text("chromium").rpartition("m=video")[0],
    "section too many": answer_text("chromium") + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
    "kinds swapped": changed("m=audio", "m=video"),
    "m-line cut off": changed("m=audio 9.*", "m=audio 9"),
    "port not a number": changed("m=audio 9", "m=audio x"),
    "port too large": changed("m=audio 9", "m=audio 65536"),
    "mids swapped": changed("a=mid:0", "a=mid:1"),
    "everything rejected": changed("(m=[a-z]+) 9", r"\1 0"),
    "no bundle": changed("a=group:BUNDLE.*", "a=group:LS 0 1"),
    "outside the bundle": changed("BUNDLE 0 1 2 3 4 5", "BUNDLE 0 1 2 3 4"),
    "no rtcp-mux": changed("a=rtcp-mux\r\n", "", count=1),
    "no fingerprint": changed(r"a=fingerprint[^\n]*\n", ""),
    "only sha-1": changed(r"a=fingerprint[^\n]*", "a=fingerprint:sha-1 " + ":".join(["CD"] * 20)),
    "fingerprint of another length": changed(f"sha-256 {CD}", "sha-512 " + CD),
    "fingerprint not hex": changed(CD, CD.replace("CD:", "XY:", 1)),
    "fingerprint without value": changed(f"sha-256 {CD}", "sha-256"),
    "too many fingerprints": changed("(a=fingerprint:.*\n)", r"\1" * 9),
    "setup missing": changed("a=setup:active\r\n", ""),
    "setup undecided": changed("a=setup:active", "a=setup:actpass"),
    "ICE name missing": changed("a=ice-ufrag:abcd\r\n", ""),
    "ICE name too short": changed("a=ice-ufrag:abcd", "a=ice-ufrag:abc"),
    "ICE password too short": changed("a=ice-pwd:.*\r", "a=ice-pwd:abcdefghijklmnopqrstu\r"),
    "ICE password of other letters": changed("a=ice-pwd:ab", "a=ice-pwd:ñb"),
    "SSRC not a number": changed("a=ssrc:3000000001", "a=ssrc:one"),
    "SSRC too large": changed("a=ssrc:3000000001", "a=ssrc:4294967296"),
    "too many SSRCs": changed("a=ssrc:3000000001", "".join(f"a=ssrc:{n} cname:x\r\n" for n in range(9)) + "a=ssrc:9"),
    "FID of three": changed("FID 3000000002", "FID 3000000004 3000000002"),
    "FID of one twice": changed("FID 3000000002 3000000003", "FID 3000000002 3000000002"),
    "SSRC of both tracks": changed("a=ssrc:3000000001", "a=ssrc:3000000002"),
    "SSRC of ours": changed("a=ssrc:3000000001", f"a=ssrc:{SPEC.slots[2].video}"),
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_bad_answer_is_refused_without_repeating_it(text: str) -> None:
    """Each fault is an SdpError, whose text is ours alone."""
    with pytest.raises(SdpError) as caught:
        parse_answer(text, SPEC)
    assert re.fullmatch(r"[A-Za-z0-9 ,.-]{5,80}", str(caught.value))


@given(
    st.text(max_size=400) | st.lists(st.sampled_from(["m=audio 9 x 111", "a=", "a=ssrc:", "m=", "\r"])).map("\n".join)
)
def test_garbage_raises_only_sdp_error(text: str) -> None:
    """Any text is refused with SdpError."""
    with pytest.raises(SdpError):
        parse_answer(text, SPEC)


@given(st.sampled_from(BROWSERS), st.data())
def test_damaged_answer_raises_only_sdp_error(browser: str, data: st.DataObject) -> None:
    """A browser's answer with lines lost, doubled, swapped or overwritten is read or refused."""
    lines = answer_text(browser).split("\r\n")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(("lose", "double", "swap", "cut", "overwrite"))):
            case "lose":
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "swap":
                lines[at], lines[at - 1] = lines[at - 1], lines[at]
            case "cut":
                lines[at] = lines[at][: data.draw(st.integers(0, 12))]
            case _:
                lines[at] = lines[at][: data.draw(st.integers(0, 12))] + data.draw(st.text(max_size=12))
    try:
        answer = parse_answer("\r\n".join(lines), SPEC)
    except SdpError:
        return
    assert set(answer.receives) == set(sdp.MIDS)
    assert answer.fingerprints
