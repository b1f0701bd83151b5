"""The plane in Python: datagrams in, datagrams out. No coroutine, no parsed packet object, no allocation to keep.

A datagram's way is one look-up by address, one by SSRC, unprotect, bookkeeping, a slice with another SSRC, protect,
send. What is not media (ICE checks, DTLS, RTCP) is handed to the leg as `Owner`, and what cannot be used costs one
count in `dropped`.

Bounds first: a datagram is looked at only as far as it has proven itself. A stranger's is not decrypted, an SSRC that
was not announced is decrypted only within a budget (libsrtp keeps state for each SSRC that it has seen), and nothing
here grows with what is received except the bounded history and list of holes of a source.
"""

from __future__ import annotations

import struct
import time
from collections import Counter
from collections.abc import Callable
from typing import cast

from media.downlink import Downlink
from media.extension import read
from media.keyframe import starts_keyframe
from media.nack import VOICE_MAX_RTT_S
from media.outlet import Outlet
from media.repair import repairs, since_keyframe
from media.rtp import RtpError, unwrap_rtx
from media.sockets import Address, MediaPort, TcpConnection, UdpAddress
from media.srtp import MAX_PACKET, Srtp, SrtpError
from media.streams import NOBODY, End, Path, Sink, Source
from media.uplink import Uplink

MAX_PATHS = 8
"""Addresses from which a leg may be proven at a time: IPv4, IPv6, TCP, loopback, and the same after a roam."""

ADDRESS_HELD_S = 8.0
"""An address at which a leg was heard within this time is not given to another leg: whoever knows one leg's password
could otherwise take another's address away by forging the source of a check. Browsers check every 2.5-5 s; a page
that is loaded again has its old leg closed before it has a new one."""

MAX_RTCP_SSRCS = 16
"""SSRCs in whose name a leg may send RTCP. Browsers use one or two."""

_HEADER = struct.Struct("!xBHII")


NOT_LOOKED_FOR = -1
"""Where a packet's transport number stands has not been looked for yet."""


def _nothing() -> None:
    """Stand in until somebody listens."""


Stranger = Callable[[bytes, Address, "Path | None"], None]


