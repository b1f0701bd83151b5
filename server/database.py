"""The database: SQLite in one file by default, PostgreSQL in production.

Instants are UTC everywhere. A transaction is `async with database.begin() as session`.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

from server.migrations import NEWEST

SQLITE_BUSY_TIMEOUT_MS = 5_000
POOL_SIZE = 10
POOL_TIMEOUT_S = 10
CONNECT_TIMEOUT_S = 5


class Instant(TypeDecorator[datetime]):
    """A moment: goes in and comes out as an aware UTC datetime, on every database."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive datetime: nobody knows what it means. Raises ValueError."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """SQLite forgets the zone; everything written is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Table(DeclarativeBase):
    """Base of all tables. Constraints get names, so that a migration can find them again."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Database:
    """The engine and what is done to it as a whole.

    Raises OSError when made for a SQLite file that cannot be written.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    @property
    def engine(self) -> AsyncEngine:
        """The engine, for tests and migrations."""
        return self._engine

    @property
    def is_sqlite(self) -> bool:
        """Whether one process owns this database, so that it may bring it up to date itself."""
        return self._engine.dialect.name == "sqlite"

    def begin(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A session in a transaction: committed at the end of the block, rolled back when it raises."""
        return self._sessions.begin()

    async def answers(self) -> bool:
        """Whether a query comes back."""
        try:
            async with self._engine.connect() as connection:
                await connection.execute(sa.text("SELECT 1"))
        except (sa.exc.SQLAlchemyError, OSError, TimeoutError):
            return False
        return True

    async def migrate(self, target: str = "head") -> None:
        """Bring the schema to `target`: "head", "base" or a revision's id."""
        if target == "head" and await self.is_current():
            return
        from server.schema import move

        async with self._engine.begin() as connection:
            await connection.run_sync(move, target)

    async def is_current(self) -> bool:
        """Whether the schema is the one this program was written for."""
        async with self._engine.connect() as connection:
            if not await connection.run_sync(lambda plain: sa.inspect(plain).has_table("alembic_version")):
                return False
            found = await connection.scalars(sa.text("SELECT version_num FROM alembic_version"))
            return found.all() == [NEWEST]

    async def close(self) -> None:
        """Give back every connection."""
        await self._engine.dispose()


def trouble(error: sa.exc.SQLAlchemyError | OSError) -> str:
    """One line on why the database cannot be used, without what was sent to it."""
    reason = (error.strerror or "").lower() if isinstance(error, OSError) else ""
    return f"PUENTE_DATABASE_URL: the database cannot be used: {reason or type(error).__name__}"


def _engine(url: str) -> AsyncEngine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_async_engine(
            parsed, pool_size=POOL_SIZE, pool_timeout=POOL_TIMEOUT_S, pool_pre_ping=True,
            connect_args={"timeout": CONNECT_TIMEOUT_S}, hide_parameters=True,
        )  # fmt: skip
    if parsed.database and parsed.database != ":memory:":
        path = Path(parsed.database)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.open("ab").close()  # fails here and in plain words, not later in the driver's thread
    engine = create_async_engine(parsed, hide_parameters=True)

    @sa.event.listens_for(engine.sync_engine, "connect")
    def pragmas(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        # Readers and the writer do not wait for each other; a commit survives the process, and a power cut loses at
        # most the last ones. A second writer waits instead of failing.
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    return engine
