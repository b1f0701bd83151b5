"""The server's fixed offer, and what a browser's answer to it says (RFC 8866, RFC 9429, RFC 9143).

The server always offers, with the same payload types, extension ids and mids for everyone: so all browsers of a call
use the same numbers and a packet passes through with nothing but its SSRC changed.

Mids: 0 audio and 1 video are `sendrecv` (own media up, the first other participant down); 2/3 and 4/5 are `sendonly`
from the relay (the second and third other).

The `sdes:mid` header extension is not offered on purpose. In a bundle its id holds for every packet of the transport,
and a forwarded packet carries its *sender's* mid, 0 or 1: shown in slot 2 it would be taken for slot 1. Without the
extension every browser (and aiortc) routes by the `a=ssrc` lines, which are fixed here; and of a browser's own packets
the payload type says which of its two tracks they belong to, should an SSRC ever change.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from media.ice import IceCredentials

MAX_SDP_CHARS = 32_768
MAX_LINE_CHARS = 2048
MAX_SSRCS = 8
"""SSRCs of one m-line: a track and its retransmissions are two."""
MAX_FINGERPRINTS = 8

OPUS, RED, VP8, VP9, AV1, H264 = 111, 63, 96, 98, 45, 102

PAYLOAD_TYPES: dict[int, str] = {OPUS: "OPUS", RED: "RED", VP8: "VP8", VP9: "VP9", AV1: "AV1", H264: "H264"}
"""Media payload types and their encoding names in upper case."""

RTX_OF: dict[int, int] = {VP8: 97, VP9: 99, AV1: 46, H264: 103}
"""Payload type of the retransmissions (RFC 4588) of each video payload type."""

AUDIO_PTS = (OPUS, RED)
"""Opus first: a browser sends the first it knows. RED (Opus twice) passes through for whoever is told to use it."""

VIDEO_PTS = (VP8, VP9, AV1, H264)
"""In the order of the offer: a browser starts with the first that it can encode. VP8 is in all of them, in software
too, and the cheapest of the four on a phone without a hardware encoder; the others are negotiated at the same time so
that a sender can be moved to one of them within the call."""

AUDIO_LEVEL_ID, ABS_SEND_TIME_ID, VIDEO_ORIENTATION_ID, DEPENDENCY_DESCRIPTOR_ID = 1, 2, 5, 6

MIDS = ("0", "1", "2", "3", "4", "5")
KINDS = ("audio", "video", "audio", "video", "audio", "video")
SLOTS = 3

_RTPMAPS = {
    OPUS: "opus/48000/2", RED: "red/48000/2", VP8: "VP8/90000", VP9: "VP9/90000", AV1: "AV1/90000", H264: "H264/90000",
}  # fmt: skip
_FMTP = {
    OPUS: "minptime=10;useinbandfec=1;usedtx=0",
    RED: f"{OPUS}/{OPUS}",
    VP9: "profile-id=0",
    AV1: "level-idx=5;profile=0;tier=0",
    H264: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
}
_EXTMAPS = {
    "audio": {
        AUDIO_LEVEL_ID: "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        ABS_SEND_TIME_ID: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    },
    "video": {
        ABS_SEND_TIME_ID: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        VIDEO_ORIENTATION_ID: "urn:3gpp:video-orientation",
        DEPENDENCY_DESCRIPTOR_ID: (
            "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
        ),
    },
}
# No transport-cc: without its feedback Chromium falls to 30 kbit/s. No NACK for audio: a late syllable is no better
# than a lost one beyond 150 ms of RTT, which is where the losses are; in-band FEC and RED cost no round trip.
_VIDEO_FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb")

_UDP_TYPE_PREFERENCE = 126
_TCP_TYPE_PREFERENCE = 90
_TCP_PASSIVE_PREFERENCE = 4 << 13  # RFC 6544 §4.2
_CNAME = "puente"


class SdpError(ValueError):
    """An answer cannot be used. The text says why without repeating what was sent."""


@dataclass(frozen=True, slots=True)
class SlotSsrcs:
    """The SSRCs under which the relay sends one slot."""

    audio: int
    video: int
    video_rtx: int


@dataclass(frozen=True, slots=True)
class OfferSpec:
    """What differs from one offer to another."""

    session_id: int
    version: int
    """Rises with each offer of a session (RFC 8866 §5.2)."""
    addresses: tuple[str, ...]
    """IPv4 or IPv6 addresses where the relay is reached, the best first."""
    port: int
    ice: IceCredentials
    fingerprint: str
    """SHA-256 of the relay's certificate, upper case hex with colons."""
    slots: tuple[SlotSsrcs, ...]
    video_cap_bps: int | None = None
    """The most video the browser may send."""
    tcp: bool = True
    """Whether the relay also listens for TCP on the same port number."""


