"""The contract with aiortc and pylibsrtp: names, signatures and behaviour that `media/dtls.py` and `media/srtp.py` use.

When one of these fails after an upgrade, read those two modules again before changing the test.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import re
import weakref

import aiortc
import pylibsrtp
import pytest
from aiortc.rtcdtlstransport import (
    SRTP_PROFILES,
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
)
from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib

from media import dtls as dtls_module
from media.dtls import MAX_DATAGRAM, MAX_QUEUED, Certificate, Dtls, DtlsError
from media.srtp import MAX_PACKET, Srtp, SrtpError
from tests.media.client import rtp_packet, until

CERTIFICATE = Certificate()


class Wire:
    """Two associations with a wire between them. `lose` says which datagrams do not arrive."""

    def __init__(self) -> None:
        self.lost = 0
        self.sent = 0
        self.lose = lambda _number, _data: False
        self.ended: list[str] = []
        self.server = Dtls(CERTIFICATE, lambda d: self._carry(d, self.client), lambda: self.ended.append("server"))
        self.client = Dtls(CERTIFICATE, lambda d: self._carry(d, self.server), lambda: self.ended.append("client"))

    def _carry(self, data: bytes, to: Dtls) -> None:
        self.sent += 1
        if self.lose(self.sent, data):
            self.lost += 1
        else:
            to.receive(data)

    async def handshake(self, timeout_s: float = 20.0) -> tuple[Srtp, Srtp]:
        theirs = [("sha-256", CERTIFICATE.fingerprint)]
        return await asyncio.gather(
            self.server.handshake(theirs, "server", timeout_s), self.client.handshake(theirs, "client", timeout_s)
        )

    async def close(self) -> None:
        await self.client.close()
        await self.server.close()


# ---- names and signatures


def test_version_is_the_one_read() -> None:
    """The private names were read in this version; another one has to be read again."""
    assert aiortc.__version__ == "1.16.0"
    assert pylibsrtp.__version__.startswith("1.")


def test_names_of_the_transport() -> None:
    """What we call, set and read exists, with the parameters that we pass."""
    transport = RTCDtlsTransport(dtls_module._IceEnd(lambda _d: None), [RTCCertificate.generateCertificate()])
    for name in ("_set_role", "_rx_srtp", "_tx_srtp", "_ssl", "_task", "on", "remove_all_listeners"):
        assert hasattr(transport, name), name
    assert transport.state == "new"
    assert list(inspect.signature(RTCDtlsTransport.__init__).parameters) == ["self", "transport", "certificates"]
    assert list(inspect.signature(RTCDtlsTransport.start).parameters) == ["self", "remoteParameters"]
    assert list(inspect.signature(RTCDtlsTransport._set_role).parameters) == ["self", "role"]
    assert inspect.iscoroutinefunction(RTCDtlsTransport.start)
    assert inspect.iscoroutinefunction(RTCDtlsTransport.stop)
    assert RTCDtlsFingerprint(algorithm="sha-256", value="AA").algorithm == "sha-256"
    assert RTCDtlsParameters([]).role == "auto"


def test_only_these_names_of_the_ice_transport_are_used() -> None:
    """aiortc asks its ICE transport for nothing but what `_IceEnd` has."""
    source = inspect.getsource(RTCDtlsTransport).replace("self._transport.", "self.transport.")
    used = set(re.findall(r"self\.transport\.(\w+)", source))
    assert used == {"role", "_recv", "_send"}


def test_gcm_comes_first() -> None:
    """The profile that costs half of the others is offered, and before them."""
    names = [profile.openssl_profile for profile in SRTP_PROFILES]
    assert names[:2] == [b"SRTP_AEAD_AES_256_GCM", b"SRTP_AEAD_AES_128_GCM"]


def test_names_of_the_srtp_binding() -> None:
    """libsrtp's functions are reachable with the C types that we pass, and status 0 is success."""
    expected = "srtp_err_status_t(*)(struct srtp_ctx_t_ *, void *, int *)"
    for name in ("srtp_protect", "srtp_unprotect", "srtp_protect_rtcp", "srtp_unprotect_rtcp"):
        assert ffi.typeof(getattr(lib, name)).cname == expected
    assert lib.srtp_err_status_ok == 0
    assert ffi.typeof(Session()._srtp).cname == "struct srtp_ctx_t_ * *"


