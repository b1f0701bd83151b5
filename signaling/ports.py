"""What signalling needs of the rest of the program, as small interfaces that the composer hands in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from media.control import (
    AnswerLeg,
    CloseLeg,
    CreateLeg,
    Done,
    Events,
    JoinRoom,
    LeaveRoom,
    LegOffer,
    LegReport,
    LegStats,
    ReportLeg,
    RestartLeg,
    RoomState,
)

Role = Literal["patient", "nurse"]


@dataclass(frozen=True, slots=True)
class Person:
    """A person as far as live signalling must know them."""

    id: str
    role: Role
    name: str
    """Full name, shown to the other side of a call."""
    given_name: str
    """Shown on the offer card, before anything is accepted."""
    title: str = ""
    licence: str = ""
    age_years: int | None = None
    languages: tuple[str, ...] = ("es",)
    """BCP 47, best first."""
    skills: tuple[str, ...] = ("general",)


class Directory(Protocol):
    """Who somebody is."""

    async def person(self, person_id: str) -> Person | None:
        """Return the person, or None when unknown or no longer allowed in."""


VisitEventKind = Literal[
    "joined", "offered", "declined", "timed_out", "withdrawn", "requeued", "accepted", "connected", "connect_failed",
    "interrupted", "resumed", "suspended", "returned", "ended", "rung",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class VisitEvent:
    """One transition of one visit, taken from the audit stream. `id` orders and de-duplicates."""

    id: str
    at_ms: int
    kind: VisitEventKind
    visit: str
    patient: str
    nurse: str | None
    generation: int
    detail: str = ""
    """For `ended`: `done`, `left`, `lost`; for `interrupted`: `patient` or `nurse`; for `rung`: what a side sends from
    now on, as `side:rung:why:whose` with side `p` or `n`."""
    data: dict[str, str] = field(default_factory=dict)
    """For `joined`: `reason`, `languages`, `consent_version`, `consent_language`, `consent_at_ms`."""


@dataclass(frozen=True, slots=True)
class CallReport:
    """How one leg of a visit has done since it began."""

    visit: str
    leg: str
    side: Literal["patient", "nurse"]
    at_ms: int
    is_last: bool
    """The leg is gone."""
    report: LegReport


class VisitJournal(Protocol):
    """Where visits are remembered. Events come at least once and in the order of one visit; the same id may repeat."""

    async def record(self, event: VisitEvent) -> None:
        """Remember the event. Raise to have it delivered again."""

    async def outcome(self, visit: str, nurse: str, outcome: str, note: str) -> None:
        """Remember what the nurse chose at wrap-up."""

    async def report(self, report: CallReport) -> None:
        """Remember how a leg has done; it replaces what was remembered of that leg. Raise to have it delivered again,
        or a newer one in its place."""


class Relay(Protocol):
    """What signalling asks of a relay worker; `media.client.RelayClient` is one.

    Every method raises `media.client.RelayRefused` or `media.client.RelayUnreachable`.
    """

    async def create_leg(self, request: CreateLeg) -> LegOffer:
        """Make a leg, or return the standing one."""

    async def answer(self, leg: str, request: AnswerLeg) -> Done:
        """Hand over the browser's answer."""

    async def restart(self, leg: str, request: RestartLeg) -> LegOffer:
        """Restart ICE."""

    async def report(self, leg: str, request: ReportLeg) -> Done:
        """Hand over what a page sees of its media."""

    async def close(self, leg: str, request: CloseLeg) -> Done:
        """End a leg."""

    async def leg(self, leg: str) -> LegStats:
        """A leg's state."""

    async def join(self, room: str, request: JoinRoom) -> RoomState:
        """Put a leg into a room."""

    async def leave(self, room: str, request: LeaveRoom) -> RoomState:
        """Take a leg out of a room."""

    async def events(self, boot: str, after: int, wait_s: float) -> Events:
        """Events after a sequence number, waiting for the first."""