class PythonPlane:
    """The reference `media.plane.Plane`. `on_stun` gets what looks like STUN; `port` is where datagrams leave."""

    def __init__(
        self,
        port: MediaPort,
        on_stun: Stranger,
        dropped: Counter[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._port = port
        self._on_stun = on_stun
        self._clock = clock
        self._paths: dict[Address, Path] = {}
        self.dropped = dropped
        self.packets_in = 0
        self.packets_out = 0
        self.with_holes: set[Source] = set()
        """Sources that miss packets: all that the fast timer has to look at."""
        self.waiting: set[Outlet] = set()
        """Outlets in which something waits for its turn: all that the pacing has to look at."""
        self.on_waiting: Callable[[], None] = _nothing
        """Called when something begins to wait and nothing did before."""

    @property
    def addresses(self) -> int:
        """How many addresses are known."""
        return len(self._paths)

    # ---- legs whose browser counts packets

    def count(self, end: End, downlink: Downlink) -> None:
        """Number and pace what an end is sent from now on, and count what it sends."""
        end.uplink = Uplink()
        end.outlet = Outlet(end, downlink, self._emit, self.dropped, self._begins_to_wait)
        end.outlet.look_again()

    def _begins_to_wait(self, outlet: Outlet) -> None:
        if not self.waiting:
            self.on_waiting()
        self.waiting.add(outlet)

    def _emit(self, path: Path, data: bytes, video: bool) -> None:
        self._send(path, data, video=video)

    def pace(self, now_s: float) -> bool:
        """Send what is due of what waits; tells whether anything still does."""
        for outlet in tuple(self.waiting):
            outlet.due(now_s)
            if not outlet.waiting:
                self.waiting.discard(outlet)
        return bool(self.waiting)

    # ---- the way of a datagram

    def datagram(self, data: bytes, address: Address) -> None:
        """Sort a datagram by where it came from and its first byte (RFC 7983 section 7)."""
        self.packets_in += 1
        path = self._paths.get(address)
        size = len(data)
        if path is None or size < 12:
            self._odd(data, address, path)
        elif size > MAX_PACKET:
            self.dropped["oversized"] += 1
        elif 127 < data[0] < 192:
            if 191 < data[1] < 224:
                self._rtcp(path, data)
            else:
                self._rtp(path, data, size)
        elif data[0] < 4:
            self._on_stun(data, address, path)
        elif 19 < data[0] < 64:
            if not path.end.owner.on_dtls(data):
                self.dropped["dtls_refused"] += 1
        else:
            self.dropped["unknown_kind"] += 1

    def _odd(self, data: bytes, address: Address, path: Path | None) -> None:
        """Count what is too short, and what comes from a stranger unless it may be an ICE check."""
        size = len(data)
        if size == 0:
            self.dropped["empty"] += 1
        elif size > MAX_PACKET:
            self.dropped["oversized"] += 1
        elif data[0] < 4 and size >= 20:
            self._on_stun(data, address, path)
        elif path is not None:
            self.dropped["truncated"] += 1
        else:
            self.dropped["stranger"] += 1

    def _rtp(self, path: Path, data: bytes, size: int) -> None:  # noqa: PLR0912, PLR0915 - one call less a packet
        end = path.end
        srtp = end.srtp
        if srtp is None:
            self.dropped["before_keys"] += 1
            return
        payload_type, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
        source = end.sources.get(ssrc)
        if source is None:
            self._other_rtp(path, srtp, data, ssrc)
            return
        try:
            packet = srtp.unprotect(data)
        except SrtpError as error:
            self.dropped[error.reason] += 1
            if source.ahead is not None and error.reason == "replayed" and end.uplink is not None:
                end.uplink.repeated(data, size, self._clock())
            return
        now_s = self._clock()
        end.heard_s = end.media_s = now_s
        if path is not end.path:
            end.path = path
        source.packets += 1
        source.bytes += size
        source.payload_type = payload_type & 0x7F
        at = NOT_LOOKED_FOR if end.uplink is None else end.uplink.received(packet, size, now_s)
        gap = source.reception.received(sequence, timestamp, now_s)
        history = source.history
        if history is not None:
            if gap:
                if gap > 0:
                    if source.video or end.rtt_s < VOICE_MAX_RTT_S:
                        source.note_gap(sequence - gap, gap, now_s)
                        self.with_holes.add(source)
                elif not source.missing.arrived(sequence) and history.get(sequence) is not None:
                    self.dropped["duplicate"] += 1
                    return
            history.put(sequence, packet)
            if not source.video:
                source.newest = packet
            elif timestamp != source.timestamp:
                source.timestamp = timestamp
                if starts_keyframe(packet):
                    source.keyframe_seen(sequence, now_s)
        # The forwarding itself, written out here because a call costs a tenth of it.
        for sink in source.sinks:
            out = sink.rewriter.rewrite(packet, sequence, now_s)
            if out is None:
                continue
            to = sink.end
            if to.outlet is not None:
                if at == NOT_LOOKED_FOR:
                    at = read(packet)[0]
                to.outlet.forward(sink, out, at, now_s)
                continue
            if to.srtp is None or to.path is None:
                continue
            try:
                out = to.srtp.protect(out)
            except SrtpError as error:
                self.dropped[error.reason] += 1
                continue
            sink.packets += 1
            sink.bytes += len(out)
            self._send(to.path, out, video=sink.video)

    def _send(self, path: Path, data: bytes, *, video: bool) -> None:
        if path.tcp:
            if self._port.send(data, path.address, video=video):
                self.packets_out += 1
            return
        try:
            self._port.sendto(data, cast(UdpAddress, path.address))
            self.packets_out += 1
        except OSError:
            self.dropped["send_failed"] += 1

    def _other_rtp(self, path: Path, srtp: Srtp, data: bytes, ssrc: int) -> None:
        """Take a retransmission, or an SSRC that was not announced."""
        end, now_s = path.end, self._clock()
        source = end.recovering.get(ssrc)
        payload_type = data[1] & 0x7F
        if source is None and not end.owner.on_new_ssrc(ssrc, payload_type, now_s):
            self.dropped["unknown_ssrc"] += 1
            return
        try:
            packet = srtp.unprotect(data)
        except SrtpError as error:
            self.dropped[error.reason] += 1
            return
        end.heard_s = end.media_s = now_s
        if end.uplink is not None:
            end.uplink.received(packet, len(data), now_s)
        if path is not end.path:
            end.path = path
        if source is not None:
            self._recovered(source, packet, now_s)
            return
        end.owner.on_latched(ssrc, payload_type, now_s)
        latched = end.sources.get(ssrc)
        if latched is not None:
            self._first_of(latched, packet, len(data), now_s)
            return
        source = end.recovering.get(ssrc)
        if source is not None:
            self._recovered(source, packet, now_s)

    def _first_of(self, source: Source, packet: bytes, size: int, now_s: float) -> None:
        """Forward the packet by which a source was latched."""
        payload_type, sequence, timestamp, _ = _HEADER.unpack_from(packet)
        source.packets += 1
        source.bytes += size
        source.payload_type = payload_type & 0x7F
        source.reception.received(sequence, timestamp, now_s)
        self._forward(source, packet, sequence, now_s)

    def _recovered(self, source: Source, packet: bytes, now_s: float) -> None:
        """Take a retransmission, put it where it was missing, drop what was not."""
        if source.ssrc is None or source.payload_type < 0:
            return
        try:
            original = unwrap_rtx(packet, source.ssrc, source.payload_type)
        except RtpError:
            self.dropped["bad_rtx"] += 1
            return
        if original is None:
            return  # a probe for bandwidth
        sequence = original[2] << 8 | original[3]
        if not source.missing.arrived(sequence) and not source.is_news(sequence):
            self.dropped["duplicate"] += 1
            return
        source.recovered += 1
        self._forward(source, original, sequence, now_s)

    def _forward(self, source: Source, packet: bytes, sequence: int, now_s: float) -> None:
        """Keep and forward a packet that came by another way than most."""
        if source.history is not None:
            source.history.put(sequence, packet)
            if source.video and starts_keyframe(packet):
                source.keyframe_seen(sequence, now_s)
        for sink in source.sinks:
            self._forward_to(sink, packet, sequence, now_s)

    def _forward_to(self, sink: Sink, packet: bytes, sequence: int, now_s: float) -> None:
        out = sink.rewriter.rewrite(packet, sequence, now_s)
        outlet = sink.end.outlet
        if out is None:
            return
        if outlet is not None:
            outlet.forward(sink, out, read(packet)[0], now_s)
        elif self._protected(sink.end, out, video=sink.video):
            sink.packets += 1
            sink.bytes += len(out)

    def _protected(self, to: End, packet: bytes, *, video: bool) -> bool:
        if to.srtp is None or to.path is None:
            return False
        try:
            protected = to.srtp.protect(packet)
        except SrtpError as error:
            self.dropped[error.reason] += 1
            return False
        self._send(to.path, protected, video=video)
        return True

    def _rtcp(self, path: Path, data: bytes) -> None:
        end = path.end
        if end.srtp is None:
            self.dropped["before_keys"] += 1
            return
        ssrc = int.from_bytes(data[4:8], "big")
        if ssrc not in end.rtcp_ssrcs and len(end.rtcp_ssrcs) >= MAX_RTCP_SSRCS:
            self.dropped["unknown_ssrc"] += 1
            return
        try:
            compound = end.srtp.unprotect_rtcp(data)
        except SrtpError as error:
            self.dropped[error.reason] += 1
            return
        end.rtcp_ssrcs.add(ssrc)
        now_s = self._clock()
        end.heard_s = now_s
        end.owner.on_rtcp(compound, now_s)

    # ---- what legs and rooms ask for

    def held(self, address: Address, end: End, now_s: float) -> bool:
        """Tell whether an end other than `end` was heard at `address` just now: then a check from there is spoofed."""
        path = self._paths.get(address)
        return path is not None and path.end is not end and now_s - path.end.heard_s < ADDRESS_HELD_S

    def admit(self, end: End, address: Address) -> Path:
        """Note that `end` has proven itself at `address`; the oldest unused path gives way when there are too many."""
        path = self._paths.get(address)
        if path is not None:
            if path.end is end:
                return path
            self._drop(path)  # a new leg at an address that another one has left, as after a reload
        path = self._paths[address] = Path(end, address)
        end.paths.append(path)
        if len(end.paths) > MAX_PATHS:
            self._drop(next(old for old in end.paths if old is not end.path))
        if isinstance(address, TcpConnection):
            address.authenticated()
        return path

    def _drop(self, path: Path) -> None:
        if self._paths.get(path.address) is path:
            del self._paths[path.address]
        end = path.end
        if path in end.paths:
            end.paths.remove(path)
        if end.path is path:
            end.path = end.paths[-1] if end.paths else None

    def forget(self, end: End) -> None:
        """Let go of all paths of an end, and close its TCP connections."""
        for path in list(end.paths):
            self._drop(path)
            if isinstance(path.address, TcpConnection):
                path.address.close()
        self.with_holes.difference_update([source for source in self.with_holes if source.end is end])
        if end.outlet is not None:
            self.waiting.discard(end.outlet)
            end.outlet = None
        end.owner = NOBODY

    def forget_address(self, address: Address) -> None:
        """Let go of an address, because its connection has ended."""
        path = self._paths.get(address)
        if path is not None:
            self._drop(path)

    def route(self, source: Source, sinks: tuple[Sink, ...]) -> None:
        """Send what `source` receives to `sinks` from now on."""
        source.sinks = sinks

    def send(self, end: End, datagram: bytes) -> None:
        """Send a datagram as it is (DTLS) on the end's path."""
        if end.path is not None and self._port.send(datagram, end.path.address):
            self.packets_out += 1

    def send_rtcp(self, end: End, compound: bytes) -> None:
        """Protect an RTCP compound and send it."""
        if end.srtp is None or end.path is None:
            return
        try:
            protected = end.srtp.protect_rtcp(compound)
        except SrtpError as error:
            self.dropped[error.reason] += 1
            return
        self._send(end.path, protected, video=False)

    def resend(self, sink: Sink, sequences: tuple[int, ...], now_s: float) -> None:
        """Send again those of the slot's packets that are kept and not on their way already."""
        for packet in repairs(sink, sequences, now_s):
            self._repair(sink, packet, now_s)

    def _repair(self, sink: Sink, packet: bytes, now_s: float) -> None:
        outlet = sink.end.outlet
        if outlet is not None:
            outlet.resend(sink, packet, read(packet)[0], now_s)
            sink.resent += 1
        elif self._protected(sink.end, packet, video=sink.video):
            sink.resent += 1

    def replay(self, sink: Sink, now_s: float) -> bool:
        """Send a slot that has just begun its source's last keyframe and what followed; false if that is not kept."""
        kept = since_keyframe(sink.source, now_s)
        for packet in kept:
            self._forward_to(sink, packet, packet[2] << 8 | packet[3], now_s)
        return bool(kept)
