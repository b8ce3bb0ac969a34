"""Adds the registry of runs with their accounts, and the question and reservation of each paid attempt."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from activities.adapters.databases.migrations import refuse_downgrade

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the tables and columns, and record the time of the upgrade: runs that began earlier register late."""
    for name, kind in (
        ("asking", sa.String),
        ("question", sa.String),
        ("numbered", sa.Integer),
        ("worst", sa.String),
        ("day", sa.String),
    ):
        op.add_column("paid_attempts", sa.Column(name, kind))
    op.create_table(
        "runs",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("run_id", sa.String, primary_key=True),
        sa.Column("workflow_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("registered_at", sa.String, nullable=False),
        sa.Column("run", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "accounts",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("run_id", sa.String, primary_key=True),
        sa.Column("budget", sa.String, nullable=False),
        sa.Column("settled", sa.String, nullable=False),
        sa.Column("reserved", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "account_calls",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("run_id", sa.String, primary_key=True),
        sa.Column("step", sa.String, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("asking", sa.String, primary_key=True),
        sa.Column("price", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )
    upgrades = op.create_table(
        "upgrades",
        sa.Column("revision", sa.String, primary_key=True),
        sa.Column("at", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )
    op.bulk_insert(upgrades, [{"revision": revision, "at": datetime.now(UTC).isoformat()}])


def downgrade() -> None:
    """Refuse: registered runs and spent amounts are never dropped."""
    refuse_downgrade()