def _candidates(spec: OfferSpec) -> list[str]:
    lines = []
    for index, address in enumerate(spec.addresses):
        preference = 0xFFFF - index
        priority = _UDP_TYPE_PREFERENCE << 24 | preference << 8 | 255
        lines.append(f"a=candidate:{index + 1} 1 udp {priority} {address} {spec.port} typ host")
    for index, address in enumerate(spec.addresses if spec.tcp else ()):
        preference = _TCP_PASSIVE_PREFERENCE + 0x1FFF - index
        priority = _TCP_TYPE_PREFERENCE << 24 | preference << 8 | 255
        foundation = len(spec.addresses) + index + 1
        lines.append(f"a=candidate:{foundation} 1 tcp {priority} {address} {spec.port} typ host tcptype passive")
    lines.append("a=end-of-candidates")
    return lines


def _codecs(kind: str) -> list[str]:
    lines = []
    for payload_type in AUDIO_PTS if kind == "audio" else VIDEO_PTS:
        lines.append(f"a=rtpmap:{payload_type} {_RTPMAPS[payload_type]}")
        if payload_type in _FMTP:
            lines.append(f"a=fmtp:{payload_type} {_FMTP[payload_type]}")
        if kind == "video":
            rtx = RTX_OF[payload_type]
            lines += [f"a=rtcp-fb:{payload_type} {feedback}" for feedback in _VIDEO_FEEDBACK]
            lines += [f"a=rtpmap:{rtx} rtx/90000", f"a=fmtp:{rtx} apt={payload_type}"]
    return lines


def _sources(kind: str, slot: SlotSsrcs) -> list[str]:
    if kind == "audio":
        return [f"a=ssrc:{slot.audio} cname:{_CNAME}"]
    return [
        f"a=ssrc-group:FID {slot.video} {slot.video_rtx}",
        f"a=ssrc:{slot.video} cname:{_CNAME}",
        f"a=ssrc:{slot.video_rtx} cname:{_CNAME}",
    ]


def _connection(address: str) -> str:
    return f"c=IN IP{ipaddress.ip_address(address).version} {address}"


def _media_section(spec: OfferSpec, index: int) -> list[str]:
    kind, slot = KINDS[index], index // 2
    if kind == "audio":
        formats: list[int] = list(AUDIO_PTS)
    else:
        formats = [pt for media in VIDEO_PTS for pt in (media, RTX_OF[media])]
    lines = [f"m={kind} {spec.port} UDP/TLS/RTP/SAVPF {' '.join(map(str, formats))}", _connection(spec.addresses[0])]
    if index == 1 and spec.video_cap_bps is not None:  # only here does the browser send; after c= or it is not read
        lines.append(f"b=AS:{max(1, spec.video_cap_bps // 1000)}")
    lines += [
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=sendrecv" if slot == 0 else "a=sendonly",
        f"a=mid:{MIDS[index]}",
        f"a=msid:s{slot} {kind[0]}{slot}",  # one stream a slot: its sound and picture are played in step
    ]
    lines += [f"a=extmap:{number} {uri}" for number, uri in _EXTMAPS[kind].items()]
    lines += _codecs(kind) + _sources(kind, spec.slots[slot])
    # In each section, although the bundle's transport is that of the first: aiortc takes the last section's.
    lines += _candidates(spec)
    return lines


def build_offer(spec: OfferSpec) -> str:
    """Return the offer for one leg. Raises SdpError if the specification is incomplete."""
    if not spec.addresses or len(spec.slots) != SLOTS:
        raise SdpError("an offer needs an address and three slots")
    lines = [
        "v=0",
        f"o=- {spec.session_id} {spec.version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=group:BUNDLE {' '.join(MIDS)}",
        "a=msid-semantic: WMS *",
        # Once for all sections instead of in each: a sixth of the offer, on links where that is a tenth of a second.
        f"a=ice-ufrag:{spec.ice.ufrag}",
        f"a=ice-pwd:{spec.ice.pwd}",
        f"a=fingerprint:sha-256 {spec.fingerprint}",
        "a=setup:actpass",
    ]
    for index in range(len(MIDS)):
        lines += _media_section(spec, index)
    return "\r\n".join(lines) + "\r\n"


