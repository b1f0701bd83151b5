"""One client as a browser would be on the wire: ICE (controlling), DTLS and SRTP keys over a socket of its own.

Written on pyOpenSSL's public interface and not on the relay's own modules, so that the two do not share a mistake. When
`connect` is done the socket and the keys go to the packet loop (`bench/load.py`).
"""

from __future__ import annotations

import asyncio
import datetime
import re
import secrets
import socket
from dataclasses import dataclass, field
from functools import cache

from aioice import stun
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from bench.figures import Unfit

CONNECT_TIMEOUT_S = 20.0
CHECK_EVERY_S = 0.1
DATAGRAM = 2048
MTU = 1200
PRIORITY = 126 << 24 | 65535 << 8 | 255
SRTP_PROFILE = b"SRTP_AEAD_AES_256_GCM"  # what Chromium chooses, and here the only one, so that all servers do the same
KEY_SIZE, SALT_SIZE = 32, 12

OPUS, VP8, RTX = 111, 96, 97
AUDIO_LEVEL_ID, SEND_TIME_ID = 1, 2
VIDEO_PACKET, AUDIO_PACKET = 950, 70  # payload bytes
FRAME_PACKETS, FRAME_S, AUDIO_S = 3, 0.05, 0.02
PACKETS_PER_CLIENT_S = FRAME_PACKETS / FRAME_S + 1 / AUDIO_S
"""110: 20 frames of three packets and 50 of Opus a second, 470 kbit/s: one side of a call."""


@dataclass(frozen=True)
class Flow:
    """One track that a client sends."""

    ssrc: int
    payload_type: int
    clock_rate: int
    burst: int
    period_s: float
    payload_size: int

    def extension(self) -> tuple[bytes, int]:
        """The RTP header extension (RFC 8285) and where in it the send time stands."""
        level = bytes([AUDIO_LEVEL_ID << 4, 0x9E]) if self.payload_type == OPUS else b""
        elements = level + bytes([SEND_TIME_ID << 4 | 2, 0, 0, 0])
        words = -(-len(elements) // 4)
        return b"\xbe\xde" + words.to_bytes(2, "big") + elements.ljust(4 * words, b"\0"), 4 + len(level) + 1


def video_flow(frame_s: float) -> Flow:
    """VP8 in frames of three packets."""
    return Flow(secrets.randbits(32), VP8, 90_000, FRAME_PACKETS, frame_s, VIDEO_PACKET)


def audio_flow(packet_s: float) -> Flow:
    """Opus."""
    return Flow(secrets.randbits(32), OPUS, 48_000, 1, packet_s, AUDIO_PACKET)


@dataclass(frozen=True)
class Keys:
    """SRTP master key and salt of each direction."""

    sending: bytes
    receiving: bytes


@dataclass(frozen=True)
class Remote:
    """What the server's description says about its transport."""

    address: tuple[str, int]
    ufrag: str
    password: str
    fingerprint: str
    setup: str

    @classmethod
    def of(cls, sdp: str, host: str) -> Remote:
        """Read the first UDP candidate at `host`, credentials and fingerprint. Raises `Unfit` where one is missing."""

        def first(pattern: str) -> str:
            found = re.search(pattern, sdp, re.MULTILINE)
            if found is None:
                raise Unfit(f"no {pattern} in the server's description")
            return found[1].strip()

        port = first(rf"^a=candidate:\S+ 1 (?i:udp) \d+ {re.escape(host)} (\d+) typ host")
        return cls(
            address=(host, int(port)),
            ufrag=first(r"^a=ice-ufrag:(\S+)"),
            password=first(r"^a=ice-pwd:(\S+)"),
            fingerprint=first(r"^a=fingerprint:sha-256 (\S+)").upper(),
            setup=first(r"^a=setup:(\S+)"),
        )


def host_address() -> str:
    """This host's own address: on the loopback path, and unlike 127.0.0.1 a candidate everybody accepts."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


@cache
def _certificate() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """One for all clients: making them is not what is measured."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    day = datetime.timedelta(days=1)
    builder = builder.not_valid_before(now - day).not_valid_after(now + day)
    return key, builder.sign(key, hashes.SHA256())


@cache
def _context() -> SSL.Context:
    key, certificate = _certificate()
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)  # by fingerprint instead
    context.use_certificate(certificate)
    context.use_privatekey(key)
    context.set_tlsext_use_srtp(SRTP_PROFILE)
    return context


