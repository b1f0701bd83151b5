"""Runs the steps on the connection that `Database.migrate` hands over."""

from alembic import context

import server.people  # the tables must be known before schemas are compared
import server.reports
import server.visits  # noqa: F401
from server.database import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
