"""Keeps the decisions that count in a SQL database, as entries that are only ever added."""

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
    """A `DecisionLedger`. A transaction whose commit was not acknowledged is simply done again."""

    def __init__(self, database: Database, now: Callable[[Connection], datetime] | None = None) -> None:
        """Several stores may share one database. `now` is the clock beside it."""
        self._database = database
        self._now = now or clock.now

    async def look(self, key: StepKey) -> StepDecisions:
        """What was said about a step. Raises `StorageFailed`."""
        return await self._database.read(lambda connection: StepDecisions(_of(connection, key), self._now(connection)))

    async def record(self, key: StepKey, entry: RecordedDecision) -> StepDecisions:
        """Write a decision down, unless it stands already. Raises `StorageFull`, `StorageFailed`."""

        def record(connection: Connection) -> StepDecisions:
            before, now = _of(connection, key), self._now(connection)
            if stands(before, entry):
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
            # No other writer interleaves, so the place is free; see the ledger of calls.
            connection.execute(insert_or_keep(connection, _decisions), row)
            return StepDecisions((*before, added), now)

        return await self._database.write(record)


def stands(before: tuple[RecordedDecision, ...], entry: RecordedDecision) -> bool:
    """Whether an entry need not be written down again.

    A yes counts once, wherever it stands: after a no that came later it is not heard again. A no is heard again after
    whatever else was decided, and an asking after a no, since a run that was reset comes to both again.
    """
    same = [number for number, one in enumerate(before) if one.same_as(entry)]
    if not same:
        return False
    later = before[same[-1] + 1 :]
    match entry.ruling:
        case Ruling.DENY:
            return not any(one.ruling not in (None, Ruling.DENY) for one in later)
        case None:
            return not any(one.ruling is Ruling.DENY for one in later)
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


def _of(connection: Connection, key: StepKey) -> tuple[RecordedDecision, ...]:
    named = {"of_tenant": key.tenant, "of_run": key.run_id, "of_step": key.step}
    return tuple(RecordedDecision.model_validate_json(row.decision) for row in connection.execute(_OF_STEP, named))
