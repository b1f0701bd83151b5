"""People as live signalling must know them: who may come in, and what the other side of a call is shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from server.database import Database, Instant, Table
from signaling.ports import Person, Role

Now = Callable[[], datetime]


def utc_now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


class PersonRow(Table):
    """A person. `demo` names the template of an invented one; `barred_at` closes the door without forgetting who."""

    __tablename__ = "people"
    __table_args__ = (sa.Index("ix_people_demo_created_at", "demo", "created_at"),)

    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    role: Mapped[str] = mapped_column(sa.String(16))
    name: Mapped[str] = mapped_column(sa.String(200))
    given_name: Mapped[str] = mapped_column(sa.String(100))
    title: Mapped[str] = mapped_column(sa.String(100), default="")
    licence: Mapped[str] = mapped_column(sa.String(32), default="")
    age_years: Mapped[int | None]
    languages: Mapped[list[str]] = mapped_column(sa.JSON)
    skills: Mapped[list[str]] = mapped_column(sa.JSON)
    demo: Mapped[str | None] = mapped_column(sa.String(32))
    created_at: Mapped[datetime] = mapped_column(Instant())
    barred_at: Mapped[datetime | None] = mapped_column(Instant())


class People:
    """The people table; the `Directory` that signalling is handed."""

    def __init__(self, database: Database, now: Now = utc_now) -> None:
        self._database = database
        self._now = now

    async def person(self, person_id: str) -> Person | None:
        """Return the person, or None when unknown or no longer allowed in."""
        async with self._database.begin() as session:
            row = await session.get(PersonRow, person_id)
        if row is None or row.barred_at is not None:
            return None
        return Person(
            id=row.id,
            role=cast("Role", row.role),
            name=row.name,
            given_name=row.given_name,
            title=row.title,
            licence=row.licence,
            age_years=row.age_years,
            languages=tuple(row.languages),
            skills=tuple(row.skills),
        )

    async def add(self, person: Person, demo: str | None = None) -> None:
        """Write a person down. Doing it again changes nothing."""
        row = PersonRow(
            id=person.id,
            role=person.role,
            name=person.name,
            given_name=person.given_name,
            title=person.title,
            licence=person.licence,
            age_years=person.age_years,
            languages=list(person.languages),
            skills=list(person.skills),
            demo=demo,
            created_at=self._now(),
        )
        try:
            async with self._database.begin() as session:
                if await session.get(PersonRow, person.id) is None:
                    session.add(row)
        except sa.exc.IntegrityError:
            # Two pages opened the same link at once, and the other one was first.
            async with self._database.begin() as session:
                if await session.get(PersonRow, person.id) is None:
                    raise

    async def bar(self, person_id: str) -> None:
        """Let somebody in no more."""
        async with self._database.begin() as session:
            await session.execute(sa.update(PersonRow).where(PersonRow.id == person_id).values(barred_at=self._now()))

    async def forget_demo_people(self, before: datetime) -> int:
        """Delete invented people written down before that moment; how many they were."""
        async with self._database.begin() as session:
            result = await session.execute(
                sa.delete(PersonRow).where(PersonRow.demo.is_not(None), PersonRow.created_at < before)
            )
        return cast("sa.CursorResult[object]", result).rowcount
