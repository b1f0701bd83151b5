"""A relay, a directory, a journal in memory, and pages that talk over a real socket, for the tests of signalling."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import socketio

from media.client import RelayRefused, RelayUnreachable
from media.control import (
    AnswerLeg,
    CloseLeg,
    CreateLeg,
    Done,
    EventKind,
    Events,
    JoinRoom,
    LeaveRoom,
    LegEvent,
    LegOffer,
    LegStats,
    Limits,
    LinkHint,
    ReportLeg,
    RestartLeg,
    RoomMember,
    RoomState,
    Slot,
)
from signaling.ports import CallReport, Person, VisitEvent

WITHIN_S = 5.0


@dataclass
class FakeLeg:
    """A leg of the relay in memory."""

    call: str
    epoch: int
    restart: int = 0
    state: str = "new"
    room: str | None = None
    limits: Limits | None = None


class FakeRelay:
    """The relay's control API in memory. A leg that is answered is connected."""

    def __init__(self) -> None:
        self.legs: dict[str, FakeLeg] = {}
        self.closed: list[str] = []
        self.reports: list[tuple[str, ReportLeg]] = []
        self.hints: dict[str, LinkHint | None] = {}
        self.is_down = False
        self.boot = "boot1"
        self._log: list[LegEvent] = []
        self._news = asyncio.Condition()

    def _check(self) -> None:
        if self.is_down:
            raise RelayUnreachable("down")

    def _leg(self, name: str) -> FakeLeg:
        self._check()
        if name not in self.legs:
            raise RelayRefused("not_found")
        return self.legs[name]

    async def create_leg(self, request: CreateLeg) -> LegOffer:
        self._check()
        leg = self.legs.setdefault(request.leg, FakeLeg(request.call, request.epoch))
        return self._offer(request.leg, leg)

    @staticmethod
    def _offer(name: str, leg: FakeLeg) -> LegOffer:
        return LegOffer(
            leg=name, call=leg.call, epoch=leg.epoch, restart=leg.restart, sdp=f"offer {name} {leg.restart}"
        )

    async def answer(self, leg: str, request: AnswerLeg) -> Done:
        found = self._leg(leg)
        if request.sdp == "rubbish":
            raise RelayRefused("bad_sdp")
        if request.restart != found.restart:
            raise RelayRefused("stale_epoch")
        self.hints[leg] = request.hint
        await self.says(leg, "connected")
        return Done()

    async def restart(self, leg: str, request: RestartLeg) -> LegOffer:
        found = self._leg(leg)
        found.restart = request.restart
        return self._offer(leg, found)

    async def report(self, leg: str, request: ReportLeg) -> Done:
        self._leg(leg)
        self.reports.append((leg, request))
        return Done()

    async def close(self, leg: str, request: CloseLeg) -> Done:
        self._check()
        if self.legs.pop(leg, None) is not None:
            self.closed.append(leg)
        return Done()

    async def leg(self, leg: str) -> LegStats:
        found = self._leg(leg)
        return LegStats.model_construct(
            leg=leg, restart=found.restart, state=found.state, room=found.room, limits=found.limits
        )

    async def join(self, room: str, request: JoinRoom) -> RoomState:
        self._leg(request.leg).room = room
        return self._room(room)

    async def leave(self, room: str, request: LeaveRoom) -> RoomState:
        self._leg(request.leg).room = None
        return self._room(room)

    def _room(self, room: str) -> RoomState:
        names = [name for name, leg in self.legs.items() if leg.room == room]
        return RoomState(
            room=room,
            members=[
                RoomMember(
                    leg=name,
                    connected=self.legs[name].state in ("connected", "silent"),
                    slots=[Slot(source=other, audio_mid="0", video_mid="1") for other in names if other != name],
                )
                for name in names
            ],
        )

    async def events(self, boot: str, after: int, wait_s: float) -> Events:
        self._check()
        if boot != self.boot:
            return Events(boot=self.boot, next=len(self._log), lost=True, events=[])
        with contextlib.suppress(TimeoutError):
            async with self._news, asyncio.timeout(wait_s):
                await self._news.wait_for(lambda: len(self._log) > after or self.boot != boot or self.is_down)
        self._check()
        if boot != self.boot:
            return Events(boot=self.boot, next=len(self._log), lost=True, events=[])
        return Events(boot=boot, next=len(self._log), lost=False, events=self._log[after:])

    async def says(self, leg: str, kind: EventKind, **told: Any) -> None:
        """Let something happen to a leg; `told` are the event's limits, measure or report."""
        found = self.legs[leg]
        states = {"connected": "connected", "active": "connected", "silent": "silent", "gone": "closed"}
        found.state = states.get(kind, found.state)
        if kind == "gone":
            del self.legs[leg]
        event = LegEvent(
            seq=len(self._log) + 1, at_ms=0, leg=leg, call=found.call, epoch=found.epoch, kind=kind, **told
        )
        self._log.append(event)
        async with self._news:
            self._news.notify_all()

    async def restarts(self) -> None:
        """The worker dies and another takes its place."""
        self.legs.clear()
        self._log.clear()
        self.boot += "x"
        async with self._news:
            self._news.notify_all()

    async def goes_down(self, down: bool = True) -> None:
        """The worker does not answer."""
        self.is_down = down
        async with self._news:
            self._news.notify_all()


