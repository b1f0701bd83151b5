"""Moving the schema from one revision to another, by Alembic. Loaded only when there is something to move."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

STEPS = Path(__file__).with_name("migrations")


def configuration(connection: sa.Connection | None = None) -> Config:
    """Where the steps are, and the connection that `migrations/env.py` runs them on."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(STEPS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def move(connection: sa.Connection, target: str) -> None:
    """Bring the schema up or down to `target`. Raises alembic.util.CommandError when there is no such revision."""
    config = configuration(connection)
    current = MigrationContext.configure(connection).get_current_revision()
    script = ScriptDirectory.from_config(config)
    newer = target == "head" or current is None or target in _after(script, current)
    (command.upgrade if newer else command.downgrade)(config, target)


def _after(script: ScriptDirectory, current: str) -> set[str]:
    """Revisions that come after `current`."""
    return {revision.revision for revision in script.iterate_revisions("head", current)} - {current}
