"""What a leg was sent, by transport-wide sequence number, so that a receiver's report tells how each packet fared."""

from __future__ import annotations

from typing import NamedTuple

from media.twcc import Report

RING = 1024
"""Packets remembered, a power of two: 3 s of the fastest probe, minutes of a thin link. Reports come in RTT + 0.5 s."""
_MASK = RING - 1
_WAITING, _LOST, _DONE = 0, 1, 2


class PacketResult(NamedTuple):
    """How one packet fared. Times in seconds: of the sender's clock and of the receiver's, whose zeros may differ."""

    sent_s: float
    arrived_s: float | None
    """None: lost, as far as is known (or not reported at all)."""
    size_bytes: int
    """On the wire, IP and UDP headers included: that is what a link's rate counts."""
    probe: int | None = None
    """The probe it belongs to."""
    amends: bool = False
    """An earlier result of this packet said that it was lost."""
    unreported: bool = False
    """The report that would have told of it was itself lost: nothing is known of its fate."""
    untimed: bool = False
    """It came, but when it had left is not known: it counts for the rate and the loss, not for the delay."""


class SentLog:
    """Ring of sent packets. `sent` runs for every packet, so it only fills arrays."""

    __slots__ = ("_first", "_last_report_s", "_next", "_probe", "_sent", "_sequence", "_size", "_state")

    def __init__(self) -> None:
        self._sequence = [-1] * RING
        self._sent = [0.0] * RING
        self._size = [0] * RING
        self._probe: list[int | None] = [None] * RING
        self._state = bytearray(RING)
        self._next = -1  # sequence number after the newest reported one; -1 before the first report
        self._first: float | None = None  # when the oldest packet since the last report left
        self._last_report_s = 0.0

    def sent(self, sequence: int, now_s: float, size_bytes: int, probe: int | None = None) -> None:
        """Note a packet that leaves now under this 16-bit sequence number."""
        at = sequence & _MASK
        self._sequence[at] = sequence
        self._sent[at] = now_s
        self._size[at] = size_bytes
        self._probe[at] = probe
        self._state[at] = _WAITING
        if self._first is None:
            self._first = now_s

    def silent_s(self, now_s: float) -> float:
        """Return how long packets have been leaving without any report; 0 when nothing was sent since the last."""
        return 0.0 if self._first is None else now_s - self._first

    def outstanding_s(self, now_s: float) -> float:
        """Return how long ago the first packet left of which no report tells yet; 0 when all are told of.

        Beyond a round trip it grows at once where a queue has formed on either way, though reports still come.
        """
        at = self._next & _MASK
        return now_s - self._sent[at] if self._next >= 0 and self._sequence[at] == self._next else 0.0

    def match(self, report: Report) -> list[PacketResult]:
        """Return the results of a report in the order of sending: each packet once, and again if lost turns arrived.

        Numbers that were not sent, or too long ago, are ignored. Packets between the newest reported one and this
        report come first, as `unreported`.
        """
        results: list[PacketResult] = []
        if not report.arrivals:
            return results
        self._first = None
        hole = (report.base - self._next) & 0xFFFF
        if self._next >= 0 and 0 < hole < RING:
            self._unreported(self._next, hole, results)
        sequences, states = self._sequence, self._state
        for sequence, arrived_s in report.arrivals:
            at = sequence & _MASK
            state = states[at]
            if sequences[at] != sequence or state == _DONE or (state == _LOST and arrived_s is None):
                continue
            states[at] = _LOST if arrived_s is None else _DONE
            results.append(PacketResult(self._sent[at], arrived_s, self._size[at], self._probe[at], state == _LOST))
        end = (report.arrivals[-1][0] + 1) & 0xFFFF
        if self._next < 0 or (end - self._next) & 0xFFFF < 0x8000:
            self._next = end
        return results

    def _unreported(self, first: int, count: int, results: list[PacketResult]) -> None:
        for number in range(first, first + count):
            at = number & _MASK
            if self._sequence[at] == number & 0xFFFF and self._state[at] == _WAITING:
                self._state[at] = _DONE
                results.append(PacketResult(self._sent[at], None, self._size[at], self._probe[at], unreported=True))
