"""What one receiver knows of one stream: loss, jitter and the sender's clock (RFC 3550 §6.4, A.1, A.3, A.8).

`received` runs for every packet. Only packets of the stream itself are told here, not those recovered from a
retransmission: the reports then tell the sender of the loss on the link, which is what it has to adapt to.
"""

from __future__ import annotations

from media.rtcp import ReportBlock
from media.rtp import MAX_MISORDER

LATE = -1
"""`received` returns this for a packet older than the newest: reordered, so perhaps one that counts as missing."""

_JITTER_LIMIT_S = 5.0  # a larger step is a pause or a new clock, not jitter
_MASK_32 = 0xFFFF_FFFF


class Reception:
    """Statistics of one received stream. `clock_rate` in Hz; all times are of one monotonic clock, in seconds."""

    __slots__ = (
        "_base", "_dlsr_from_s", "_expected_before", "_jitter", "_jitter_limit", "_lsr", "_packets_before", "_rate",
        "_timestamp", "_transit", "highest", "packets",
    )  # fmt: skip

    def __init__(self, clock_rate: int) -> None:
        self._rate = clock_rate
        self._jitter_limit = _JITTER_LIMIT_S * clock_rate
        self._base = 0
        self.highest = -1
        """The highest sequence number so far, with the number of wraps above its 16 bits."""
        self.packets = 0
        """Packets counted since the stream began, duplicates included."""
        self._expected_before = 0
        self._packets_before = 0
        self._jitter = 0.0
        self._transit = 0.0
        self._timestamp = -1
        self._lsr = 0
        self._dlsr_from_s = 0.0

    def received(self, sequence: int, timestamp: int, arrival_s: float) -> int:
        """Count a packet. Returns how many packets directly before it are newly missing (mostly 0), or LATE."""
        gap = 0
        if (sequence - self.highest) & 0xFFFF == 1:  # also the first packet, if its number is 0
            self.highest += 1
        else:
            gap = self._out_of_line(sequence)
            if gap < 0:
                return gap
        self.packets += 1
        if timestamp != self._timestamp:  # packets of one picture leave together: the first of them is measured
            transit = arrival_s * self._rate - timestamp
            step = transit - self._transit
            if step < 0:
                step = -step
            if step < self._jitter_limit and self._timestamp >= 0:
                self._jitter += (step - self._jitter) * 0.0625
            self._transit = transit
            self._timestamp = timestamp
        return gap

    def _out_of_line(self, sequence: int) -> int:
        """Handle the first packet, a gap and a late packet."""
        if self.packets == 0:
            self._base = self.highest = sequence
            return 0
        ahead = (sequence - self.highest) & 0xFFFF
        if 0 < ahead < 0x10000 - MAX_MISORDER:
            self.highest += ahead
            return ahead - 1
        self.packets += 1
        return LATE

    @property
    def lost(self) -> int:
        """Packets lost since the stream began; negative if duplicates came."""
        return self.highest - self._base + 1 - self.packets

    @property
    def jitter_s(self) -> float:
        """Interarrival jitter in seconds."""
        return self._jitter / self._rate

    def sender_report(self, ntp: int, now_s: float) -> None:
        """Note a sender report that came now, by its 64-bit NTP timestamp: our reports give the sender the RTT."""
        self._lsr = (ntp >> 16) & _MASK_32
        self._dlsr_from_s = now_s

    def report(self, ssrc: int, now_s: float) -> ReportBlock | None:
        """Return the block for the time since the previous call (RFC 3550 A.3), None before the first packet."""
        if self.packets == 0:
            return None
        expected = self.highest - self._base + 1
        expected_now = expected - self._expected_before
        lost_now = expected_now - (self.packets - self._packets_before)
        self._expected_before, self._packets_before = expected, self.packets
        fraction = min(255, (lost_now << 8) // expected_now) if expected_now > 0 and lost_now > 0 else 0
        delay = int((now_s - self._dlsr_from_s) * 65536) & _MASK_32 if self._lsr else 0
        return ReportBlock(
            ssrc=ssrc,
            fraction_lost=fraction,
            packets_lost=max(-0x800000, min(0x7FFFFF, expected - self.packets)),
            highest_sequence=self.highest & _MASK_32,
            jitter=min(int(self._jitter), _MASK_32),
            lsr=self._lsr,
            dlsr=delay,
        )
