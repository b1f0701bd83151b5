"""DTLS of a leg: aiortc's `RTCDtlsTransport` behind an ICE object of our own.

Everything of aiortc and pylibsrtp that is not documented API is named here and in `media/srtp.py`, nowhere else, and
`tests/media/test_dtls.py` fails when a name, a signature or a behaviour of the pinned version changes.

What aiortc does here: certificate, handshake with retransmission by OpenSSL's timers (RFC 6347 section 4.2.4),
fingerprint check (RFC 8122), SRTP keys (RFC 5764). What it does not: it never sees a media packet. Only datagrams whose
first byte says DTLS (RFC 7983) are put into its queue, which is bounded; the SRTP sessions are taken over when the
handshake is done.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from OpenSSL import SSL

from media.srtp import Srtp

HANDSHAKE_TIMEOUT_S = 30.0
"""A satellite with 20 % loss needs 8-15 s; the leg itself is given up after 30 s without a packet as well."""

MAX_QUEUED = 64
"""Datagrams waiting for the handshake. A flight is at most 6; what does not fit is retransmitted by the other side."""

MAX_DATAGRAM = 4096
"""A DTLS datagram is at most one path MTU; larger ones are not from a browser."""

MAX_FINGERPRINTS = 8

Role = Literal["client", "server"]


class DtlsError(Exception):
    """The handshake did not succeed: refused, wrong certificate, no SRTP profile in common, or out of time."""


class Certificate:
    """The relay's self-signed certificate (ECDSA P-256); one serves all legs that are created while it is fresh."""

    def __init__(self) -> None:
        self._certificate = RTCCertificate.generateCertificate()
        self.expires_s: float = self._certificate.expires.timestamp()
        """Unix time of its end, 30 days after it was made."""

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint as in `a=fingerprint:sha-256 <value>` (RFC 8122)."""
        found: str = next(f.value for f in self._certificate.getFingerprints() if f.algorithm == "sha-256")
        return found


class _IceEnd:
    """What `RTCDtlsTransport` uses of an ICE transport: `role`, `_recv` and `_send`."""

    role = "controlled"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.send: Callable[[bytes], None] | None = send
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_QUEUED)

    async def _recv(self) -> bytes:
        datagram = await self.queue.get()
        if datagram is None:
            raise ConnectionError
        return datagram

    async def _send(self, data: bytes) -> None:
        if self.send is None:
            raise ConnectionError
        self.send(data)


class Dtls:
    """One DTLS association. `send` is called with each datagram to be sent; it must not block.

    `on_end` is called once when the other side ends an established association (close_notify), never by `close`.
    """

    def __init__(
        self, certificate: Certificate, send: Callable[[bytes], None], on_end: Callable[[], None] | None = None
    ) -> None:
        self._ice = _IceEnd(send)
        self._transport = RTCDtlsTransport(cast(Any, self._ice), [certificate._certificate])
        self._on_end = on_end
        self._handshaking = False
        self._closed = False
        self.profile: str | None = None
        """Name of the SRTP profile, e.g. `SRTP_AEAD_AES_256_GCM`; None before the handshake is done."""

    def receive(self, datagram: bytes) -> bool:
        """Take a datagram from the network; false when it was dropped (not DTLS, too large, queue full)."""
        if not datagram or not 19 < datagram[0] < 64 or len(datagram) > MAX_DATAGRAM:
            return False
        try:
            self._ice.queue.put_nowait(datagram)
        except asyncio.QueueFull:
            return False
        return True

    async def handshake(
        self, fingerprints: Sequence[tuple[str, str]], role: Role, timeout_s: float = HANDSHAKE_TIMEOUT_S
    ) -> Srtp:
        """Do the handshake as `role` and return the SRTP sessions of both directions.

        `fingerprints` are (algorithm, value) pairs of the other side's description; all that we know must match its
        certificate. Raises DtlsError.
        """
        if not fingerprints or len(fingerprints) > MAX_FINGERPRINTS:
            raise DtlsError("no usable number of fingerprints")
        parameters = RTCDtlsParameters([RTCDtlsFingerprint(algorithm=a, value=v) for a, v in fingerprints])
        self._transport._set_role(role)
        self._handshaking = True
        try:
            await asyncio.wait_for(self._transport.start(parameters), timeout_s)
        except TimeoutError:
            raise DtlsError("handshake timed out") from None
        finally:
            self._handshaking = False
            self._release()
        if self._transport.state != "connected":
            raise DtlsError("handshake failed")
        connection = cast(SSL.Connection, self._transport._ssl)
        self.profile = connection.get_selected_srtp_profile().decode("ascii")
        self._transport.on("statechange", self._state_changed)
        return Srtp(receiving=self._transport._rx_srtp, sending=self._transport._tx_srtp)

    def _state_changed(self) -> None:
        if self._transport.state == "closed" and self._on_end is not None:
            ended, self._on_end = self._on_end, None
            ended()

    async def close(self) -> None:
        """Say close_notify if there is anyone to say it to, and let go of everything. May be called twice."""
        self._on_end = None
        self._transport.remove_all_listeners()
        pump = self._transport._task
        await self._transport.stop()
        self._ice.send = None
        if pump is not None:
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await pump
        # A handshake that is still waiting for a datagram ends with a ConnectionError, which aiortc handles.
        while not self._ice.queue.empty():
            self._ice.queue.get_nowait()
        self._ice.queue.put_nowait(None)
        self._closed = True
        self._release()

    def _release(self) -> None:
        """Free the native memory (0.1 MB) at once: the collector sees small objects only, and takes its time."""
        if self._closed and not self._handshaking:
            transport = cast(Any, self._transport)
            transport._ssl = transport._rx_srtp = transport._tx_srtp = None