class FakeDirectory:
    """Everybody whose id begins with `pat` or `nur` exists."""

    def __init__(self) -> None:
        self.gone: set[str] = set()

    async def person(self, person_id: str) -> Person | None:
        if person_id in self.gone or person_id[:3] not in ("pat", "nur"):
            return None
        if person_id.startswith("pat"):
            return Person(person_id, "patient", f"Full {person_id}", f"Given {person_id}", age_years=44)
        return Person(person_id, "nurse", f"Full {person_id}", f"Given {person_id}", "Enf.", "12345678")


@dataclass
class FakeJournal:
    """Remembers in memory; fails as often as it is told."""

    events: list[VisitEvent] = field(default_factory=list)
    outcomes: list[tuple[str, str, str, str]] = field(default_factory=list)
    reports: list[CallReport] = field(default_factory=list)
    failures: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def record(self, event: VisitEvent) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("the database is away")
        self.events.append(event)
        self.news.set()

    async def outcome(self, visit: str, nurse: str, outcome: str, note: str) -> None:
        self.outcomes.append((visit, nurse, outcome, note))

    async def report(self, report: CallReport) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("the database is away")
        self.reports.append(report)
        self.news.set()

    async def until(self, met: Callable[[], object]) -> None:
        """Wait until what is recorded is as wanted."""
        async with asyncio.timeout(WITHIN_S):
            while not met():
                self.news.clear()
                await self.news.wait()

    async def kinds(self, *expected: str) -> None:
        """Wait until these transitions have been recorded, in this order, with nothing between."""
        async with asyncio.timeout(WITHIN_S):
            while [event.kind for event in self.events] != list(expected):
                self.news.clear()
                await self.news.wait()


CONSENT = {"version": "2026-01", "language": "es-MX", "accepted_at_ms": 1}


