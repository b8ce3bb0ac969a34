"""Adds the ledger of the decisions that count."""

import sqlalchemy as sa
from alembic import op

from activities.adapters.databases.migrations import refuse_downgrade

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "recorded_decisions",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("run_id", sa.String, primary_key=True),
        sa.Column("step", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("workflow_id", sa.String, nullable=False),
        sa.Column("decision_id", sa.String, nullable=False),
        sa.Column("ruling", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("decision", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Refuse: decisions are never dropped."""
    refuse_downgrade()
