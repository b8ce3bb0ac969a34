"""Adds the ledger of tool calls, and the budget windows of tenants and days."""

import sqlalchemy as sa
from alembic import op

from activities.adapters.databases.migrations import refuse_downgrade

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "ledger_events",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("run_id", sa.String, primary_key=True),
        sa.Column("step", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("workflow_id", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("phase", sa.String, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ledger_events_unknown",
        "ledger_events",
        ["tenant", "phase", "workflow_id"],
        sqlite_where=sa.text("phase = 'unknown'"),
        postgresql_where=sa.text("phase = 'unknown'"),
    )
    op.create_table(
        "budget_windows",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("day", sa.String, primary_key=True),
        sa.Column("settled", sa.String, nullable=False),
        sa.Column("reserved", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "budget_reservations",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("day", sa.String, primary_key=True),
        sa.Column("run_id", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("workflow_id", sa.String, nullable=False),
        sa.Column("reserved_at", sa.String, nullable=False),
        sa.Column("amount", sa.String, nullable=False),
        sa.Column("closed_at", sa.String),
        sa.Column("spent", sa.String),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Refuse: intents and reservations are never dropped."""
    refuse_downgrade()
