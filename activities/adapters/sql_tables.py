"""The tables of the main database, as the newest migration leaves them: a test compares the two."""

from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table

schema = MetaData()

bodies = Table(
    "bodies",
    schema,
    Column("tenant", String, primary_key=True),
    Column("digest", String, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    # The key is the table: one look-up instead of two.
    sqlite_with_rowid=False,
)

paid_attempts = Table(
    "paid_attempts",
    schema,
    Column("tenant", String, primary_key=True),
    Column("run_id", String, primary_key=True),
    Column("step", String, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("workflow_id", String, nullable=False),
    Column("begun_at", String, nullable=False),  # UTC, ISO 8601
    Column("charge", String),  # JSON of a Spend; null while it is unknown
    Column("reply", String),  # JSON of the step's reply
    Column("place", Integer),  # of the reply among the step's saved ones, from 0: the first is everybody's
    sqlite_with_rowid=False,
)