class Page:
    """A page: a real Socket.IO client that keeps the newest snapshot and what else it has heard."""

    def __init__(self, url: str, namespace: str, ticket: Callable[[], str]) -> None:
        self.url, self.namespace, self.ticket = url, namespace, ticket
        self.client = socketio.AsyncClient(reconnection=False)
        self.snapshot: dict[str, Any] = {}
        self.seqs: list[int] = []
        self.heard: list[tuple[str, Any]] = []
        self._news = asyncio.Condition()
        self.client.on("*", self._hear, namespace=namespace)
        self.is_connected = False
        self.client.on("disconnect", self._disconnected, namespace=namespace)
        self.client.on("connect_error", self._refused, namespace=namespace)
        self.refusal: dict[str, Any] = {}

    async def _hear(self, event: str, data: Any) -> None:
        async with self._news:
            if event == "snapshot":
                self.seqs.append(data["seq"])
                if data["seq"] > self.snapshot.get("seq", 0):
                    self.snapshot = data
            else:
                self.heard.append((event, data))
            self._news.notify_all()

    async def _disconnected(self, _reason: str = "") -> None:
        async with self._news:
            self.is_connected = False
            self._news.notify_all()

    async def _refused(self, body: dict[str, Any]) -> None:
        self.refusal = body

    async def connect(self, leg: str | None = None, seq: int = 0) -> Page:
        return await self.connect_with({"v": 1, "ticket": self.ticket(), "leg": leg, "seq": seq})

    async def refused_connect(self, auth: object) -> str:
        """Connect with this `auth`, which is to be refused; return the code."""
        with contextlib.suppress(socketio.exceptions.ConnectionError):
            await self.connect_with(auth)
            raise AssertionError("connected")
        assert self.refusal["message"] == self.refusal["data"]["code"], self.refusal
        return str(self.refusal["message"])

    async def connect_with(self, auth: object) -> Page:
        """Connect with this `auth`."""
        await self.client.connect(
            self.url,
            namespaces=[self.namespace],
            auth=auth,
            socketio_path="/live/",
            transports=["websocket"],
            wait_timeout=WITHIN_S,
        )
        self.is_connected = True
        return self

    async def send(self, event: str, data: object = None) -> dict[str, Any]:
        """Send an event and return its acknowledgement."""
        answer: dict[str, Any] = await self.client.call(
            event, {} if data is None else data, namespace=self.namespace, timeout=WITHIN_S
        )
        return answer

    async def ok(self, event: str, **data: Any) -> dict[str, Any]:
        """Send an event that is to be carried out."""
        answer = await self.send(event, data)
        assert answer["ok"] is True, answer
        return answer

    async def refused(self, event: str, **data: Any) -> str:
        """Send an event that is to be refused; return the code."""
        answer = await self.send(event, data)
        assert answer["ok"] is False, answer
        return str(answer["error"]["code"])

    async def until(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait for a snapshot that is as wanted."""
        await self._wait(lambda: self.snapshot and wanted(self.snapshot))
        return self.snapshot

    async def state(self, state: str) -> dict[str, Any]:
        """Wait for a snapshot in this state (for staff, of the nurse or of the call)."""
        return await self.until(lambda shot: state in (shot["state"], shot.get("call_state")))

    async def hears(self, event: str, wanted: Callable[[Any], object] = lambda _data: True) -> Any:
        """Wait for an event that is as wanted."""
        await self._wait(lambda: any(name == event and wanted(data) for name, data in self.heard))
        return next(data for name, data in self.heard if name == event and wanted(data))

    async def gone(self) -> None:
        """Wait for the end of the connection."""
        await self._wait(lambda: not self.is_connected)

    async def _wait(self, met: Callable[[], object]) -> None:
        try:
            async with asyncio.timeout(WITHIN_S), self._news:
                await self._news.wait_for(met)
        except TimeoutError:
            raise AssertionError(f"not seen; newest: {self.snapshot}, heard: {self.heard}") from None

    async def answer(self) -> str:
        """Wait for an offer and answer it; return the leg."""
        shot = await self.until(lambda shot: shot["leg"] and shot["leg"]["sdp"])
        leg = shot["leg"]
        await self.ok("leg.answer", leg=leg["leg"], epoch=leg["epoch"], restart=leg["restart"], sdp="answer")
        return str(leg["leg"])

    async def drop(self) -> None:
        """Lose the socket without a word."""
        await self.client.eio.ws.close()
        await self.gone()

    async def close(self) -> None:
        """Leave."""
        await self.client.disconnect()
