"""Reads who started a run and who decided what in it, from the tables of callers and of decisions."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from activities.adapters.databases.database import Database
from activities.adapters.databases.tables import callers, decisions_in_vain, recorded_decisions
from perdure.contracts.runs.caller import Identity
from perdure.contracts.tool_calls.decisions import StepDecision
from perdure.contracts.tool_calls.recorded_decisions import RecordedDecision


@dataclass(frozen=True)
class TrailEntry:
    """One thing that a person, a token or the approval policy did about a run."""

    at: datetime
    what: str
    """`started`, `refused`, `asked`, `rejected`, or the ruling: `approve`, `edit`, `deny`, `answer` and so on."""
    step: str
    """The step that it was about; empty for the start."""
    who: str
    """The person; empty where nobody has decided yet."""
    verified: bool
    """Whether a signature proves who it was."""
    why: str
    """The reason of a refusal or a rejection, or what is special about it; empty for none."""


class SqlAuditTrail:
    """Reads the trail of a run. It changes nothing."""

    def __init__(self, database: Database) -> None:
        """Several stores may share one database."""
        self._database = database

    async def read(self, tenant: str, business_id: str) -> tuple[TrailEntry, ...]:
        """Return all that is known about a run, the earliest first. Raises `StorageFailed`.

        A start without a token leaves no entry: its starter is only a name that nobody has proven.
        """

        def of_run(connection: Connection) -> list[TrailEntry]:
            name = f"{tenant}:{business_id}"
            return [
                *_starts(connection, tenant, name),
                *_decided(connection, tenant, name),
                *_rejected(connection, tenant, business_id),
            ]

        return tuple(sorted(await self._database.read(of_run), key=lambda entry: (entry.at, entry.step)))


def _starts(connection: Connection, tenant: str, name: str) -> list[TrailEntry]:
    """Return the tokens that were shown for a run."""
    rows = connection.execute(
        select(callers.c.sent_at, callers.c.identity, callers.c.refused).where(
            callers.c.tenant == tenant, callers.c.workflow_id == name, callers.c.sent_at.is_not(None)
        )
    )
    return [
        TrailEntry(
            datetime.fromisoformat(row.sent_at),
            "refused" if row.identity is None else "started",
            "",
            "" if row.identity is None else Identity.model_validate_json(row.identity).subject,
            row.identity is not None,
            row.refused or "",
        )
        for row in rows
    ]


def _decided(connection: Connection, tenant: str, name: str) -> list[TrailEntry]:
    """Return the decisions of a run that count, and when people were asked."""
    table = recorded_decisions
    rows = connection.execute(
        select(table.c.step, table.c.ruling, table.c.at, table.c.decision)
        .where(table.c.tenant == tenant, table.c.workflow_id == name)
        .order_by(table.c.at, table.c.number)
    )
    entries: list[TrailEntry] = []
    for row in rows:
        decision = RecordedDecision.model_validate_json(row.decision)
        why = f"{decision.tool}: nobody decided in time" if decision.lapsed else decision.tool
        at = datetime.fromisoformat(row.at)
        entries.append(TrailEntry(at, row.ruling, row.step, decision.by, decision.verified, why))
    return entries


def _rejected(connection: Connection, tenant: str, business_id: str) -> list[TrailEntry]:
    """Return the decisions about a run that no run accepted."""
    table = decisions_in_vain
    rows = connection.execute(
        select(table.c.at, table.c.decision, table.c.reason).where(
            table.c.tenant == tenant, table.c.business_id == business_id
        )
    )
    entries: list[TrailEntry] = []
    for row in rows:
        decision = StepDecision.model_validate_json(row.decision)
        why = f"{decision.ruling.value}: {row.reason}"
        entries.append(
            TrailEntry(datetime.fromisoformat(row.at), "rejected", decision.step, decision.by, verified=False, why=why)
        )
    return entries
