"""What waits before a leg's downlink: voice never, repairs before pictures, pictures at the rate the link carries.

`offer` answers for nearly every packet and so costs nearly nothing: on a link with room all goes straight through. What
must wait is bounded in time at the present rate and dropped in whole pictures: half a picture costs as much as it is
worth nothing, and a picture after one that is missing cannot be decoded unless it is a keyframe.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar

FIRST_RATE_BPS = 300_000.0
BURST_S = 0.01
"""Unused time that may be made up for: a picture of a fast link goes at once, a thin one is not flooded."""
MAX_DEBT_S = 0.3
"""Voice is charged but not held back; pictures wait for it no longer than this."""
BOUND_S = 0.3
"""Pictures that wait, not counting keyframes; more would be seen as delay before it is seen as quality."""
BOUND_PACKETS = 3
"""So many may always wait: at 20 kbit/s BOUND_S is less than one packet."""
HARD_BOUND_S = 2.0
"""All that waits, and how old it may become: a keyframe takes a second of a thin link. Older, it is of before a cut."""
MAX_PACKETS = 1024
"""Packets that wait, whatever the rate."""
MAX_SOURCES = 16

T = TypeVar("T")


class Kind(IntEnum):
    """What waits, in the order in which it leaves."""

    REPAIR = 0
    VIDEO = 1
    PADDING = 2


class _Drop(IntEnum):
    TO_FRAME_END = 0
    TO_KEYFRAME = 1


@dataclass(slots=True)
class _Waiting(Generic[T]):
    item: T
    size_bytes: int
    since_s: float
    source: Hashable = None
    frame: int = 0
    keyframe: bool | None = None
    reference: bool = True


@dataclass(slots=True)
class _Source:
    frame: int = 0
    open: bool = False
    """The last packet that waited was not the last of its picture."""
    drop: _Drop | None = None


class Pacer(Generic[T]):
    """One leg's queue. Times in seconds of one monotonic clock; sizes in bytes on the wire."""

    __slots__ = (
        "_bytes", "_dropping", "_free_s", "_plain_bytes", "_queues", "_rate_bps", "_s_per_byte", "_sources",
        "dropped_frames", "dropped_packets", "needs_keyframe",
    )  # fmt: skip

    def __init__(self, rate_bps: float = FIRST_RATE_BPS) -> None:
        self._queues: tuple[deque[_Waiting[T]], ...] = tuple(deque() for _ in Kind)
        self._sources: dict[Hashable, _Source] = {}
        self._dropping = 0  # sources of which packets are dropped
        self._free_s = 0.0  # when the link is done with what was sent
        self._bytes = 0  # of all that waits
        self._plain_bytes = 0  # of pictures that wait and are not keyframes
        self.dropped_frames = 0
        self.dropped_packets = 0
        self.needs_keyframe: set[Hashable] = set()
        """Sources that cannot be decoded until a keyframe comes. The caller asks for one and removes it here; it is
        there again with each picture that had to be dropped for want of one."""
        self.rate_bps = rate_bps

    @property
    def rate_bps(self) -> float:
        """What may leave in bit/s, voice included; what waits is measured by it at once."""
        return self._rate_bps

    @rate_bps.setter
    def rate_bps(self, rate_bps: float) -> None:
        self._rate_bps = max(rate_bps, 1_000.0)
        self._s_per_byte = 8 / self._rate_bps

    def __bool__(self) -> bool:
        """Tell whether anything waits."""
        return self._bytes > 0

    def __len__(self) -> int:
        """Return how many packets wait."""
        return sum(map(len, self._queues))

    @property
    def queue_s(self) -> float:
        """How long what waits takes at the present rate."""
        return self._bytes * self._s_per_byte

    @property
    def next_due_s(self) -> float | None:
        """When the next packet that waits may leave; None if none waits."""
        return self._free_s if self._bytes else None

    def voice(self, now_s: float, size_bytes: int) -> None:
        """Charge a packet of voice, which leaves at once whatever waits."""
        begin_s = max(self._free_s, now_s - BURST_S)
        free_s = begin_s + size_bytes * self._s_per_byte
        self._free_s = free_s if free_s < now_s + MAX_DEBT_S else max(begin_s, now_s + MAX_DEBT_S)

    def offer(self, now_s: float, size_bytes: int) -> bool:
        """Tell whether this packet may leave at once, and charge it then; if not, `put` it."""
        begin_s = self._free_s
        if begin_s > now_s or self._bytes or self._dropping:
            return False
        self._free_s = max(begin_s, now_s - BURST_S) + size_bytes * self._s_per_byte
        return True

    def put(
        self,
        kind: Kind,
        item: T,
        size_bytes: int,
        now_s: float,
        marker: bool = False,
        *,
        source: Hashable = None,
        keyframe: bool | None = None,
        reference: bool = True,
    ) -> bool:
        """Let a packet wait; False if it is dropped instead.

        Of pictures: `marker` ends one; `keyframe` says whether the packet is of one (None: not known, then pictures
        after a dropped one are still sent); `reference`: False if nothing refers to it, so it can go alone.
        """
        waiting = _Waiting(item, size_bytes, now_s, source, 0, keyframe, reference)
        if kind is Kind.VIDEO:
            return self._put_video(waiting, marker)
        too_much = (self._bytes + size_bytes) * self._s_per_byte > HARD_BOUND_S or len(self) >= MAX_PACKETS
        own = self._queues[kind]
        if too_much or (len(own) >= BOUND_PACKETS and self._waiting_s(own) > BOUND_S):
            self.dropped_packets += 1
            return False
        self._append(kind, waiting)
        return True

    def _waiting_s(self, queue: deque[_Waiting[T]]) -> float:
        return sum(one.size_bytes for one in queue) * self._s_per_byte

    def _put_video(self, waiting: _Waiting[T], marker: bool) -> bool:
        source = self._source(waiting.source)
        begins = not source.open
        source.open = not marker
        if begins:
            source.frame += 1
        waiting.frame = source.frame
        if begins and waiting.keyframe:
            self._begin_keyframe(waiting.source, source)
        if source.drop is not None:
            self.dropped_packets += 1
            if marker:
                self.dropped_frames += 1
                if source.drop is _Drop.TO_FRAME_END:
                    self._set_drop(source, None)
                else:
                    self.needs_keyframe.add(waiting.source)  # still: the request or the keyframe may be lost
            return False
        if (begins and not waiting.keyframe and self._full()) or self._overfull(waiting.size_bytes):
            self._refuse(waiting, source, marker)
            return False
        self._append(Kind.VIDEO, waiting)
        return True

    def _source(self, name: Hashable) -> _Source:
        source = self._sources.get(name)
        if source is None:
            if len(self._sources) >= MAX_SOURCES:
                self.forget(next(iter(self._sources)))
            source = self._sources[name] = _Source()
        return source

    def forget(self, name: Hashable) -> None:
        """Drop what waits of a source that is gone, and what is known of it."""
        self._remove(lambda one: one.source == name)
        source = self._sources.pop(name, None)
        if source is not None:
            self._set_drop(source, None)
        self.needs_keyframe.discard(name)

    def _set_drop(self, source: _Source, drop: _Drop | None) -> None:
        self._dropping += (drop is not None) - (source.drop is not None)
        source.drop = drop

    def _full(self) -> bool:
        return len(self._queues[Kind.VIDEO]) >= BOUND_PACKETS and self._plain_bytes * self._s_per_byte > BOUND_S

    def _overfull(self, size_bytes: int) -> bool:
        count = len(self)
        if count < BOUND_PACKETS:
            return False
        return count >= MAX_PACKETS or (self._bytes + size_bytes) * self._s_per_byte > HARD_BOUND_S

    def _begin_keyframe(self, name: Hashable, source: _Source) -> None:
        """A keyframe needs nothing of what came before, so what is late of it need not be sent."""
        self._set_drop(source, None)
        self.needs_keyframe.discard(name)
        if self._full() or self.queue_s > HARD_BOUND_S / 2:
            self.dropped_frames += len(self._remove(lambda one: one.source == name))

    def _refuse(self, waiting: _Waiting[T], source: _Source, marker: bool) -> None:
        """Drop the picture that this packet is of, and those that need it."""
        self._remove(lambda one: one.source == waiting.source and one.frame == waiting.frame)
        self.dropped_packets += 1
        if waiting.reference:
            self.needs_keyframe.add(waiting.source)
        if waiting.reference and waiting.keyframe is not None:
            self._set_drop(source, _Drop.TO_KEYFRAME)
        elif not marker:
            self._set_drop(source, _Drop.TO_FRAME_END)
        if marker:
            self.dropped_frames += 1

    def _remove(self, unwanted: Callable[[_Waiting[T]], bool]) -> dict[tuple[Hashable, int], bool | None]:
        """Take pictures out of the queue; returns for each (source, number) whether it is a keyframe, if known."""
        kept: deque[_Waiting[T]] = deque()
        removed: dict[tuple[Hashable, int], bool | None] = {}
        for one in self._queues[Kind.VIDEO]:
            if unwanted(one):
                removed[one.source, one.frame] = one.keyframe
                self._bytes -= one.size_bytes
                self._plain_bytes -= 0 if one.keyframe else one.size_bytes
                self.dropped_packets += 1
            else:
                kept.append(one)
        if removed:
            self._queues = (self._queues[Kind.REPAIR], kept, self._queues[Kind.PADDING])
        return removed

    def clear_video(self) -> None:
        """Drop all pictures and repairs that wait, as after a cut; what follows needs a keyframe."""
        while self._queues[Kind.REPAIR]:
            self._pop(Kind.REPAIR)
            self.dropped_packets += 1
        while self._queues[Kind.VIDEO]:
            self._skip(self._queues[Kind.VIDEO][0].source)

    def _append(self, kind: Kind, waiting: _Waiting[T]) -> None:
        self._queues[kind].append(waiting)
        self._bytes += waiting.size_bytes
        if kind is Kind.VIDEO and not waiting.keyframe:
            self._plain_bytes += waiting.size_bytes

    def _pop(self, kind: Kind) -> _Waiting[T]:
        waiting = self._queues[kind].popleft()
        self._bytes -= waiting.size_bytes
        if kind is Kind.VIDEO and not waiting.keyframe:
            self._plain_bytes -= waiting.size_bytes
        return waiting

    def due(self, now_s: float) -> list[T]:
        """Return what is to leave now, in order, and charge it."""
        leaving: list[T] = []
        if not self._bytes:
            return leaving
        self._expire(now_s)
        while self._bytes and self._free_s <= now_s:
            kind = next(kind for kind in Kind if self._queues[kind])
            waiting = self._pop(kind)
            begin_s = max(self._free_s, now_s - BURST_S)
            self._free_s = begin_s + waiting.size_bytes * self._s_per_byte
            leaving.append(waiting.item)
        return leaving

    def _expire(self, now_s: float) -> None:
        """Drop what is too old, or too much since the rate fell."""
        for kind in (Kind.REPAIR, Kind.PADDING):
            queue = self._queues[kind]
            while queue and now_s - queue[0].since_s > HARD_BOUND_S:
                self._pop(kind)
                self.dropped_packets += 1
        while len(self._queues[Kind.VIDEO]) > BOUND_PACKETS and self.queue_s > HARD_BOUND_S:
            self._skip(self._queues[Kind.VIDEO][0].source)
        while self._queues[Kind.VIDEO] and now_s - self._queues[Kind.VIDEO][0].since_s > HARD_BOUND_S:
            self._skip(self._queues[Kind.VIDEO][0].source)

    def _skip(self, name: Hashable) -> None:
        """Drop what waits of a source up to its next keyframe in the queue, and what still comes if there is none."""
        video = self._queues[Kind.VIDEO]
        first = next(one.frame for one in video if one.source == name)
        later = (one.frame for one in video if one.source == name and one.keyframe and one.frame > first)
        until = next(later, None)
        removed = self._remove(lambda one: one.source == name and (until is None or one.frame < until))
        self.dropped_frames += len(removed)
        if until is not None:
            return
        source = self._source(name)
        self.needs_keyframe.add(name)
        if all(keyframe is not None for keyframe in removed.values()):
            self._set_drop(source, _Drop.TO_KEYFRAME)
        elif source.open:
            self._set_drop(source, _Drop.TO_FRAME_END)
