"""Keeps the ledger of tool calls, intents and outcomes, in a SQL database; entries are only added, never changed."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, and_, bindparam, exists, select

from activities.adapters.databases.database import Database
from activities.adapters.databases.tables import ledger_events as _events
from activities.adapters.databases.upsert import insert_or_keep
from activities.adapters.sql import accounts, clock
from activities.adapters.sql import ledger_rules as rules
from activities.adapters.sql.blobs import store_bodies
from activities.ports import Decided, Fresh, LedgerRefused, Permission, Recorded
from activities.waiting import elapsed
from perdure.contracts.budget import NOTHING, Spend
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.ledger import (
    CallPhase,
    CallRecord,
    Decision,
    Failed,
    Happening,
    IntendedCall,
    LedgerEvent,
    Succeeded,
    ToolOutcome,
)

Answer = TypeVar("Answer")
Rule = Callable[[rules.Entries, datetime], tuple[Answer, LedgerEvent | Sequence[LedgerEvent] | None]]
Now = Callable[[Connection], datetime]


class SqlEffectLedger:
    """An `EffectLedger`. Each method applies one rule of `ledger_rules` in one transaction.

    A transaction whose commit was not acknowledged is repeated. It finds its own earlier entry: an intent by its random
    id, an outcome by its attempt, a decision by its id.
    """

    def __init__(self, database: Database, now: Now = clock.now) -> None:
        """Several stores may share one database. `now` is its clock; a test may replace it."""
        self._database = database
        self._now = now

    async def intend(self, key: StepKey, attempt: int, call: IntendedCall, price: Spend = NOTHING) -> Permission:
        """Ask whether this attempt may call, and charge its price where it may. Raises the port's errors."""
        request = rules.CallRequest(attempt, call, uuid.uuid4().hex)
        since: float | None = None

        def intend(entries: rules.Entries, now: datetime) -> tuple[Permission, LedgerEvent | None]:
            nonlocal since
            permission, entry = rules.intend(entries, request, now)
            if entry is not None:  # a repetition that finds its own entry adds none
                since = elapsed.elapsed()
            return permission, entry

        permission = await self._apply(key, intend, price=price)
        return replace(permission, since=since) if isinstance(permission, Fresh) else permission

    async def forgo(self, key: StepKey, attempt: int, call: IntendedCall, why: Failed) -> Permission:
        """Ask whether this attempt may call; if it may, record at once that it did not.

        Raises `KeyTaken`, `StorageFull`, `StorageFailed`.
        """
        request = rules.CallRequest(attempt, call, uuid.uuid4().hex)
        return await self._apply(key, lambda entries, now: rules.forgo(entries, request, why, now))

    async def record(self, key: StepKey, attempt: int, outcome: ToolOutcome) -> Recorded:
        """Record the outcome of an attempt. Raises `UnknownKey`, `StorageFull`, `StorageFailed`."""
        result = outcome.result if isinstance(outcome, Succeeded) else None
        reported = outcome if result is None else Succeeded(result=result.reference())
        return await self._apply(key, lambda entries, now: rules.record(entries, attempt, reported, now), result)

    async def decide(self, key: StepKey, decision: Decision) -> Decided | LedgerRefused:
        """Apply somebody's decision about an unknown outcome. Raises `StorageFull`, `StorageFailed`."""
        result = decision.result
        stored = decision if result is None else decision.model_copy(update={"result": result.reference()})
        return await self._apply(key, lambda entries, now: rules.decide(entries, stored, now), result)

    async def look(self, key: StepKey) -> CallRecord | None:
        """Return the record of a call; None where it was never intended. Raises `StorageFailed`."""
        return rules.record_of(key, await self._database.read(lambda connection: _entries(connection, key)))

    async def unknowns(self, tenant: str) -> tuple[CallRecord, ...]:
        """Return the tenant's calls whose outcome is unknown, the longest unknown first. Raises `StorageFailed`."""

        def unknowns(connection: Connection) -> list[CallRecord | None]:
            rows = connection.execute(_UNKNOWN, {"of_tenant": tenant}).all()
            keys = [
                StepKey(tenant=tenant, workflow_id=row.workflow_id, run_id=row.run_id, step=row.step) for row in rows
            ]
            # One query for each key: with a join, SQLite would read all calls of the tenant.
            return [rules.record_of(key, _entries(connection, key)) for key in keys]

        records = await self._database.read(unknowns)
        return tuple(
            sorted((record for record in records if record is not None), key=lambda record: record.events[-1].at)
        )

    async def _apply(
        self, key: StepKey, rule: Rule[Answer], body: Text | None = None, price: Spend = NOTHING
    ) -> Answer:
        def apply(connection: Connection) -> Answer:
            answer, addition = rule(_entries(connection, key), self._now(connection))
            additions = [] if addition is None else [addition] if isinstance(addition, LedgerEvent) else addition
            if additions and body is not None and body.body is not None:
                store_bodies(connection, key.tenant, [body.body.encode()])
            for entry in additions:
                _add_entry(connection, key, entry)
                if entry.happening is Happening.INTENDED and price != NOTHING:
                    accounts.charge(connection, key, price)
            return answer

        return await self._database.write(apply)


_OF_CALL = and_(
    _events.c.tenant == bindparam("of_tenant"),
    _events.c.run_id == bindparam("of_run"),
    _events.c.step == bindparam("of_step"),
)
_ENTRIES = select(_events.c.event).where(_OF_CALL).order_by(_events.c.number)

_unknown, _later = _events.alias("unknown"), _events.alias("later")
_SAME_CALL = and_(
    _unknown.c.tenant == _later.c.tenant, _unknown.c.run_id == _later.c.run_id, _unknown.c.step == _later.c.step
)
# The phase is a literal in the statement, because the index of unknown calls is used only then.
_UNKNOWN = select(_unknown.c.workflow_id, _unknown.c.run_id, _unknown.c.step).where(
    _unknown.c.tenant == bindparam("of_tenant"),
    _unknown.c.phase == bindparam("phase", CallPhase.UNKNOWN.value, literal_execute=True),
    ~exists().where(_SAME_CALL, _later.c.number > _unknown.c.number),
)


def _entries(connection: Connection, key: StepKey) -> list[LedgerEvent]:
    parameters = {"of_tenant": key.tenant, "of_run": key.run_id, "of_step": key.step}
    return [_event(row) for row in connection.execute(_ENTRIES, parameters)]


def _add_entry(connection: Connection, key: StepKey, entry: LedgerEvent) -> None:
    row = {
        **key.model_dump(),
        "number": entry.number,
        "at": entry.at.isoformat(),
        "phase": entry.phase.value,
        "event": entry.model_dump_json(exclude_none=True),
    }
    # No other writer interleaves, so the number is free. Where PostgreSQL finds a conflict, this statement makes it
    # repeat the transaction; a plain insert might not.
    connection.execute(insert_or_keep(connection, _events), row)


def _event(row: Row[Any]) -> LedgerEvent:
    return LedgerEvent.model_validate_json(row.event)
