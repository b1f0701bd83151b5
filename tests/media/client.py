"""A raw client of the relay for tests: real ICE checks, DTLS and SRTP, and RTP packets that a test makes by hand."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import socket
import struct
from collections.abc import Callable
from typing import Any

from aioice import stun

from media import rtcp
from media.control import AnswerLeg, CreateLeg, JoinRoom
from media.dtls import Certificate, Dtls
from media.sdp import MIDS
from media.srtp import Srtp

CERTIFICATE = Certificate()
_serial = itertools.count(1)
opened: list[RawClient] = []
"""Clients with a socket, for the fixture that closes what a failed test left open."""


def rtp_packet(
    ssrc: int, payload_type: int, sequence: int, timestamp: int, payload: bytes, marker: bool = False
) -> bytes:
    return (
        struct.pack("!BBHII", 0x80, marker << 7 | payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
        + payload
    )


async def until(condition: Callable[[], object], timeout_s: float = 10.0, step_s: float = 0.005) -> None:
    """Wait until `condition` holds; fail the test if it does not in time."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(step_s)


class Offer:
    """What a client needs of the relay's offer."""

    def __init__(self, sdp: str) -> None:
        self.sdp = sdp
        self.ufrag = re.findall(r"a=ice-ufrag:(\S+)", sdp)[0]
        self.pwd = re.findall(r"a=ice-pwd:(\S+)", sdp)[0]
        self.fingerprint = re.findall(r"a=fingerprint:sha-256 (\S+)", sdp)[0]
        self.candidates = re.findall(r"a=candidate:\S+ 1 (udp|tcp) \d+ (\S+) (\d+) typ host", sdp)
        sections = sdp.split("m=")[1:]
        self.ssrcs = [list(dict.fromkeys(map(int, re.findall(r"a=ssrc:(\d+)", part)))) for part in sections]

    def address(self, transport: str = "udp", host: str = "127.0.0.1") -> tuple[str, int]:
        return next((a, int(port)) for kind, a, port in self.candidates if kind == transport and a == host)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, client: RawClient) -> None:
        self.client = client

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.client.datagram(data)


