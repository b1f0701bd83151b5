"""Whom a thin downlink shows: the division of one receiver's link among those it hears and sees.

All voices come first. What is left is split among the pictures as long as each gets a small one; below that the person
who speaks is shown and the others are heard only. And a sender whose picture others can take is not held down by one
who can take none: that one does without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from media.shapes import FEEDBACK_SHARE, HEADROOM, LOSSY, PICTURES, highest_entered, highest_kept

SPEAKER_AFTER_S = 1.0
"""Who speaks for less only says *sí*: the picture stays where it is."""
SPEAKER_EVERY_S = 5.0
"""Least time between two changes of who is shown; each costs a keyframe on a link that has no room for it."""
SPLIT_MARGIN = 1.2
"""Pictures of all come back only with so much more than they need."""
LEAST_RUNG = 3
"""A receiver whose link has not even room for the smallest picture does without, instead of holding the others down."""

DOUBLED_FROM_RTT_S = 0.4
"""Below, a picture that waits for a second asking is late by less than a viewer calls frozen."""
DOUBLED_FROM_SHARE = 2.4
DOUBLED_KEPT = 0.8

REPEAT_FROM = 0.10
"""Below, RED alone is enough: at 10 % loss a pair of packets is lost once in a hundred."""
REPEAT_TWICE_FROM = 0.25


@dataclass(frozen=True, slots=True)
class Sender:
    """Somebody whom a receiver hears and sees. `voice_bps` with the repetitions on this downlink."""

    key: str
    voice_bps: int
    speaking_since_s: float | None = None
    """Since when the level of the voice is that of speech; None: silent now."""
    most_bps: int | None = None
    """What this one sends at most, voice and picture; None: as much as there is room for."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a downlink has for one sender, voice included, and whether the picture is shown there."""

    bps: int
    shown: bool


class Allocator:
    """Divides one receiver's downlink. Times are of one monotonic clock, in seconds."""

    __slots__ = ("_all", "_changed_s", "_shown")

    def __init__(self) -> None:
        self._all = True
        self._shown: str | None = None  # whose picture is shown while there is room for one only
        self._changed_s = float("-inf")

    def divide(self, now_s: float, downlink_bps: int, senders: Sequence[Sender]) -> dict[str, Share]:
        """Return each sender's share; together they are no more than the downlink."""
        if not senders:
            return {}
        voices_bps = sum(sender.voice_bps for sender in senders)
        if voices_bps > downlink_bps:
            # Not even the voices fit. Told so, each sender takes a thinner one at once.
            thinner = [replace(sender, voice_bps=sender.voice_bps * downlink_bps // voices_bps) for sender in senders]
            return self.divide(now_s, downlink_bps, thinner)
        rest_bps = max(0, downlink_bps - voices_bps)
        if len(senders) == 1 or self._room_for_all(downlink_bps, voices_bps, len(senders)):
            parts = _split(rest_bps, senders)
            return {sender.key: Share(sender.voice_bps + parts[sender.key], True) for sender in senders}
        shown = self._speaker(now_s, senders)
        return {
            sender.key: Share(sender.voice_bps + (rest_bps if sender.key == shown else 0), sender.key == shown)
            for sender in senders
        }

    def _room_for_all(self, downlink_bps: int, voices_bps: int, count: int) -> bool:
        room_bps = max(0.0, downlink_bps * (1 - FEEDBACK_SHARE) - voices_bps) * HEADROOM / count
        need_bps = PICTURES[3].keep_bps if self._all else PICTURES[3].enter_bps * SPLIT_MARGIN
        self._all = room_bps >= need_bps
        return self._all

    def _speaker(self, now_s: float, senders: Sequence[Sender]) -> str:
        keys = {sender.key for sender in senders}
        speaking = [
            (sender.speaking_since_s, sender.key)
            for sender in senders
            if sender.speaking_since_s is not None and now_s - sender.speaking_since_s >= SPEAKER_AFTER_S
        ]
        if self._shown not in keys:
            self._show(now_s, min(speaking)[1] if speaking else senders[0].key)
        elif (
            speaking and now_s - self._changed_s >= SPEAKER_EVERY_S and self._shown not in {key for _, key in speaking}
        ):
            # Who is shown and still speaks stays; else the one who has spoken longest.
            self._show(now_s, min(speaking)[1])
        assert self._shown is not None  # noqa: S101  # set above when it was not one of the senders
        return self._shown

    def _show(self, now_s: float, key: str) -> None:
        self._shown = key
        self._changed_s = now_s


def _split(rest_bps: int, senders: Sequence[Sender]) -> dict[str, int]:
    """Split evenly; what one cannot use goes to the others."""
    parts: dict[str, int] = {}
    open_ = sorted(senders, key=lambda sender: _usable_bps(sender, rest_bps))
    for index, sender in enumerate(open_):
        part = min(rest_bps // (len(open_) - index), _usable_bps(sender, rest_bps))
        if index == len(open_) - 1:
            part = rest_bps  # the last one may have what nobody else uses: its own limit holds it
        parts[sender.key] = part
        rest_bps -= part
    return parts


def _usable_bps(sender: Sender, rest_bps: int) -> int:
    return rest_bps if sender.most_bps is None else max(0, sender.most_bps - sender.voice_bps)


def spared(rooms_bps: Mapping[str, int], spared_before: frozenset[str]) -> frozenset[str]:
    """Return the receivers that get no picture, so that the others get one.

    `rooms_bps` is each receiver's room for this sender's picture. One without room for the smallest is spared while
    another has it, and comes back with a margin. With one receiver nobody is. A receiver who can be shown a small
    picture is: there is one encoding for all, and that the patient sees the nurse at all goes before its size.
    """
    if len(rooms_bps) < 2:
        return frozenset()
    best = max(highest_entered(room_bps) for room_bps in rooms_bps.values())
    out = set()
    for key, room_bps in rooms_bps.items():
        own = highest_entered(room_bps) if key in spared_before else highest_kept(room_bps)
        if own < LEAST_RUNG <= best:
            out.add(key)
    return frozenset(out)


def doubles(rtt_s: float, loss: float, room_bps: int, doubled_before: bool) -> bool:
    """Tell whether each packet of a picture is sent twice to a receiver with this room for it.

    Asking again takes a round trip in which the picture stands still: on a satellite link with 0.3 % loss a tenth of
    the time; and where much is lost requests and answers are, too. Where there is room for twice a small picture that
    is the better use of it.
    """
    if rtt_s < DOUBLED_FROM_RTT_S and loss < LOSSY:
        return False
    least_bps = DOUBLED_FROM_SHARE * PICTURES[4].enter_bps
    return room_bps >= least_bps * (DOUBLED_KEPT if doubled_before else 1)


def anticipates(room_bps: int, doubled_before: bool) -> bool:
    """Tell whether each packet of a picture is asked for before it is missed, on an uplink with this room for it."""
    return room_bps >= 2 * PICTURES[3].enter_bps * (DOUBLED_KEPT if doubled_before else 1)


def repeats(loss: float, spare_bps: int, voice_bps: int) -> int:
    """Return how many spaced copies of each voice packet a downlink is sent, 0-2: as the loss asks and room allows.

    `spare_bps` is what the downlink has beside the voice; copies come before the picture, never before other voices.
    """
    if loss < REPEAT_FROM or voice_bps <= 0:
        return 0
    wanted = 2 if loss >= REPEAT_TWICE_FROM else 1
    return max(0, min(wanted, spare_bps // voice_bps))
