"""Adds the audit of people's decisions that no run could accept."""

import sqlalchemy as sa
from alembic import op

from activities.adapters.databases.migrations import refuse_downgrade

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "decisions_in_vain",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("business_id", sa.String, primary_key=True),
        sa.Column("decision_id", sa.String, primary_key=True),
        sa.Column("content", sa.String, primary_key=True),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("decision", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Refuse: decisions are never dropped."""
    refuse_downgrade()
