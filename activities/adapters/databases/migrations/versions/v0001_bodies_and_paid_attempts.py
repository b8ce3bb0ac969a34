"""Creates the tables from before there were migrations. A database that has them already is kept as it is."""

import sqlalchemy as sa
from alembic import op

from activities.adapters.databases.migrations import refuse_downgrade

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the missing tables. A worker of one role may have created one table and not the other."""
    op.create_table(
        "bodies",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "paid_attempts",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("run_id", sa.String, primary_key=True),
        sa.Column("step", sa.String, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("workflow_id", sa.String, nullable=False),
        sa.Column("begun_at", sa.String, nullable=False),
        sa.Column("charge", sa.String),
        sa.Column("reply", sa.String),
        sa.Column("place", sa.Integer),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )


def downgrade() -> None:
    """Refuse: paid replies are never dropped."""
    refuse_downgrade()
