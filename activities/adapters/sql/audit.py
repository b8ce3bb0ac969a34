"""Keeps the decisions that no run could take in a SQL database."""

from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from activities.adapters.databases.database import Database
from activities.adapters.databases.tables import decisions_in_vain as _decisions
from activities.adapters.databases.upsert import insert_or_keep
from activities.ports import AuditFull
from perdure.contracts.tool_calls.decisions import StepDecision

MOST = 1000
"""Decisions that are kept about one run: whoever sends more than these has said enough."""


class SqlAudit:
    """An `Audit`."""

    def __init__(self, database: Database) -> None:
        """Several stores may share one database."""
        self._database = database

    async def write(self, tenant: str, business_id: str, decision: StepDecision, reason: str) -> int:
        """Write a decision down. Raises `AuditFull`, `StorageFull`, `StorageFailed`."""
        bare = decision.bare()
        row = {
            "tenant": tenant,
            "business_id": business_id,
            "decision_id": bare.decision_id,
            "content": bare.content,
            "at": datetime.now(UTC).isoformat(),
            "decision": bare.model_dump_json(exclude_none=True),
            "reason": reason,
        }
        same = select(func.count()).where(
            _decisions.c.tenant == tenant,
            _decisions.c.business_id == business_id,
            _decisions.c.decision_id == bare.decision_id,
        )

        of_run = select(func.count()).where(_decisions.c.tenant == tenant, _decisions.c.business_id == business_id)
        there = of_run.where(_decisions.c.decision_id == bare.decision_id, _decisions.c.content == bare.content)

        def write(connection: Connection) -> int:
            if connection.execute(of_run).scalar_one() >= MOST and not connection.execute(there).scalar_one():
                raise AuditFull(f"{MOST:,} decisions were written down about run {business_id!r}: no more are kept")
            connection.execute(insert_or_keep(connection, _decisions), row)
            return connection.execute(same).scalar_one()

        return await self._database.write(write)

    async def read(self, tenant: str, business_id: str) -> tuple[tuple[StepDecision, str], ...]:
        """What was decided about a run in vain. Raises `StorageFailed`."""
        of_run = (
            select(_decisions.c.decision, _decisions.c.reason)
            .where(_decisions.c.tenant == tenant, _decisions.c.business_id == business_id)
            .order_by(_decisions.c.at)
        )
        rows = await self._database.read(lambda connection: connection.execute(of_run).all())
        return tuple((StepDecision.model_validate_json(row.decision), row.reason) for row in rows)
