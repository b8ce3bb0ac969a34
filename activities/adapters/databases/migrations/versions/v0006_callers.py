"""Adds the callers: who has shown a token for which run."""

import sqlalchemy as sa
from alembic import op

from activities.adapters.databases.migrations import refuse_downgrade

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "callers",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("ticket", sa.String, primary_key=True),
        sa.Column("workflow_id", sa.String, nullable=False),
        sa.Column("asked_at", sa.String),
        sa.Column("sent_at", sa.String),
        sa.Column("expires_at", sa.String),
        sa.Column("identity", sa.String),
        sa.Column("refused", sa.String),
        sa.Column("run_id", sa.String),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Refuse: the record of who started a run is never dropped."""
    refuse_downgrade()