def _fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _records(flight: bytes) -> list[bytes]:
    """Cut a flight at its record boundaries (RFC 6347 §4.1) into datagrams of at most `MTU`."""
    datagrams: list[bytes] = []
    at = 0
    while at + 13 <= len(flight):
        end = at + 13 + int.from_bytes(flight[at + 11 : at + 13], "big")
        if datagrams and len(datagrams[-1]) + end - at <= MTU:
            datagrams[-1] += flight[at:end]
        else:
            datagrams.append(flight[at:end])
        at = end
    return datagrams


@dataclass(eq=False)
class Client:
    """A participant sending one video and one audio flow."""

    video: Flow
    audio: Flow
    rtx_ssrc: int = field(default_factory=lambda: secrets.randbits(32))
    ufrag: str = field(default_factory=lambda: secrets.token_hex(4))
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    socket: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    consent: bytes = b""
    keys: Keys = field(default_factory=lambda: Keys(b"", b""))

    def offer(self) -> str:
        """A description that asks a server to take both flows and send the same back."""
        return "\r\n".join([*self._session("0 1"), *self._section("audio", 0, "actpass"),
                            *self._section("video", 1, "actpass"), ""])  # fmt: skip

    def answer(self, offer: str) -> str:
        """The answer to the relay's offer: both flows on mids 0 and 1, everything else only received."""
        kinds = re.findall(r"^m=(\w+)", offer, re.MULTILINE)
        mids = re.findall(r"^a=mid:(\S+)", offer, re.MULTILINE)
        lines = self._session(" ".join(mids))
        for mid, kind in zip(mids, kinds, strict=True):
            lines += self._section(kind, int(mid), "active")
        return "\r\n".join([*lines, ""])

    def _session(self, mids: str) -> list[str]:
        return ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mids}", "a=msid-semantic: WMS *"]

    def _section(self, kind: str, mid: int, setup: str) -> list[str]:
        """An m-line; the first of each kind (mids 0 and 1) names what this client sends."""
        sends = mid < 2
        audio = kind == "audio"
        lines = [
            f"m={kind} 9 UDP/TLS/RTP/SAVPF {OPUS if audio else f'{VP8} {RTX}'}",
            "c=IN IP4 0.0.0.0",
            "a=rtcp:9 IN IP4 0.0.0.0",
            f"a=ice-ufrag:{self.ufrag}",
            f"a=ice-pwd:{self.password}",
            f"a=fingerprint:sha-256 {_fingerprint(_certificate()[1])}",
            f"a=setup:{setup}",
            f"a=mid:{mid}",
            "a=sendrecv" if sends else "a=recvonly",
            "a=rtcp-mux",
            f"a=extmap:{SEND_TIME_ID} http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        ]
        if audio:
            lines += [
                f"a=extmap:{AUDIO_LEVEL_ID} urn:ietf:params:rtp-hdrext:ssrc-audio-level",
                f"a=rtpmap:{OPUS} opus/48000/2",
                f"a=fmtp:{OPUS} minptime=10;useinbandfec=1",
            ]
        else:
            lines += [f"a=rtpmap:{VP8} VP8/90000"]
            lines += [f"a=rtcp-fb:{VP8} {feedback}" for feedback in ("nack", "nack pli", "ccm fir", "goog-remb")]
            lines += [f"a=rtpmap:{RTX} rtx/90000", f"a=fmtp:{RTX} apt={VP8}"]
        if sends and audio:
            lines += [f"a=msid:bench a{self.audio.ssrc}", f"a=ssrc:{self.audio.ssrc} cname:bench"]
        elif sends:
            lines += [
                f"a=msid:bench v{self.video.ssrc}",
                f"a=ssrc-group:FID {self.video.ssrc} {self.rtx_ssrc}",
                f"a=ssrc:{self.video.ssrc} cname:bench",
                f"a=ssrc:{self.rtx_ssrc} cname:bench",
            ]
        return lines

    async def connect(self, remote: Remote) -> None:
        """Nominate the server's candidate, do the handshake, derive the keys. Raises `Unfit` when it does not work."""
        self.socket.setblocking(False)
        self.socket.connect(remote.address)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._nominate(remote)
                await self._handshake(remote)
        except TimeoutError:
            raise Unfit("a client could not connect in time") from None

    async def _receive(self, timeout_s: float | None) -> bytes:
        """The next datagram that is not a check of the server's own; those are answered (libnice sends them)."""
        async with asyncio.timeout(timeout_s):
            while True:
                data = await asyncio.get_running_loop().sock_recv(self.socket, DATAGRAM)
                if data[:2] != b"\x00\x01":
                    return data
                request = stun.parse_message(data)
                response = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id)
                response.attributes["XOR-MAPPED-ADDRESS"] = self.socket.getpeername()
                response.add_message_integrity(self.password.encode())
                self.socket.send(bytes(response))

    async def _nominate(self, remote: Remote) -> None:
        """RFC 8445: one check with USE-CANDIDATE, repeated until answered. The same bytes later serve as consent."""
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{remote.ufrag}:{self.ufrag}"
        request.attributes["PRIORITY"] = PRIORITY
        request.attributes["ICE-CONTROLLING"] = secrets.randbits(64)
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(remote.password.encode())
        self.consent = bytes(request)
        while True:
            self.socket.send(self.consent)
            try:
                data = await self._receive(CHECK_EVERY_S)
                response = stun.parse_message(data)
            except (TimeoutError, ValueError, ConnectionError):
                continue
            if response.transaction_id == request.transaction_id and response.message_class == stun.Class.RESPONSE:
                return

    async def _handshake(self, remote: Remote) -> None:
        """DTLS (RFC 5764): the client where the server's setup says `actpass` or `passive`, else the server."""
        connection = SSL.Connection(_context())
        connection.set_ciphertext_mtu(MTU)
        active = remote.setup != "active"
        if active:
            connection.set_connect_state()
        else:
            connection.set_accept_state()
        done = False
        while not done:
            try:
                connection.do_handshake()
                done = True
            except SSL.WantReadError:
                pass
            self._flush(connection)
            if not done:
                await self._feed(connection)
        certificate = connection.get_peer_certificate(as_cryptography=True)
        if certificate is None or _fingerprint(certificate) != remote.fingerprint:
            raise Unfit("the server's certificate is not the one of its description")
        if connection.get_selected_srtp_profile() != SRTP_PROFILE:
            raise Unfit("the server did not choose AES-GCM")
        material = connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (KEY_SIZE + SALT_SIZE))
        sides = [
            material[i * KEY_SIZE : (i + 1) * KEY_SIZE]
            + material[2 * KEY_SIZE + i * SALT_SIZE : 2 * KEY_SIZE + (i + 1) * SALT_SIZE]
            for i in (0, 1)
        ]
        self.keys = Keys(sides[0], sides[1]) if active else Keys(sides[1], sides[0])

    def _flush(self, connection: SSL.Connection) -> None:
        try:
            flight = connection.bio_read(65536)
        except SSL.WantReadError:
            return
        for datagram in _records(flight):
            self.socket.send(datagram)

    async def _feed(self, connection: SSL.Connection) -> None:
        """Give OpenSSL the next DTLS datagram, or tell it that none came in its time."""
        try:
            data = await self._receive(connection.DTLSv1_get_timeout() or 1)
        except TimeoutError:
            connection.DTLSv1_handle_timeout()
            return
        if data and 19 < data[0] < 64:
            connection.bio_write(data)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()
