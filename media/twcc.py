"""Transport-wide feedback: which packets of a leg came, and when (draft-holmer-rmcat-transport-wide-cc-extensions-01).

`parse` reads what a browser says of our packets, `Arrivals` records and reports what came from it. A report is
16-bit base sequence, count of packets, 24-bit reference time (64 ms), 8-bit number of the report, then chunks that say
how each packet fared, then the arrival times as differences in ticks of 250 µs: one byte, or two with a sign.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from media.rtcp import RtcpError

MAX_REPORTED = 4096
"""Packets read of one report: two seconds of 20 Mbit/s. The format would allow 65 535 in one datagram."""
TICK_S = 0.000_25
_TICKS_PER_REFERENCE = 256  # 64 ms
_REFERENCE_MOD = 1 << 24

_HEADER = struct.Struct("!HHI")
_RTPFB_TWCC = 0x80 | 15
_PADDED = 0x20
_PACKET_TYPE = 205

_LOST, _SMALL, _LARGE = 0, 1, 2


class Clock:
    """Unwraps the 24-bit reference time of a receiver, so that its clock goes on beyond 2^24 · 64 ms (12 days)."""

    __slots__ = ("_reference",)

    def __init__(self) -> None:
        self._reference: int | None = None

    def unwrap(self, reference: int) -> int:
        """Return the reference time nearest to the one before, in units of 64 ms; may go backwards."""
        if self._reference is None:
            self._reference = reference
        else:
            step = (reference - self._reference + (_REFERENCE_MOD >> 1)) % _REFERENCE_MOD - (_REFERENCE_MOD >> 1)
            self._reference += step
        return self._reference


@dataclass(frozen=True, slots=True)
class Report:
    """What a receiver says: for each packet from `base` on its sequence number and when it came, None if not (yet).

    Times are seconds of the receiver's clock, whose zero is arbitrary. `feedback_count` counts reports modulo 256.
    """

    base: int
    feedback_count: int
    arrivals: list[tuple[int, float | None]]


def parse(body: bytes, clock: Clock) -> Report:
    """Read a feedback's body, which begins after the two SSRCs and may end with zeros. Raises RtcpError."""
    if len(body) < _HEADER.size:
        raise RtcpError("transport feedback is cut off")
    base, count, packed = _HEADER.unpack_from(body)
    if count > MAX_REPORTED:
        raise RtcpError("transport feedback reports too many packets")
    symbols, at = _read_chunks(body, _HEADER.size, count)
    if at + sum(symbols) > len(body):  # a symbol is the size of its difference: 0, 1 or 2 bytes
        raise RtcpError("arrival times are cut off")
    ticks = clock.unwrap(packed >> 8) * _TICKS_PER_REFERENCE
    arrivals: list[tuple[int, float | None]] = []
    sequence = base
    for symbol in symbols:
        if symbol == _LOST:
            arrivals.append((sequence, None))
        else:
            if symbol == _SMALL:
                ticks += body[at]
            else:
                step = body[at] << 8 | body[at + 1]
                ticks += step - 0x10000 if step & 0x8000 else step
            at += symbol
            arrivals.append((sequence, ticks * TICK_S))
        sequence = (sequence + 1) & 0xFFFF
    return Report(base, packed & 0xFF, arrivals)


def _read_chunks(body: bytes, at: int, count: int) -> tuple[list[int], int]:
    """Return one symbol for each of `count` packets and where the arrival times begin (§3.1.2 to §3.1.4)."""
    symbols: list[int] = []
    while len(symbols) < count:
        if at + 2 > len(body):
            raise RtcpError("status chunks are cut off")
        chunk = body[at] << 8 | body[at + 1]
        at += 2
        if not chunk & 0x8000:
            symbols.extend([chunk >> 13 & 3] * min(chunk & 0x1FFF, count - len(symbols)))
            if not chunk & 0x1FFF:
                raise RtcpError("empty run of packets")
        elif chunk & 0x4000:
            symbols.extend(chunk >> shift & 3 for shift in range(12, -1, -2))
        else:
            symbols.extend(chunk >> shift & 1 for shift in range(13, -1, -1))
    del symbols[count:]
    if 3 in symbols:
        raise RtcpError("reserved packet status")
    return symbols, at


RING = 2048
"""Packets remembered, a power of two: one second of 20 Mbit/s, twice the longest time between two feedbacks."""
_MASK = RING - 1
MAX_LATE = 256
"""A packet further behind the newest is from a sender that began anew; reordering never reaches that far."""
MAX_JUMP = 1024
"""A jump further ahead is a new beginning too: after a cut that long the losses are nothing to adapt to."""
CUT_S, CUT_PACKETS = 0.8, 4
"""When nothing comes for so long, and then so many are missing, the link was cut. These are not told of at all: a
browser takes them for a full link, and needs seconds to send again what the link carries."""
MAX_STATUSES = 400
"""Packets in one feedback: with two-byte differences under 1 kB, so it passes any path."""