class _Tcp(asyncio.Protocol):
    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.buffer = b""
        self.closed = False

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while len(self.buffer) >= 2:
            size = int.from_bytes(self.buffer[:2], "big")
            if len(self.buffer) < 2 + size:
                return
            frame, self.buffer = self.buffer[2 : 2 + size], self.buffer[2 + size :]
            self.client.datagram(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True


class RawClient:
    """One side of a leg. `received` are decrypted RTP packets, `reports` parsed RTCP, both in order of arrival."""

    def __init__(self, offer: str, *, transport: str = "udp", host: str = "127.0.0.1", announce: bool = True) -> None:
        self.offer = Offer(offer)
        self.kind = transport
        self.host = host
        self.announce = announce
        number = next(_serial)
        self.ufrag, self.pwd = f"test{number}", "p" * 24
        self.audio_ssrc, self.video_ssrc, self.rtx_ssrc = 1000 * number + 1, 1000 * number + 2, 1000 * number + 3
        self.received: list[bytes] = []
        self.reports: list[rtcp.Rtcp] = []
        self.answers: dict[bytes, stun.Message] = {}
        self.srtp: Srtp | None = None
        self.sockets: list[Any] = []
        self.transport: Any = None
        self.protocol: Any = None
        self.ended = False
        self.lose: Callable[[bytes], bool] = lambda _data: False
        """Says which arriving datagrams are lost on the way."""
        self.dtls = Dtls(CERTIFICATE, self.send, self._on_end)

    def _on_end(self) -> None:
        self.ended = True

    # ---- description

    def answer(self) -> str:
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {' '.join(MIDS)}"]
        for index, mid in enumerate(MIDS):
            audio = index % 2 == 0
            lines += [
                "m=audio 9 UDP/TLS/RTP/SAVPF 111" if audio else "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99",
                "c=IN IP4 0.0.0.0",
                f"a=ice-ufrag:{self.ufrag}",
                f"a=ice-pwd:{self.pwd}",
                f"a=fingerprint:sha-256 {CERTIFICATE.fingerprint}",
                "a=setup:active",
                f"a=mid:{mid}",
                "a=rtcp-mux",
                "a=sendrecv" if index < 2 else "a=recvonly",
            ]
            if audio:
                lines += ["a=rtpmap:111 opus/48000/2"]
            else:
                for media, name in ((96, "VP8"), (98, "VP9")):
                    lines += [f"a=rtpmap:{media} {name}/90000", f"a=rtpmap:{media + 1} rtx/90000"]
                    lines += [f"a=fmtp:{media + 1} apt={media}", f"a=rtcp-fb:{media} nack"]
            if self.announce and index == 0:
                lines += [f"a=ssrc:{self.audio_ssrc} cname:c"]
            if self.announce and index == 1:
                lines += [f"a=ssrc-group:FID {self.video_ssrc} {self.rtx_ssrc}"]
                lines += [f"a=ssrc:{self.video_ssrc} cname:c", f"a=ssrc:{self.rtx_ssrc} cname:c"]
        return "\r\n".join(lines) + "\r\n"

    # ---- transport

    async def open_socket(self) -> None:
        """Open a new socket to the relay; the former one stays open but is no longer used."""
        loop = asyncio.get_running_loop()
        address = self.offer.address(self.kind, self.host)
        if self.kind == "udp":
            self.transport, self.protocol = await loop.create_datagram_endpoint(lambda: _Udp(self), remote_addr=address)
            raw = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        else:
            self.transport, self.protocol = await loop.create_connection(lambda: _Tcp(self), *address)
        self.sockets.append(self.transport)
        if self not in opened:
            opened.append(self)

    def send(self, data: bytes) -> None:
        if self.kind == "udp":
            self.transport.sendto(data)
        else:
            self.transport.write(len(data).to_bytes(2, "big") + data)

    def datagram(self, data: bytes) -> None:
        if self.lose(data):
            return
        if data[0] < 4:
            message = stun.parse_message(data)
            self.answers[message.transaction_id] = message
        elif 19 < data[0] < 64:
            self.dtls.receive(data)
        elif self.srtp is not None:
            if 191 < data[1] < 224:
                packets, malformed = rtcp.parse_compound(self.srtp.unprotect_rtcp(data))
                assert malformed == 0
                self.reports += packets
            else:
                self.received.append(self.srtp.unprotect(data))

    def binding_request(
        self, *, nominate: bool = True, pwd: str | None = None, ufrag: str | None = None
    ) -> stun.Message:
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{ufrag or self.offer.ufrag}:{self.ufrag}"
        request.attributes["PRIORITY"] = 1845501695
        request.attributes["ICE-CONTROLLING"] = 77
        if nominate:
            request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity((pwd or self.offer.pwd).encode())
        return request

    async def check(self, *, nominate: bool = True, timeout_s: float = 5.0, **wrong: str) -> stun.Message:
        """Make one connectivity check and return the response, sending again every 0.2 s; TimeoutError without one."""
        request = self.binding_request(nominate=nominate, **wrong)
        async with asyncio.timeout(timeout_s):
            while request.transaction_id not in self.answers:
                self.send(bytes(request))
                for _ in range(20):
                    await asyncio.sleep(0.01)
                    if request.transaction_id in self.answers:
                        break
        return self.answers[request.transaction_id]

    async def handshake(self, timeout_s: float = 10.0) -> None:
        self.srtp = await self.dtls.handshake([("sha-256", self.offer.fingerprint)], "client", timeout_s)

    async def connect(self) -> None:
        await self.open_socket()
        await self.check()
        await self.handshake()

    async def close(self, *, goodbye: bool = True) -> None:
        if not goodbye:
            for transport in self.sockets:
                transport.close()
        if self.transport is not None:
            await self.dtls.close()
        for transport in self.sockets:
            transport.close()
        if self in opened:
            opened.remove(self)

    # ---- media

    def protected(self, packet: bytes) -> bytes:
        assert self.srtp is not None
        return self.srtp.protect(packet)

    def send_audio(self, sequence: int, payload: bytes | None = None, ssrc: int | None = None) -> None:
        packet = rtp_packet(ssrc or self.audio_ssrc, 111, sequence, sequence * 960, payload or os.urandom(60))
        self.send(self.protected(packet))

    def video(self, sequence: int, payload: bytes | None = None, *, keyframe: bool = False) -> bytes:
        """A VP8 packet of one frame (RFC 7741): begins a partition, and says whether it is of a keyframe."""
        head = bytes((0x10, 0x00 if keyframe else 0x01))
        return rtp_packet(
            self.video_ssrc, 96, sequence, sequence * 3000, head + (payload or os.urandom(800)), marker=True
        )

    def send_video(self, sequence: int, payload: bytes | None = None, *, keyframe: bool = False) -> None:
        self.send(self.protected(self.video(sequence, payload, keyframe=keyframe)))

    def send_rtcp(self, *packets: rtcp.Rtcp) -> None:
        assert self.srtp is not None
        self.send(self.srtp.protect_rtcp(rtcp.pack_compound(packets)))

    def of(self, kind: type) -> list[Any]:
        return [report for report in self.reports if isinstance(report, kind)]


async def joined(relay: Any, room: str, name: str, *, connect: bool = True, **options: Any) -> RawClient:
    """A client of a new leg of `relay` (a Relay, in this process), connected and in `room`."""
    offer = relay.create(CreateLeg(leg=name, call="call", epoch=1))
    client = RawClient(offer.sdp, **options)
    relay.answer(name, AnswerLeg(call="call", epoch=1, restart=0, sdp=client.answer()))
    if connect:
        await client.connect()
        await until(lambda: relay.legs[name].connected)
    relay.join(room, JoinRoom(call="call", epoch=1, leg=name))
    return client


def sequences(client: RawClient, ssrc: int) -> list[int]:
    return [p[2] << 8 | p[3] for p in client.received if int.from_bytes(p[8:12], "big") == ssrc]


def slot(client: RawClient, index: int = 1, rtx: bool = False) -> int:
    return client.offer.ssrcs[index][int(rtx)]