@dataclass(frozen=True, slots=True)
class SentTrack:
    """What the browser sends on mid 0 or 1. SSRCs are None where the answer does not name them."""

    ssrc: int | None
    rtx_ssrc: int | None
    payload_types: dict[int, str]
    """Accepted payload types and their encoding names; retransmission types are named `RTX`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A browser's answer, checked."""

    fingerprints: list[tuple[str, str]]
    """(algorithm in lower case, upper case hex with colons), at least one."""
    setup: str
    """`active`: the browser is the DTLS client; `passive`: we are."""
    ice: IceCredentials
    audio: SentTrack | None
    """None if the browser does not send on mid 0; `video` likewise for mid 1."""
    video: SentTrack | None
    receives: dict[str, frozenset[int]]
    """For each of the six mids the media payload types that the browser accepts to receive there; empty if none."""

    @property
    def ice_ufrag(self) -> str:
        """The browser's user fragment."""
        return self.ice.ufrag

    @property
    def ice_pwd(self) -> str:
        """The browser's password; a lite agent sends no checks and has no use for it."""
        return self.ice.pwd


@dataclass(slots=True)
class _Section:
    """The lines of a session part or an m-line that matter, as text."""

    kind: str = ""
    port: str = ""
    formats: list[str] = field(default_factory=list)
    attributes: dict[str, list[str]] = field(default_factory=dict)

    def first(self, name: str, fallback: _Section | None = None) -> str | None:
        values = self.attributes.get(name)
        if values:
            return values[0]
        return None if fallback is None else fallback.first(name)


_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_DIGEST_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_DIGEST = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){31,63}\Z")
_ICE_CHARS = re.compile(r"[A-Za-z0-9+/=_-]{4,256}\Z")
_NUMBER = re.compile(r"[0-9]{1,10}\Z")


def _number(text: str, what: str, limit: int) -> int:
    if not _NUMBER.match(text) or int(text) > limit:
        raise SdpError(f"{what} is not a number in range")
    return int(text)


def _split_sections(sdp: str) -> list[_Section]:
    """Return the session part and the m-lines; raises SdpError. Linear in the length of the text."""
    if len(sdp) > MAX_SDP_CHARS:
        raise SdpError("longer than 32 KB")
    sections = [_Section()]
    for raw in sdp.split("\n"):
        line = raw.rstrip("\r")
        if len(line) > MAX_LINE_CHARS:
            raise SdpError("a line is too long")
        if line.startswith("m="):
            if len(sections) > len(MIDS):
                raise SdpError("more m-lines than offered")
            parts = line[2:].split()
            if len(parts) < 4:
                raise SdpError("an m-line is cut off")
            sections.append(_Section(parts[0], parts[1], parts[3:]))
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            sections[-1].attributes.setdefault(name, []).append(value.strip())
    if len(sections) != len(MIDS) + 1:
        raise SdpError("fewer m-lines than offered")
    return sections


def _check_shape(sections: list[_Section]) -> None:
    for mid, kind, section in zip(MIDS, KINDS, sections[1:], strict=True):
        if section.kind != kind:
            raise SdpError("the kinds of the m-lines differ from the offer")
        if section.first("mid") not in {None, mid}:
            raise SdpError("the mids differ from the offer")


def _accepted(sections: list[_Section]) -> list[bool]:
    """Tell which m-lines are not rejected, and that all those share one transport."""
    bundled: set[str] = set()
    for group in sections[0].attributes.get("group", []):
        parts = group.split()
        if parts[:1] == ["BUNDLE"]:
            bundled.update(parts[1:])
    accepted = []
    for mid, section in zip(MIDS, sections[1:], strict=True):
        taken = _number(section.port, "a port", 65535) != 0
        if taken and mid not in bundled:
            raise SdpError("an accepted m-line is outside the bundle")
        if taken and "rtcp-mux" not in section.attributes:
            raise SdpError("an accepted m-line is without rtcp-mux")
        accepted.append(taken)
    return accepted


def _fingerprints(section: _Section, session: _Section) -> list[tuple[str, str]]:
    values = section.attributes.get("fingerprint") or session.attributes.get("fingerprint") or []
    if len(values) > MAX_FINGERPRINTS:
        raise SdpError("too many fingerprints")
    found = []
    for value in values:
        parts = value.split()
        if len(parts) != 2:
            raise SdpError("a fingerprint is malformed")
        algorithm, digest = parts[0].lower(), parts[1].upper()
        size = _DIGEST_BYTES.get(algorithm)
        if size is None:
            continue  # sha-1 and what else there may be proves nothing (RFC 8122 §5)
        if not _DIGEST.match(digest) or len(digest) != 3 * size - 1:
            raise SdpError("a fingerprint is malformed")
        found.append((algorithm, digest))
    if not found:
        raise SdpError("no usable fingerprint")
    return found