FORGIVEN_AFTER_S = 1.0
"""By then what was lost has come by a request or is given up."""
FORGIVE_EVERY_S = 0.1
"""More seldom, and what a browser measures as acknowledged goes up and down, and its estimate keeps to the lower."""

FEEDBACK_SHARE = 0.03
"""What feedback may cost of the link it is sent on; on thin links the time between feedbacks grows instead."""
MIN_INTERVAL_S = 0.05
MAX_INTERVAL_S = 0.5
"""Chromium's controller reacts late beyond this, and slower feedback hides a cut."""
WRAPPING_BYTES = 28 + 4 + 16
"""IPv4 and UDP header, SRTCP index and the longest tag, on top of a feedback's own bytes."""
_FIRST_SIZE = 36.0  # bytes of a feedback before any was built: header, a few chunks and ten differences


class Arrivals:
    """Records when packets came and says so to their sender. Times are of one monotonic clock, in seconds."""

    __slots__ = (
        "_begin", "_count", "_feedbacks", "_forgave_s", "_highest", "_newest_s", "_passed_over", "_size", "_times",
        "excused",
    )  # fmt: skip

    def __init__(self) -> None:
        self.excused = False
        """What is missing is passed over, and told of as come when nobody asks for it any more: see `media.uplink`."""
        self._passed_over: deque[tuple[float, int]] = deque(maxlen=RING)  # when, and which
        self._forgave_s = float("-inf")
        self._newest_s = 0.0
        self._times: list[float | None] = [None] * RING
        self._highest = -1  # newest packet, counted on beyond 16 bits; -1 before the first
        self._begin = 0  # first packet not reported yet
        self._count = 0  # packets that came since the last report
        self._feedbacks = 0
        self._size = _FIRST_SIZE

    def received(self, sequence: int, now_s: float) -> None:
        """Note that the packet with this 16-bit sequence number came. Duplicates keep their first time."""
        highest = self._highest
        if (sequence - highest) & 0xFFFF == 1 and highest >= 0:
            self._highest = highest = highest + 1
            self._times[highest & _MASK] = now_s
            self._count += 1
        else:
            self._out_of_line(sequence, now_s)
        self._newest_s = now_s

    def _out_of_line(self, sequence: int, now_s: float) -> None:
        """Handle the first packet, a gap, a late packet, a duplicate and a sender that began anew."""
        ahead = (sequence - self._highest) & 0xFFFF
        if self._highest < 0 or MAX_JUMP < ahead < 0x10000 - MAX_LATE:
            self._times = [None] * RING
            self._passed_over.clear()
            self._begin = self._highest = sequence + 0x10000  # so that no number below is negative
        elif ahead <= MAX_JUMP and ahead:
            for missing in range(self._highest + 1, self._highest + ahead):
                self._times[missing & _MASK] = None
            self._highest += ahead
            if ahead > CUT_PACKETS and now_s - self._newest_s >= CUT_S:
                self._begin = self._highest
        else:
            late = self._highest - (-ahead & 0xFFFF)
            if self._times[late & _MASK] is None:
                self._times[late & _MASK] = now_s
                self._begin = min(self._begin, late)  # what was reported lost is reported again
                self._count += 1
            return
        self._times[self._highest & _MASK] = now_s
        self._count += 1

    def build(self, sender_ssrc: int, media_ssrc: int, now_s: float) -> list[bytes]:
        """Return the RTCP packets for all that was not reported yet; none if nothing new came.

        Each is to go in a datagram of its own: of several in one compound Chromium reads the last only.
        """
        if not self._count:
            return []
        packets: list[bytes] = []
        begin = self._begin = max(self._begin, self._highest - RING + 1)  # nobody asked for longer than the ring holds
        ssrcs = struct.pack("!II", sender_ssrc, media_ssrc)
        while self._begin <= self._highest:
            body, self._begin = self._one(self._begin)
            if body:
                packets.append(_framed(ssrcs + body))
        self._count = 0
        if self.excused:
            self._pass_over(begin, now_s)
            packets += [_framed(ssrcs + body) for body in self._forgive(now_s)]
        else:
            self._passed_over.clear()
        if packets:
            size: float = sum(map(len, packets)) + WRAPPING_BYTES * (len(packets) - 1)
            if self.excused:
                size /= len(packets)  # as many runs of packets are told of in less time, so waiting would save little
            self._size += (size - self._size) * 0.25
        return packets

    def _pass_over(self, begin: int, now_s: float) -> None:
        newest = self._passed_over[-1][1] if self._passed_over else -1
        for number in range(max(begin, newest + 1), self._highest):
            if self._times[number & _MASK] is None:
                self._passed_over.append((now_s, number))

    def _forgive(self, now_s: float) -> Iterator[bytes]:
        """Yield feedbacks that tell of what was passed over long ago as if it came now.

        Whatever else is in their range was told of before and is forgotten, or the feedback that told of it was lost.
        """
        if now_s - self._forgave_s < FORGIVE_EVERY_S:
            return
        self._forgave_s = now_s
        due: list[int] = []
        while self._passed_over and now_s - self._passed_over[0][0] >= FORGIVEN_AFTER_S:
            number = self._passed_over.popleft()[1]
            if number > self._highest - RING and self._times[number & _MASK] is None:
                due.append(number)
        while due:
            first, last = due[0], max(number for number in due if number < due[0] + MAX_STATUSES)
            due = [number for number in due if number > last]
            count = last - first + 1
            reference, ticks = divmod(round(now_s / TICK_S), _TICKS_PER_REFERENCE)
            deltas = bytes((ticks,)) + bytes(count - 1)
            yield self._header(first, count, reference) + _write_chunks([_SMALL] * count) + deltas

    def _header(self, begin: int, count: int, reference: int) -> bytes:
        header = _HEADER.pack(begin & 0xFFFF, count, (reference % _REFERENCE_MOD) << 8 | self._feedbacks)
        self._feedbacks = (self._feedbacks + 1) & 0xFF
        return header

    def interval_s(self, link_bps: int | None) -> float:
        """Return how long to wait between feedbacks on a link of that rate (None: not known yet)."""
        if link_bps is None:
            return 0.1  # as Chromium does before it knows
        cost_s = (self._size + WRAPPING_BYTES) * 8 / (FEEDBACK_SHARE * max(link_bps, 1))
        return min(max(cost_s, MIN_INTERVAL_S), MAX_INTERVAL_S)

    def _one(self, begin: int) -> tuple[bytes, int]:
        """Return the body of one feedback from packet `begin` on, and the packet the next one begins with."""
        times, end = self._times, min(self._highest + 1, begin + MAX_STATUSES)
        if self.excused:
            while begin < end and times[begin & _MASK] is None:
                begin += 1
        symbols: list[int] = []
        deltas = bytearray()
        reference = ticks = -1
        for number in range(begin, end):
            time_s = times[number & _MASK]
            if time_s is None and self.excused:
                end = number
                break
            if time_s is None:
                symbols.append(_LOST)
                continue
            at = round(time_s / TICK_S)
            if reference < 0:
                reference = at // _TICKS_PER_REFERENCE
                ticks = reference * _TICKS_PER_REFERENCE
            delta = at - ticks
            if 0 <= delta <= 0xFF:
                symbols.append(_SMALL)
                deltas.append(delta)
            elif -0x8000 <= delta <= 0x7FFF:
                symbols.append(_LARGE)
                deltas += struct.pack("!h", delta)
            else:  # more than 8 s apart: a new reference time is needed
                end = number
                break
            ticks = at
        if reference < 0:
            return b"", end
        return self._header(begin, len(symbols), reference) + _write_chunks(symbols) + deltas, end


