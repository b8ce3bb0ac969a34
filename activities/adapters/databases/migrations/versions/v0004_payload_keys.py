"""Adds the keys that bind payloads in the blob store to their runs."""

import sqlalchemy as sa
from alembic import op

from activities.adapters.databases.migrations import refuse_downgrade

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the table. The first worker that signs makes the key itself."""
    op.create_table(
        "payload_keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("made_at", sa.String, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Refuse: histories refer to payloads that are signed with the key, for as long as the histories live."""
    refuse_downgrade()
