"""The server's fixed offer (RFC 8866, RFC 9429, RFC 9143). What a browser answers to it is read in `media/answer.py`.

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
from dataclasses import dataclass

from media.ice import IceCredentials

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

AUDIO_LEVEL_ID, ABS_SEND_TIME_ID, TRANSPORT_SEQUENCE_ID, VIDEO_ORIENTATION_ID = 1, 2, 3, 5

TRANSPORT_SEQUENCE_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

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
# No dependency descriptor: its frame numbers start again with every source, and Chromium then drops the new source's
# keyframes as older than what it has, for as many seconds as the call has lasted.
_EXTMAPS = {
    "audio": {
        AUDIO_LEVEL_ID: "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        ABS_SEND_TIME_ID: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        TRANSPORT_SEQUENCE_ID: TRANSPORT_SEQUENCE_URI,
    },
    "video": {
        ABS_SEND_TIME_ID: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        TRANSPORT_SEQUENCE_ID: TRANSPORT_SEQUENCE_URI,
        VIDEO_ORIENTATION_ID: "urn:3gpp:video-orientation",
    },
}
_FEEDBACK = {
    # NACK for voice too: Chromium asks only for what can still be played, the relay only where the round trip is short.
    "audio": ("nack", "transport-cc"),
    "video": ("nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"),
}

_UDP_TYPE_PREFERENCE = 126
_TCP_TYPE_PREFERENCE = 90
_TCP_PASSIVE_PREFERENCE = 4 << 13  # RFC 6544 §4.2
_CNAME = "puente"


class SdpError(ValueError):
    """An offer cannot be made or an answer not be used. The text says why without repeating what was sent."""


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
    lines = [f"a=rtcp-fb:* {feedback}" for feedback in _FEEDBACK[kind]]
    for payload_type in AUDIO_PTS if kind == "audio" else VIDEO_PTS:
        lines.append(f"a=rtpmap:{payload_type} {_RTPMAPS[payload_type]}")
        if payload_type in _FMTP:
            lines.append(f"a=fmtp:{payload_type} {_FMTP[payload_type]}")
        if kind == "video":
            rtx = RTX_OF[payload_type]
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
        # Two streams a slot: browsers hold a voice back until the picture of its stream has come (decision 11).
        f"a=msid:{kind}{slot} {kind[0]}{slot}",
    ]
    lines += [f"a=extmap:{number} {uri}" for number, uri in _EXTMAPS[kind].items()]
    lines += _codecs(kind) + _sources(kind, spec.slots[slot])
    # The bundle's transport is that of the first section; aiortc looks into the last one, or the last of a kind.
    if index == 0 or index >= len(MIDS) - 2:
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
