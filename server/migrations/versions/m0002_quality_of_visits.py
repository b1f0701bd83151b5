"""How each leg of a visit has done."""

import sqlalchemy as sa
from alembic import op

from server.database import Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "visit_quality",
        sa.Column("visit_id", sa.String(64), nullable=False),
        sa.Column("leg", sa.String(64), nullable=False),
        sa.Column("side", sa.String(16), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("is_last", sa.Boolean(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("visit_id", "leg", name="pk_visit_quality"),
    )


def downgrade() -> None:
    op.drop_table("visit_quality")
