"""Which packets to ask a sender for again (RFC 4585 §6.2.1): when, how often, and when to give up.

A packet is asked for at once and again each round trip, because an answer cannot come sooner and the request itself may
be lost (where many are, the caller gives half of one). What is too old, asked for too often or too much gives way to a
keyframe, which repairs it all.
"""

from __future__ import annotations

MAX_MISSING = 256
"""Packets asked for at a time: about 2 s of video. A larger hole costs less as a keyframe."""
MAX_TRIES = 24
"""A third of all packets lost, on the way there and back, leaves one packet in a thousand after ten round trips."""
MAX_AGE_S = 2.0
"""After this a receiver has frozen long enough that a keyframe is the better repair."""
VOICE_MAX_AGE_S = 0.3
"""A syllable that is later than this is no better than a lost one: it would hold up all that follow."""
VOICE_MAX_RTT_S = 0.25
"""Beyond this round trip voice is not asked for again; it is repeated before it is missed instead."""
REPEAT_FLOOR_S = 0.04
"""Shortest time between two requests: two ticks of the engine, however short the round trip."""


LOOK_EVERY_S = 0.1
"""All holes are looked through at most so often, or twice in the time of a repetition where that is shorter. Where much
is missing looking costs more than asking: at every tick it took a third of an overloaded worker's time."""


class _Hole:
    __slots__ = ("next_s", "since_s", "tries")

    def __init__(self, now_s: float) -> None:
        self.since_s = now_s
        self.next_s = now_s
        self.tries = 0


class Missing:
    """The missing packets of one received stream. All times are of one monotonic clock, in seconds."""

    __slots__ = ("_fresh", "_holes", "_look_s", "_max_age_s", "given_up", "needs_keyframe")

    def __init__(self, max_age_s: float = MAX_AGE_S) -> None:
        self._max_age_s = max_age_s
        self._holes: dict[int, _Hole] = {}
        self._fresh: list[int] = []  # not asked for yet
        self._look_s = float("-inf")  # when to look through all holes again
        self.needs_keyframe = False
        """Something will not come any more. The caller sets it back when it has asked for a keyframe."""
        self.given_up = 0
        """Packets given up on, for the statistics."""

    def __len__(self) -> int:
        """Return how many packets are missing."""
        return len(self._holes)

    def gap(self, first: int, count: int, now_s: float) -> None:
        """Note that `count` packets from the sequence number `first` on have not come."""
        if len(self._holes) + count > MAX_MISSING:
            self.given_up += len(self._holes) + count
            self.clear()
            self.needs_keyframe = True
            return
        for sequence in range(first, first + count):
            self._holes[sequence & 0xFFFF] = _Hole(now_s)
            self._fresh.append(sequence & 0xFFFF)

    def arrived(self, sequence: int) -> bool:
        """Note that a late or retransmitted packet came; False if it was not missing, so a duplicate."""
        return self._holes.pop(sequence, None) is not None

    def due(self, now_s: float, rtt_s: float) -> list[int]:
        """Return the sequence numbers to ask for now, oldest first, and count them as asked for."""
        if not self._holes:
            return []
        repeat_s = max(rtt_s, REPEAT_FLOOR_S)
        if now_s < self._look_s:
            asked = [sequence for sequence in self._fresh if sequence in self._holes]
            for sequence in asked:
                self._asked(self._holes[sequence], now_s + repeat_s)
        else:
            asked = self._look_through(now_s, repeat_s)
        self._fresh.clear()
        return asked

    def _look_through(self, now_s: float, repeat_s: float) -> list[int]:
        """Ask for all that are due, give up on those that will not come, and settle when to look again."""
        asked: list[int] = []
        hopeless: list[int] = []
        next_s = now_s + repeat_s
        for sequence, hole in self._holes.items():
            if now_s - hole.since_s > self._max_age_s:
                hopeless.append(sequence)
                continue
            if now_s >= hole.next_s:
                if hole.tries == MAX_TRIES:
                    hopeless.append(sequence)
                    continue
                self._asked(hole, now_s + repeat_s)
                asked.append(sequence)
            next_s = min(next_s, hole.next_s, hole.since_s + self._max_age_s)
        if hopeless:
            self._give_up(hopeless)
        self._look_s = max(next_s, now_s + min(LOOK_EVERY_S, repeat_s / 2))
        return asked

    @staticmethod
    def _asked(hole: _Hole, next_s: float) -> None:
        hole.tries += 1
        hole.next_s = next_s

    def _give_up(self, hopeless: list[int]) -> None:
        for sequence in hopeless:
            del self._holes[sequence]
        self.given_up += len(hopeless)
        self.needs_keyframe = True

    def clear(self) -> None:
        """Forget everything: the stream has started anew, or a keyframe has made the holes irrelevant."""
        self._holes.clear()
        self._fresh.clear()
        self._look_s = float("-inf")
        self.needs_keyframe = False