def _write_chunks(symbols: list[int]) -> bytes:
    """Return the chunks for these symbols: runs where they are long, else vectors of one or two bits."""
    chunks = bytearray()
    at, size = 0, len(symbols)
    while at < size:
        first = symbols[at]
        run = 1
        while at + run < size and symbols[at + run] == first:
            run += 1
        window = symbols[at : at + 14]
        if run >= 14 or at + run == size or (run >= 7 and _LARGE in window):
            chunk, taken = first << 13 | run, run
        elif _LARGE not in window:
            chunk, taken = 0x8000, 14
            for index, symbol in enumerate(window):
                chunk |= symbol << (13 - index)
        else:
            chunk, taken = 0xC000, 7
            for index, symbol in enumerate(window[:7]):
                chunk |= symbol << (12 - 2 * index)
        chunks += struct.pack("!H", chunk)
        at += taken
    return bytes(chunks)


def _framed(body: bytes) -> bytes:
    """Return an RTCP packet with padding (RFC 3550 §6.4.1), as Chromium itself sends: the last byte counts it."""
    pad = -len(body) % 4
    first = _RTPFB_TWCC
    if pad:
        first |= _PADDED
        body += bytes(pad - 1) + bytes((pad,))
    return struct.pack("!BBH", first, _PACKET_TYPE, len(body) // 4) + body