def _payload_types(section: _Section) -> dict[int, str]:
    """Return the accepted payload types that are ours under the same name, retransmissions with their right media."""
    listed = {int(text) for text in section.formats if _NUMBER.match(text)}
    names: dict[int, str] = {}
    for value in section.attributes.get("rtpmap", []):
        number, _, name = value.partition(" ")
        if _NUMBER.match(number) and int(number) in listed:
            names[int(number)] = name.strip().partition("/")[0].upper()
    ours = AUDIO_PTS if section.kind == "audio" else VIDEO_PTS
    accepted = {pt: PAYLOAD_TYPES[pt] for pt in ours if names.get(pt) == PAYLOAD_TYPES[pt]}
    for media in list(accepted):
        rtx = RTX_OF.get(media)
        if rtx is not None and names.get(rtx) == "RTX" and f"{rtx} apt={media}" in section.attributes.get("fmtp", []):
            accepted[rtx] = "RTX"
    return accepted


def _ssrcs(section: _Section) -> tuple[int | None, int | None]:
    """Return the SSRCs of the track and of its retransmissions, as far as they are named."""
    named: dict[int, None] = {}
    for value in section.attributes.get("ssrc", []):
        ssrc = _number(value.partition(" ")[0], "an SSRC", 0xFFFF_FFFF)
        named[ssrc] = None
        if len(named) > MAX_SSRCS:
            raise SdpError("too many SSRCs")
    for group in section.attributes.get("ssrc-group", []):
        parts = group.split()
        if parts[:1] == ["FID"]:
            if len(parts) != 3:
                raise SdpError("a FID group is not of two SSRCs")
            main, rtx = (_number(part, "an SSRC", 0xFFFF_FFFF) for part in parts[1:])
            if main == rtx:
                raise SdpError("two tracks share an SSRC")
            return main, rtx
    return next(iter(named), None), None


def _direction(section: _Section, session: _Section) -> str:
    for level in (section, session):
        for direction in _DIRECTIONS:
            if direction in level.attributes:
                return direction
    return "sendrecv"


def _sent_track(section: _Section, direction: str) -> SentTrack | None:
    payload_types = _payload_types(section)
    if direction not in {"sendrecv", "sendonly"} or not payload_types:
        return None
    ssrc, rtx_ssrc = _ssrcs(section)
    return SentTrack(ssrc, rtx_ssrc, payload_types)


def _credentials(section: _Section, session: _Section) -> IceCredentials:
    ufrag, pwd = section.first("ice-ufrag", session), section.first("ice-pwd", session)
    if ufrag is None or pwd is None or not _ICE_CHARS.match(ufrag) or not _ICE_CHARS.match(pwd) or len(pwd) < 22:
        raise SdpError("ICE credentials are missing or malformed")
    return IceCredentials(ufrag, pwd)


def _check_distinct(spec: OfferSpec, *tracks: SentTrack | None) -> None:
    ours = {ssrc for slot in spec.slots for ssrc in (slot.audio, slot.video, slot.video_rtx)}
    seen: set[int] = set()
    for track in tracks:
        for ssrc in (track.ssrc, track.rtx_ssrc) if track is not None else ():
            if ssrc is None:
                continue
            if ssrc in seen or ssrc in ours:
                raise SdpError("two tracks share an SSRC")
            seen.add(ssrc)


def parse_answer(sdp: str, spec: OfferSpec) -> Answer:
    """Return what a browser's answer to the offer of `spec` says; raises SdpError, and nothing else, for a bad one.

    Rejected and inactive m-lines are tolerated (no camera, a codec too few) as long as one is accepted.
    """
    sections = _split_sections(sdp)
    _check_shape(sections)
    accepted = _accepted(sections)
    if not any(accepted):
        raise SdpError("everything was rejected")
    session, media = sections[0], sections[1:]
    transport = media[accepted.index(True)]  # RFC 9143 §7.3.1: the first accepted section speaks for the bundle
    setup = transport.first("setup", session)
    if setup not in {"active", "passive"}:
        raise SdpError("setup is neither active nor passive")
    directions = [
        _direction(part, session) if taken else "inactive" for part, taken in zip(media, accepted, strict=True)
    ]
    receives: dict[str, frozenset[int]] = {}
    for mid, part, direction in zip(MIDS, media, directions, strict=True):
        hears = direction in {"sendrecv", "recvonly"}
        receives[mid] = frozenset(pt for pt in _payload_types(part) if pt in PAYLOAD_TYPES) if hears else frozenset()
    audio, video = (_sent_track(media[index], directions[index]) for index in (0, 1))
    _check_distinct(spec, audio, video)
    return Answer(
        fingerprints=_fingerprints(transport, session),
        setup=setup,
        ice=_credentials(transport, session),
        audio=audio,
        video=video,
        receives=receives,
    )
