"""Who is here: the people connected to this process, one session each."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from media.control import LegOffer
from signaling.limits import Bucket
from signaling.pairing import Side
from signaling.ports import Person
from signaling.protocol import ClientEvent, QueuePlace, SlotView
from signaling.protocol_media import IceServer
from signaling.records import Queue, Visit

NAMESPACES: dict[str, Side] = {"/patient": "p", "/staff": "n"}
ROLES: dict[str, str] = {"/patient": "patient", "/staff": "nurse"}
LEGS_REMEMBERED = 10_000
"""A leg's last report comes after it was let go."""


@dataclass(slots=True)
class HeldLeg:
    """The leg a page uses, as far as this process knows."""

    name: str
    visit: str
    epoch: int
    restart: int
    offer: LegOffer | None
    """Until it is answered."""
    silent: bool = False
    """The relay hears nothing of it."""
    in_room: bool = False
    slots: list[SlotView] = field(default_factory=list)
    ice_servers: list[IceServer] = field(default_factory=list)
    """What goes with the offer."""


@dataclass(eq=False, slots=True)
class Session:
    """A person's newest connection. It outlives its socket for as long as a quick return is hoped for."""

    sid: str
    namespace: str
    side: Side
    person: Person
    claimed_leg: str | None
    """The leg the page said it holds when it connected; looked at once."""
    is_new: bool = True
    """Whether `claimed_leg` is still to be looked at."""
    connection: int = 0
    """Of the store: fences what an older connection of the same person does."""
    is_open: bool = True
    """Whether there is a socket."""
    leg: HeldLeg | None = None
    visit: Visit | None = None
    """As of the last snapshot."""
    place: QueuePlace | None = None
    queue: Queue | None = None
    link_noted_s: float = float("-inf")
    limits: dict[str, Bucket] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Snapshots and changes of the leg happen one after the other."""
    is_stale: bool = False
    """Whether a snapshot is due."""
    is_refreshing: bool = False
    retry_s: float = 0.0
    """Pause before the relay is asked again; 0 when it answered."""
    media_lost: asyncio.Event = field(default_factory=asyncio.Event)

    def wait_s(self, event: str, limit: ClientEvent, now_s: float) -> float:
        """Take one of this event: 0 when it may happen, else the seconds until it may."""
        bucket = self.limits.get(event)
        if bucket is None:
            bucket = self.limits[event] = Bucket.full(limit.per_minute / 60, limit.burst, now_s)
        return bucket.take(now_s)


class Sessions:
    """The sessions of this process, by socket and by person. A person has one: the newest."""

    def __init__(self) -> None:
        self._by_sid: dict[tuple[str, str], Session] = {}
        self._by_person: dict[tuple[Side, str], Session] = {}
        self._by_leg: dict[str, Session] = {}
        self._legs_seen: OrderedDict[str, None] = OrderedDict()

    def add(self, session: Session) -> Session | None:
        """Make this the session of its person; return the one it replaces."""
        key = (session.side, session.person.id)
        before = self._by_person.get(key)
        if before is not None:
            self.remove(before)
        self._by_person[key] = session
        self._by_sid[session.namespace, session.sid] = session
        return before

    def of_socket(self, namespace: str, sid: str) -> Session | None:
        """The session of a socket, unless another has replaced it."""
        return self._by_sid.get((namespace, sid))

    def of_person(self, side: Side, person: str) -> Session | None:
        """The session of a person."""
        return self._by_person.get((side, person))

    def of_leg(self, name: str) -> Session | None:
        """The session whose page uses this leg."""
        return self._by_leg.get(name)

    def hold(self, session: Session, leg: HeldLeg | None) -> None:
        """Note which leg a session uses now."""
        if session.leg is not None and self._by_leg.get(session.leg.name) is session:
            del self._by_leg[session.leg.name]
        session.leg = leg
        if leg is not None and self.is_current(session):
            self._by_leg[leg.name] = session
            self._legs_seen[leg.name] = None
            self._legs_seen.move_to_end(leg.name)
            if len(self._legs_seen) > LEGS_REMEMBERED:
                self._legs_seen.popitem(last=False)

    def had_leg(self, name: str) -> bool:
        """Whether a page of this process uses or has lately used this leg."""
        return name in self._legs_seen

    def remove(self, session: Session) -> None:
        """Forget a session, unless another has replaced it."""
        self._by_sid.pop((session.namespace, session.sid), None)
        self.hold(session, None)
        key = (session.side, session.person.id)
        if self._by_person.get(key) is session:
            del self._by_person[key]

    def is_current(self, session: Session) -> bool:
        """Whether this is still its person's session."""
        return self._by_person.get((session.side, session.person.id)) is session

    def __iter__(self) -> Iterator[Session]:
        """All sessions, as of now."""
        return iter(list(self._by_person.values()))

    def __len__(self) -> int:
        return len(self._by_person)
