"""The relay's offer as the link test's client reads it, and the answer that it gives: one that counts packets."""

from __future__ import annotations

import ipaddress
import re
import secrets
from dataclasses import dataclass

from media.ice import IceCredentials
from media.sdp import (
    ABS_SEND_TIME_ID,
    MIDS,
    OPUS,
    RTX_OF,
    TRANSPORT_SEQUENCE_ID,
    TRANSPORT_SEQUENCE_URI,
    VP8,
)

MAX_CANDIDATES = 8
"""The relay names at most eight addresses."""

_UFRAG = re.compile(r"^a=ice-ufrag:([A-Za-z0-9+/]{4,256})\r?$", re.MULTILINE)
_PWD = re.compile(r"^a=ice-pwd:([A-Za-z0-9+/]{22,256})\r?$", re.MULTILINE)
_FINGERPRINT = re.compile(r"^a=fingerprint:sha-256 ([0-9A-Fa-f:]{95})\r?$", re.MULTILINE)
_CANDIDATE = re.compile(r"^a=candidate:\S+ 1 (udp|tcp) \d+ (\S+) (\d{1,5}) typ host", re.MULTILINE)


class OfferError(ValueError):
    """The offer is not one of a relay."""


Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class RelayOffer:
    """What a client needs of an offer."""

    ice: IceCredentials
    fingerprint: str
    """SHA-256."""
    udp: tuple[Address, ...]
    tcp: tuple[Address, ...]


def read_offer(sdp: str) -> RelayOffer:
    """Read a relay's offer. Raises OfferError."""
    ufrag, pwd, fingerprint = _UFRAG.search(sdp), _PWD.search(sdp), _FINGERPRINT.search(sdp)
    if ufrag is None or pwd is None or fingerprint is None:
        raise OfferError("credentials or fingerprint are missing")
    found: dict[str, dict[Address, None]] = {"udp": {}, "tcp": {}}
    for kind, host, port in _CANDIDATE.findall(sdp):
        if _is_ip(host) and 0 < int(port) <= 65535:
            found[kind][host, int(port)] = None
    if not found["udp"]:
        raise OfferError("no candidates")
    return RelayOffer(
        ice=IceCredentials(ufrag[1], pwd[1]),
        fingerprint=fingerprint[1],
        udp=tuple(found["udp"])[:MAX_CANDIDATES],
        tcp=tuple(found["tcp"])[:MAX_CANDIDATES],
    )


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Sender:
    """What the client sends under: fresh for each test."""

    ice: IceCredentials
    audio_ssrc: int
    video_ssrc: int
    rtx_ssrc: int

    @classmethod
    def fresh(cls) -> Sender:
        """Return new random ones."""
        ssrc = secrets.randbelow(2**31) + 1
        return cls(IceCredentials.fresh(), ssrc, ssrc + 1, ssrc + 2)


def write_answer(sender: Sender, fingerprint: str) -> str:
    """Return the answer: Opus and VP8 both ways, counted; `fingerprint` is of the client's certificate."""
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {' '.join(MIDS)}"]
    for index, mid in enumerate(MIDS):
        own = index < 2
        formats = (
            f"audio 9 UDP/TLS/RTP/SAVPF {OPUS}" if index % 2 == 0 else f"video 9 UDP/TLS/RTP/SAVPF {VP8} {RTX_OF[VP8]}"
        )
        lines += [
            f"m={formats}",
            "c=IN IP4 0.0.0.0",
            f"a=ice-ufrag:{sender.ice.ufrag}",
            f"a=ice-pwd:{sender.ice.pwd}",
            f"a=fingerprint:sha-256 {fingerprint}",
            "a=setup:active",
            f"a=mid:{mid}",
            "a=rtcp-mux",
            "a=sendrecv" if own else "a=recvonly",
            f"a=extmap:{ABS_SEND_TIME_ID} http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            f"a=extmap:{TRANSPORT_SEQUENCE_ID} {TRANSPORT_SEQUENCE_URI}",
            "a=rtcp-fb:* transport-cc",
        ]
        if index % 2 == 0:
            lines += [f"a=rtpmap:{OPUS} opus/48000/2"]
            lines += [f"a=ssrc:{sender.audio_ssrc} cname:linktest"] if own else []
        else:
            lines += [
                f"a=rtpmap:{VP8} VP8/90000",
                f"a=rtpmap:{RTX_OF[VP8]} rtx/90000",
                f"a=fmtp:{RTX_OF[VP8]} apt={VP8}",
            ]
            if own:
                lines += [f"a=ssrc-group:FID {sender.video_ssrc} {sender.rtx_ssrc}"]
                lines += [f"a=ssrc:{ssrc} cname:linktest" for ssrc in (sender.video_ssrc, sender.rtx_ssrc)]
    return "\r\n".join(lines) + "\r\n"