# ---- SRTP


def _pair() -> tuple[Srtp, Srtp]:
    key = bytes(range(44))

    def session(direction: int) -> Session:
        policy = Policy(key=key, ssrc_type=direction, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_256_GCM)
        policy.window_size = 1024
        return Session(policy)

    def srtp() -> Srtp:
        return Srtp(receiving=session(Policy.SSRC_ANY_INBOUND), sending=session(Policy.SSRC_ANY_OUTBOUND))

    return srtp(), srtp()


def test_srtp_is_pylibsrtps() -> None:
    """Our way to libsrtp gives byte for byte what pylibsrtp's own gives."""
    key = bytes(range(44))
    policy = Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_256_GCM)
    ours, theirs = _pair()[0], Session(policy)
    for size in (1, 60, 1200, MAX_PACKET - 12 - 200):
        packet = rtp_packet(7, 96, size, 0, bytes(size))
        assert ours.protect(packet) == theirs.protect(packet)


def test_srtp_there_and_back() -> None:
    """What one side protects the other one reads, RTP and RTCP."""
    a, b = _pair()
    packet = rtp_packet(7, 96, 1, 0, b"media")
    assert b.unprotect(a.protect(packet)) == packet
    report = bytes.fromhex("80c9000100000007")
    assert b.unprotect_rtcp(a.protect_rtcp(report)) == report


@pytest.mark.parametrize("size", [MAX_PACKET, MAX_PACKET + 1, 2000, 65_000])
def test_largest_packets_cost_an_error_at_most(size: int) -> None:
    """No length writes beyond the shared buffer or raises anything else."""
    a, b = _pair()
    try:
        protected = a.protect(bytes([0x80, 96]) + bytes(size - 2))
        assert len(protected) == size + 16
    except SrtpError as error:
        assert size > MAX_PACKET
        assert error.reason == "srtp_error"
    with pytest.raises(SrtpError):
        b.unprotect(bytes([0x80, 96]) + bytes(size - 2))


def test_replays_and_forgeries_are_told_apart() -> None:
    """A packet that came before counts as replayed, one that was changed as forged, rubbish as an error."""
    a, b = _pair()
    protected = a.protect(rtp_packet(7, 96, 1, 0, b"media"))
    b.unprotect(protected)
    for bad, reason in (
        (protected, "replayed"),
        (protected[:-1] + b"\0", "replayed"),
        (b"\x80" + bytes(30), "auth_failed"),
    ):
        with pytest.raises(SrtpError) as refused:
            b.unprotect(bad)
        assert refused.value.reason == reason
    forged = bytearray(a.protect(rtp_packet(7, 96, 2, 0, b"media")))
    forged[20] ^= 1
    with pytest.raises(SrtpError) as refused:
        b.unprotect(bytes(forged))
    assert refused.value.reason == "auth_failed"
    for size in range(13):
        with pytest.raises(SrtpError):
            b.unprotect(bytes([0x80] * size))


# ---- handshake


async def test_handshake_gives_keys_that_fit() -> None:
    """Both sides agree on AES-GCM, and each reads what the other one sends."""
    wire = Wire()
    server, client = await wire.handshake()
    assert wire.server.profile == wire.client.profile == "SRTP_AEAD_AES_256_GCM"
    packet = rtp_packet(9, 111, 1, 0, b"voice")
    assert server.unprotect(client.protect(packet)) == packet
    assert client.unprotect(server.protect(packet)) == packet
    await wire.close()


