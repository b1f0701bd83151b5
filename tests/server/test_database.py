"""Migrations up and down, and instants that stay what they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import server.people
import server.visits
from server.database import Database, Instant, Table, trouble
from server.migrations import NEWEST
from server.people import PersonRow
from server.schema import configuration


def _names(connection: sa.Connection) -> set[str]:
    return set(sa.inspect(connection).get_table_names())


async def test_the_schema_goes_up_and_down(database_url: str) -> None:
    """From nothing to the newest schema and back, twice; `is_current` knows where it is."""
    database = Database(database_url)
    try:
        for _ in range(2):
            assert not await database.is_current()
            await database.migrate()
            assert await database.is_current()
            await database.migrate()
            async with database.engine.connect() as connection:
                assert {"people", "visits", "visit_events", "visit_outcomes"} <= await connection.run_sync(_names)
            await database.migrate("base")
            async with database.engine.connect() as connection:
                assert await connection.run_sync(_names) == {"alembic_version"}
    finally:
        await database.close()


def test_the_newest_step_is_the_one_written_down() -> None:
    """A step that was added without changing `NEWEST` would never be applied."""
    assert ScriptDirectory.from_config(configuration()).get_heads() == [NEWEST]


async def test_migrations_make_what_the_models_say(database: Database) -> None:
    """A model that was changed without a migration, or the other way round, is found here."""

    def differences(connection: sa.Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Table.metadata))

    assert server.people.PersonRow.metadata is server.visits.VisitRow.metadata
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_instants_come_back_in_utc(database: Database) -> None:
    """Whatever zone an instant was given in, it is the same instant in UTC afterwards."""
    mexico = timezone(timedelta(hours=-6))
    given = datetime(2026, 11, 24, 4, 0, 0, 123_000, mexico)
    async with database.begin() as session:
        session.add(
            PersonRow(
                id="p", role="patient", name="N", given_name="N", languages=["es"], skills=["general"],
                created_at=given,
            )
        )  # fmt: skip
    async with database.begin() as session:
        row = await session.get(PersonRow, "p")
    assert row is not None
    assert row.created_at == given
    assert row.created_at.tzinfo is UTC


def test_a_naive_datetime_is_refused() -> None:
    """Nobody knows which moment it is."""
    with pytest.raises(ValueError, match="time zone"):
        Instant().process_bind_param(datetime(2026, 1, 1), sa.create_engine("sqlite://").dialect)


async def test_sqlite_is_set_up_for_more_than_one_reader(sqlite: Database) -> None:
    """Write-ahead log, a wait instead of an error, and foreign keys that hold."""
    async with sqlite.engine.connect() as connection:
        values = [
            (await connection.execute(sa.text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "busy_timeout", "foreign_keys", "synchronous")
        ]
    assert values == ["wal", 5000, 1, 1]


async def test_a_database_that_cannot_be_reached_does_not_answer(tmp_path: Path) -> None:
    """Readiness asks this; it must not raise."""
    database = Database(f"postgresql+asyncpg://nobody@/nothing?host={tmp_path}")
    assert not await database.answers()
    await database.close()


def test_a_file_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    """In the words of the system, and without a thread of the driver left behind."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory") as raised:
        Database(f"sqlite+aiosqlite:///{tmp_path / 'folder'}")
    assert trouble(raised.value) == "PUENTE_DATABASE_URL: the database cannot be used: is a directory"
