"""What a browser's answer to the fixed offer says (RFC 8866, RFC 9429, RFC 9143).

The answer comes from whoever holds a link, so it is hostile until it has passed: everything read is bounded and linear
in its length, and everything wrong with it is an SdpError.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from media.ice import IceCredentials
from media.sdp import (
    AUDIO_PTS,
    KINDS,
    MIDS,
    PAYLOAD_TYPES,
    RTX_OF,
    TRANSPORT_SEQUENCE_ID,
    TRANSPORT_SEQUENCE_URI,
    VIDEO_PTS,
    OfferSpec,
    SdpError,
)

MAX_SDP_CHARS = 32_768
MAX_LINE_CHARS = 2048
MAX_SSRCS = 8
"""SSRCs of one m-line: a track and its retransmissions are two."""
MAX_FINGERPRINTS = 8


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
    counts: frozenset[str]
    """The kinds of media (`audio`, `video`) whose packets the browser counts transport-wide, both ways."""
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


def _counts(section: _Section) -> bool:
    """Tell whether the m-line has transport-wide sequence numbers, under our id, and their feedback."""
    wanted = f"{TRANSPORT_SEQUENCE_ID} {TRANSPORT_SEQUENCE_URI}"
    numbered = any(value == wanted for value in section.attributes.get("extmap", []))
    return numbered and any(value.endswith(" transport-cc") for value in section.attributes.get("rtcp-fb", []))


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
        counts=frozenset(
            part.kind for part, taken in zip(media[:2], accepted[:2], strict=True) if taken and _counts(part)
        ),
    )