async def test_handshake_survives_loss() -> None:
    """Every first transmission of a flight is lost; OpenSSL's timers, driven by aiortc, send it again."""
    wire = Wire()
    seen: set[int] = set()

    def lose(_number: int, data: bytes) -> bool:
        kind = data[0] << 8 | data[13] if len(data) > 13 else data[0]
        first = kind not in seen
        seen.add(kind)
        return first

    wire.lose = lose
    await wire.handshake()
    assert wire.lost >= 3
    await wire.close()


async def test_handshake_ends_in_time() -> None:
    """A peer that never answers costs its time and nothing after it."""
    wire = Wire()
    wire.lose = lambda _number, _data: True
    with pytest.raises(DtlsError, match="timed out"):
        await wire.client.handshake([("sha-256", CERTIFICATE.fingerprint)], "client", 0.3)
    await wire.close()
    assert len(asyncio.all_tasks()) == 1


async def test_wrong_certificate_is_refused() -> None:
    """A certificate that is not the announced one fails the handshake."""
    wire = Wire()
    theirs = [("sha-256", Certificate().fingerprint)]
    with pytest.raises(DtlsError, match="failed"):
        await asyncio.gather(
            wire.server.handshake(theirs, "server", 5),
            wire.client.handshake([("sha-256", CERTIFICATE.fingerprint)], "client", 5),
        )
    await wire.close()


@pytest.mark.parametrize("count", [0, 9])
async def test_number_of_fingerprints_is_bounded(count: int) -> None:
    """None proves nothing, and no browser has nine."""
    wire = Wire()
    with pytest.raises(DtlsError):
        await wire.server.handshake([("sha-256", CERTIFICATE.fingerprint)] * count, "server")
    await wire.close()


async def test_garbage_does_not_end_a_handshake() -> None:
    """Records that make no sense arrive between the real ones."""
    wire = Wire()

    def noise(_number: int, _data: bytes) -> bool:
        for junk in (
            b"\x16",
            b"\x16\xfe\xfd" + bytes(10),
            b"\x17" * 200,
            b"\x3f" * 1400,
            b"\x14\xfe\xfd" + bytes(10) + b"\xff",
        ):
            wire.server.receive(junk)
        return False

    wire.lose = noise
    await wire.handshake()
    await wire.close()


async def test_queue_is_bounded_and_takes_dtls_only() -> None:
    """Before the handshake datagrams wait, but only so many, and only what is DTLS."""
    wire = Wire()
    for data in (b"", b"\x80" * 20, b"\x13", b"\x40", b"\x16" * (MAX_DATAGRAM + 1)):
        assert not wire.server.receive(data)
    taken = sum(wire.server.receive(b"\x16" * 20) for _ in range(MAX_QUEUED + 10))
    assert taken == MAX_QUEUED
    await wire.close()


async def test_goodbye_is_heard() -> None:
    """close_notify of one side is told to the owner of the other, and to that one only."""
    wire = Wire()
    await wire.handshake()
    await wire.client.close()
    await until(lambda: wire.ended)
    assert wire.ended == ["server"]
    await wire.close()


@pytest.mark.parametrize("stage", ["new", "waiting", "connected"])
async def test_closing_frees_everything(stage: str) -> None:
    """Closed at any stage, nothing is left: no task, and no transport once the collector has run."""
    wire = Wire()
    waiting = None
    if stage == "connected":
        await wire.handshake()
    elif stage == "waiting":
        wire.lose = lambda _number, _data: True
        waiting = asyncio.ensure_future(wire.server.handshake([("sha-256", CERTIFICATE.fingerprint)], "server"))
        await asyncio.sleep(0)
    kept = [weakref.ref(side._transport) for side in (wire.server, wire.client)]
    await wire.close()
    await wire.close()
    if waiting is not None:
        with pytest.raises(DtlsError):
            await waiting
    del wire, waiting
    assert len(asyncio.all_tasks()) == 1
    await until(lambda: gc.collect() is not None and not any(ref() for ref in kept))
