"""Keeps the audit of decisions that no run could accept in a SQL database."""

from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from activities.adapters.databases.database import Database
from activities.adapters.databases.tables import decisions_in_vain as _decisions
from activities.adapters.databases.upsert import insert_or_keep
from activities.ports import AuditFull
from perdure.contracts.tool_calls.decisions import StepDecision

MAX_DECISIONS = 1000
"""The largest number of decisions that are kept about one run, so that no client can fill the database."""


class SqlAudit:
    """An `Audit`."""

    def __init__(self, database: Database) -> None:
        """Several stores may share one database."""
        self._database = database

    async def write(self, tenant: str, business_id: str, decision: StepDecision, reason: str) -> int:
        """Store a decision; return how many are stored under its id, above 1 where their content differs.

        Raises `AuditFull`, `StorageFull`, `StorageFailed`.
        """
        entry = decision.bare()
        row = {
            "tenant": tenant,
            "business_id": business_id,
            "decision_id": entry.decision_id,
            "content": entry.content,
            "at": datetime.now(UTC).isoformat(),
            "decision": entry.model_dump_json(exclude_none=True),
            "reason": reason,
        }
        count_of_id = select(func.count()).where(
            _decisions.c.tenant == tenant,
            _decisions.c.business_id == business_id,
            _decisions.c.decision_id == entry.decision_id,
        )
        count_of_run = select(func.count()).where(
            _decisions.c.tenant == tenant, _decisions.c.business_id == business_id
        )
        count_of_same = count_of_run.where(
            _decisions.c.decision_id == entry.decision_id, _decisions.c.content == entry.content
        )

        def write(connection: Connection) -> int:
            if (
                connection.execute(count_of_run).scalar_one() >= MAX_DECISIONS
                and not connection.execute(count_of_same).scalar_one()
            ):
                raise AuditFull(
                    f"{MAX_DECISIONS:,} decisions were written down about run {business_id!r}: no more are kept"
                )
            connection.execute(insert_or_keep(connection, _decisions), row)
            return connection.execute(count_of_id).scalar_one()

        return await self._database.write(write)

    async def read(self, tenant: str, business_id: str) -> tuple[tuple[StepDecision, str], ...]:
        """Return the stored decisions about a run, each with the reason, the earliest first. Raises `StorageFailed`."""
        query = (
            select(_decisions.c.decision, _decisions.c.reason)
            .where(_decisions.c.tenant == tenant, _decisions.c.business_id == business_id)
            .order_by(_decisions.c.at)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return tuple((StepDecision.model_validate_json(row.decision), row.reason) for row in rows)
