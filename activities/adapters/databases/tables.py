"""The tables of the main database, as the newest migration leaves them. A test compares the two."""

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table

schema = MetaData()

bodies = Table(
    "bodies",
    schema,
    Column("tenant", String, primary_key=True),
    Column("digest", String, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    # Without a row id the rows are stored by their key: one look-up instead of two.
    sqlite_with_rowid=False,
)

paid_attempts = Table(
    "paid_attempts",
    schema,
    Column("tenant", String, primary_key=True),
    Column("run_id", String, primary_key=True),
    Column("step", String, primary_key=True),
    Column("attempt", Integer, primary_key=True),  # from 1, in the order in which they began, also across resets
    Column("workflow_id", String, nullable=False),
    Column("begun_at", String, nullable=False),  # UTC, ISO 8601
    Column("charge", String),  # JSON of a Spend; null while it is unknown
    Column("reply", String),  # JSON of the step's reply
    Column("place", Integer),  # the reply's position among the step's saved ones, from 0
    # The next columns are null for an attempt from before there were accounts.
    Column("asking", String),  # the id of one request to begin, unique
    Column("question", String),  # the digest of the prompt: a saved reply is used for the same prompt only
    Column("numbered", Integer),  # the attempt's number in the workflow, which starts anew after a reset
    Column("worst", String),  # JSON of a Spend: the worst case that the account reserved
    Column("day", String),  # the day whose window holds the reservation; null where its tenant has no limit
    sqlite_with_rowid=False,
)

runs = Table(
    "runs",
    schema,
    Column("tenant", String, primary_key=True),
    Column("run_id", String, primary_key=True),  # of the first execution
    Column("workflow_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("registered_at", String, nullable=False),  # UTC, ISO 8601
    Column("run", String, nullable=False),  # JSON of a RegisteredRun
    sqlite_with_rowid=False,
)

accounts = Table(
    "accounts",
    schema,
    Column("tenant", String, primary_key=True),
    Column("run_id", String, primary_key=True),
    Column("budget", String, nullable=False),  # JSON of a Budget
    Column("settled", String, nullable=False),  # JSON of a Spend
    Column("reserved", String, nullable=False),  # JSON of a Spend
    sqlite_with_rowid=False,
)

account_calls = Table(
    "account_calls",
    schema,
    Column("tenant", String, primary_key=True),
    Column("run_id", String, primary_key=True),
    Column("step", String, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("asking", String, primary_key=True),
    Column("price", String, nullable=False),  # JSON of a Spend
    sqlite_with_rowid=False,
)

upgrades = Table(
    "upgrades",
    schema,
    Column("revision", String, primary_key=True),
    Column("at", String, nullable=False),  # UTC, ISO 8601: runs that began earlier began under an older version
    sqlite_with_rowid=False,
)

ledger_events = Table(
    "ledger_events",
    schema,
    Column("tenant", String, primary_key=True),
    Column("run_id", String, primary_key=True),
    Column("step", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("workflow_id", String, nullable=False),
    Column("at", String, nullable=False),  # UTC, ISO 8601
    Column("phase", String, nullable=False),  # of the call after this event
    Column("event", String, nullable=False),  # JSON of a LedgerEvent
    sqlite_with_rowid=False,
)

# The index of the inbox. Few entries leave a call unknown, so it stays small however many calls there were. It holds
# every column that the query reads; otherwise SQLite would choose the primary key instead.
Index(
    "ledger_events_unknown",
    ledger_events.c.tenant,
    ledger_events.c.phase,
    ledger_events.c.workflow_id,
    sqlite_where=ledger_events.c.phase == "unknown",
    postgresql_where=ledger_events.c.phase == "unknown",
)

budget_windows = Table(
    "budget_windows",
    schema,
    Column("tenant", String, primary_key=True),
    Column("day", String, primary_key=True),  # UTC, ISO 8601
    Column("settled", String, nullable=False),  # JSON of a Spend
    Column("reserved", String, nullable=False),  # JSON of a Spend
    sqlite_with_rowid=False,
)

budget_reservations = Table(
    "budget_reservations",
    schema,
    Column("tenant", String, primary_key=True),
    Column("day", String, primary_key=True),
    Column("run_id", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("workflow_id", String, nullable=False),
    Column("reserved_at", String, nullable=False),  # UTC, ISO 8601
    Column("amount", String, nullable=False),  # JSON of a Spend
    Column("closed_at", String),  # UTC, ISO 8601; null while it is open
    Column("spent", String),  # JSON of a Spend; null while it is open, and where it was released
    sqlite_with_rowid=False,
)

callers = Table(
    "callers",
    schema,
    Column("tenant", String, primary_key=True),
    Column("ticket", String, primary_key=True),  # a digest of the token and the workflow id; the token is never stored
    Column("workflow_id", String, nullable=False),
    Column("asked_at", String),  # UTC, ISO 8601, as all times here: when a run first asked for a token not yet shown
    Column("sent_at", String),  # null until a token is shown
    Column("expires_at", String),  # null where the token was refused
    Column("identity", String),  # JSON of an Identity; null where the token was refused
    Column("refused", String),  # the reason for the refusal; null where there was none
    Column("run_id", String),  # of the first execution of the run that used the ticket
    sqlite_with_rowid=False,
)

decisions_in_vain = Table(
    "decisions_in_vain",
    schema,
    Column("tenant", String, primary_key=True),
    Column("business_id", String, primary_key=True),
    Column("decision_id", String, primary_key=True),
    Column("content", String, primary_key=True),  # the digest of the whole decision
    Column("at", String, nullable=False),  # UTC, ISO 8601
    Column("decision", String, nullable=False),  # JSON of a StepDecision, without its credential
    Column("reason", String, nullable=False),  # why no run accepted it
    sqlite_with_rowid=False,
)

recorded_decisions = Table(
    "recorded_decisions",
    schema,
    Column("tenant", String, primary_key=True),
    Column("run_id", String, primary_key=True),  # of the first execution
    Column("step", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("workflow_id", String, nullable=False),
    Column("decision_id", String, nullable=False),  # empty for the request itself, before anybody decided
    Column("ruling", String, nullable=False),  # `asked` for the request itself
    Column("at", String, nullable=False),  # UTC, ISO 8601
    Column("decision", String, nullable=False),  # JSON of a RecordedDecision
    sqlite_with_rowid=False,
)

payload_keys = Table(
    "payload_keys",
    schema,
    Column("id", String, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("made_at", String, nullable=False),  # UTC, ISO 8601; the newest signs
    sqlite_with_rowid=False,
)
