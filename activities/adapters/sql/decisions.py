"""Keeps the ledger of decisions that count in a SQL database; entries are only added, never changed."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, select

from activities.adapters.databases.database import Database
from activities.adapters.databases.tables import recorded_decisions as _decisions
from activities.adapters.databases.upsert import insert_or_keep
from activities.adapters.sql import clock
from activities.ports import StepDecisions
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.tool_calls.decisions import Ruling
from perdure.contracts.tool_calls.recorded_decisions import RecordedDecision


class SqlDecisions:
    """A `DecisionLedger`. A transaction whose commit was not acknowledged is repeated."""

    def __init__(self, database: Database, now: Callable[[Connection], datetime] | None = None) -> None:
        """Several stores may share one database. `now` is its clock; a test may replace it."""
        self._database = database
        self._now = clock.now if now is None else now

    async def look(self, key: StepKey) -> StepDecisions:
        """Return the decisions about a step, and the time. Raises `StorageFailed`."""
        return await self._database.read(
            lambda connection: StepDecisions(_entries(connection, key), self._now(connection))
        )

    async def record(self, key: StepKey, entry: RecordedDecision) -> StepDecisions:
        """Record a decision, unless it is recorded already. Raises `StorageFull`, `StorageFailed`."""

        def record(connection: Connection) -> StepDecisions:
            before, now = _entries(connection, key), self._now(connection)
            if is_recorded(before, entry):
                return StepDecisions(before, now)
            added = entry.model_copy(update={"at": now})
            row = {
                **key.model_dump(),
                "number": len(before) + 1,
                "decision_id": entry.decision_id,
                "ruling": "asked" if entry.ruling is None else entry.ruling.value,
                "at": now.isoformat(),
                "decision": added.model_dump_json(exclude_none=True),
            }
            # No other writer interleaves, so the number is free. Where PostgreSQL finds a conflict, this statement
            # makes it repeat the transaction; a plain insert might not.
            connection.execute(insert_or_keep(connection, _decisions), row)
            return StepDecisions((*before, added), now)

        return await self._database.write(record)


def is_recorded(before: tuple[RecordedDecision, ...], entry: RecordedDecision) -> bool:
    """Return whether an entry need not be recorded again.

    An approval counts once, also after a later denial. A denial is recorded again after any other decision, and a
    request is recorded again after a denial: a run that was reset reaches both again.
    """
    positions = [position for position, earlier in enumerate(before) if earlier.same_as(entry)]
    if not positions:
        return False
    later = before[positions[-1] + 1 :]
    match entry.ruling:
        case Ruling.DENY:
            return not any(earlier.ruling not in (None, Ruling.DENY) for earlier in later)
        case None:
            return not any(earlier.ruling is Ruling.DENY for earlier in later)
        case _:
            return True


_OF_STEP = (
    select(_decisions.c.decision)
    .where(
        and_(
            _decisions.c.tenant == bindparam("of_tenant"),
            _decisions.c.run_id == bindparam("of_run"),
            _decisions.c.step == bindparam("of_step"),
        )
    )
    .order_by(_decisions.c.number)
)


def _entries(connection: Connection, key: StepKey) -> tuple[RecordedDecision, ...]:
    parameters = {"of_tenant": key.tenant, "of_run": key.run_id, "of_step": key.step}
    return tuple(RecordedDecision.model_validate_json(row.decision) for row in connection.execute(_OF_STEP, parameters))
