"""Visits as they are remembered: one line each, and every transition as a timeline.

Live signalling keeps the truth while a visit is on; what happened comes here as events, at least once. An event and
what it changes on the visit are written in one transaction, and the event's id is the key, so a second delivery
changes nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from server.database import Database, Instant, Table
from server.people import Now, utc_now
from server.reports import Reports
from signaling.ports import CallReport, VisitEvent


class VisitRow(Table):
    """A visit: who, why, with what consent, and when it reached each stage. Times are the first of their kind."""

    __tablename__ = "visits"

    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    programme: Mapped[str] = mapped_column(sa.String(32))
    patient_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    nurse_id: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    reason: Mapped[str] = mapped_column(sa.String(200), default="")
    languages: Mapped[list[str]] = mapped_column(sa.JSON, default=list)
    consent_version: Mapped[str | None] = mapped_column(sa.String(32))
    consent_language: Mapped[str | None] = mapped_column(sa.String(35))
    consented_at: Mapped[datetime | None] = mapped_column(Instant())
    started_at: Mapped[datetime] = mapped_column(Instant(), index=True)
    offered_at: Mapped[datetime | None] = mapped_column(Instant())
    accepted_at: Mapped[datetime | None] = mapped_column(Instant())
    connected_at: Mapped[datetime | None] = mapped_column(Instant())
    ended_at: Mapped[datetime | None] = mapped_column(Instant())
    end_reason: Mapped[str | None] = mapped_column(sa.String(16))


class VisitEventRow(Table):
    """One transition. `id` is the event's place in the audit stream."""

    __tablename__ = "visit_events"

    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    visit_id: Mapped[str] = mapped_column(sa.ForeignKey("visits.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(Instant())
    kind: Mapped[str] = mapped_column(sa.String(32))
    nurse_id: Mapped[str | None] = mapped_column(sa.String(64))
    generation: Mapped[int] = mapped_column(sa.BigInteger)
    detail: Mapped[str] = mapped_column(sa.String(200), default="")
    data: Mapped[dict[str, str]] = mapped_column(sa.JSON, default=dict)


class VisitOutcomeRow(Table):
    """What the nurse chose at wrap-up. A table of its own: it may arrive before the visit's last events do."""

    __tablename__ = "visit_outcomes"

    visit_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    nurse_id: Mapped[str] = mapped_column(sa.String(64))
    outcome: Mapped[str] = mapped_column(sa.String(32))
    note: Mapped[str] = mapped_column(sa.String(2000), default="")
    at: Mapped[datetime] = mapped_column(Instant())


class Visits:
    """The `VisitJournal` that signalling is handed, and what is read back from it."""

    def __init__(self, database: Database, programme: str, now: Now = utc_now) -> None:
        self._database = database
        self._reports = Reports(database)
        self._programme = programme
        self._now = now

    async def record(self, event: VisitEvent) -> None:
        """Remember the event. Raises sqlalchemy's errors when the database does not; then it is delivered again."""
        try:
            async with self._database.begin() as session:
                await self._write(session, event)
        except sa.exc.IntegrityError:
            # Another process was handed the same event, or another of the same new visit, and was first.
            async with self._database.begin() as session:
                await self._write(session, event)

    async def outcome(self, visit: str, nurse: str, outcome: str, note: str) -> None:
        """Remember what the nurse chose at wrap-up. The first choice stands unless the same nurse changes it."""
        note = _text(note, 2000)
        async with self._database.begin() as session:
            row = await session.get(VisitOutcomeRow, visit)
            if row is None:
                session.add(VisitOutcomeRow(visit_id=visit, nurse_id=nurse, outcome=outcome, note=note, at=self._now()))
            elif row.nurse_id == nurse and (row.outcome, row.note) != (outcome, note):
                row.outcome, row.note, row.at = outcome, note, self._now()

    async def report(self, report: CallReport) -> None:
        """Remember how a leg has done. Raises sqlalchemy's errors when the database does not."""
        await self._reports.keep(report)

    async def visit(self, visit_id: str) -> VisitRow | None:
        """One visit."""
        async with self._database.begin() as session:
            return await session.get(VisitRow, visit_id)

    async def chosen(self, visit_id: str) -> VisitOutcomeRow | None:
        """What the nurse chose for a visit."""
        async with self._database.begin() as session:
            return await session.get(VisitOutcomeRow, visit_id)

    async def timeline(self, visit_id: str) -> list[VisitEventRow]:
        """Every transition of a visit, in order."""
        async with self._database.begin() as session:
            rows = await session.scalars(
                sa.select(VisitEventRow).where(VisitEventRow.visit_id == visit_id).order_by(VisitEventRow.at)
            )
            return sorted(rows, key=lambda row: (row.at, _stream_order(row.id)))

    async def _write(self, session: AsyncSession, event: VisitEvent) -> None:
        if await session.get(VisitEventRow, event.id) is not None:
            return
        at = _instant(event.at_ms)
        visit = await session.get(VisitRow, event.visit)
        if visit is None:
            # Usually `joined`; were it lost, the visit is still remembered from here on.
            visit = VisitRow(
                id=event.visit, programme=self._programme, patient_id=event.patient, started_at=at, languages=[]
            )
            session.add(visit)
            await session.flush()
        _apply(visit, event, at)
        session.add(
            VisitEventRow(
                id=event.id,
                visit_id=event.visit,
                at=at,
                kind=event.kind,
                nurse_id=event.nurse,
                generation=event.generation,
                detail=_text(event.detail, 200),
                data={key: _text(value, 2000) for key, value in event.data.items()},
            )
        )


def _apply(visit: VisitRow, event: VisitEvent, at: datetime) -> None:
    """What one event changes on its visit."""
    match event.kind:
        case "joined":
            _joined(visit, event.data, at)
        case "offered":
            visit.offered_at = visit.offered_at or at
        case "accepted":
            visit.accepted_at = visit.accepted_at or at
            visit.nurse_id = event.nurse
        case "connected":
            visit.connected_at = visit.connected_at or at
        case "connect_failed" | "requeued" if visit.connected_at is None:
            # Nobody was attended yet: the next nurse who accepts is the one of this visit.
            visit.accepted_at = None
            visit.nurse_id = None
        case "ended":
            visit.ended_at = visit.ended_at or at
            visit.end_reason = visit.end_reason or _text(event.detail, 16) or None
        case _:
            pass  # the timeline has it


def _joined(visit: VisitRow, data: dict[str, str], at: datetime) -> None:
    visit.started_at = min(visit.started_at, at)
    visit.reason = _text(data.get("reason", ""), 200)
    visit.languages = _text(data.get("languages", ""), 200).replace(",", " ").split()
    visit.consent_version = _text(data.get("consent_version", ""), 32) or None
    visit.consent_language = _text(data.get("consent_language", ""), 35) or None
    consented_at_ms = data.get("consent_at_ms", "")
    if consented_at_ms.isdecimal() and len(consented_at_ms) <= 14:  # up to the year 5138
        visit.consented_at = _instant(int(consented_at_ms))


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _text(text: str, limit: int) -> str:
    """What every database can hold: PostgreSQL refuses NUL, and an event it refuses would come again for ever."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:limit]


def _stream_order(event_id: str) -> tuple[int, ...]:
    """Ids are `<ms>-<n>`: as numbers, so that 10 comes after 9. Anything else keeps its time only."""
    parts = event_id.split("-")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()
