"""Remembers the intents and outcomes of tool calls in a SQL database, as entries that are only ever added."""

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
Rule = Callable[[rules.Past, datetime], tuple[Answer, LedgerEvent | Sequence[LedgerEvent] | None]]
Now = Callable[[Connection], datetime]


class SqlEffectLedger:
    """An `EffectLedger`. The rules are `ledger_rules`; each method applies one of them in one transaction.

    A transaction whose commit was not acknowledged is simply done again: an asker knows its own intent by a name that
    it made up before, an outcome is known by its attempt, and a decision by its id.
    """

    def __init__(self, database: Database, now: Now = clock.now) -> None:
        """Several stores may share one database, and `now` is its clock."""
        self._database = database
        self._now = now

    async def intend(self, key: StepKey, attempt: int, call: IntendedCall, price: Spend = NOTHING) -> Permission:
        """Ask whether this attempt may call, and charge its price where it may. Raises as the port says."""
        asker = rules.Asker(attempt, call, uuid.uuid4().hex)
        since: float | None = None

        def intend(past: rules.Past, now: datetime) -> tuple[Permission, LedgerEvent | None]:
            nonlocal since
            permission, entry = rules.intend(past, asker, now)
            if entry is not None:  # and not where it is done again, and finds its own
                since = elapsed.elapsed()
            return permission, entry

        permission = await self._apply(key, intend, price=price)
        return replace(permission, since=since) if isinstance(permission, Fresh) else permission

    async def forgo(self, key: StepKey, attempt: int, call: IntendedCall, why: Failed) -> Permission:
        """Ask, and give the permission up. Raises `KeyTaken`, `StorageFull`, `StorageFailed`."""
        asker = rules.Asker(attempt, call, uuid.uuid4().hex)
        return await self._apply(key, lambda past, now: rules.forgo(past, asker, why, now))

    async def record(self, key: StepKey, attempt: int, outcome: ToolOutcome) -> Recorded:
        """Tell what came of an attempt. Raises `UnknownKey`, `StorageFull`, `StorageFailed`."""
        result = outcome.result if isinstance(outcome, Succeeded) else None
        told = outcome if result is None else Succeeded(result=result.reference())
        return await self._apply(key, lambda past, now: rules.record(past, attempt, told, now), result)

    async def decide(self, key: StepKey, decision: Decision) -> Decided | LedgerRefused:
        """Take somebody's word on an unknown outcome. Raises `StorageFull`, `StorageFailed`."""
        result = decision.result
        taken = decision if result is None else decision.model_copy(update={"result": result.reference()})
        return await self._apply(key, lambda past, now: rules.decide(past, taken, now), result)

    async def look(self, key: StepKey) -> CallRecord | None:
        """All that is known of a call. Raises `StorageFailed`."""
        return rules.record_of(key, await self._database.read(lambda connection: _past(connection, key)))

    async def unknowns(self, tenant: str) -> tuple[CallRecord, ...]:
        """The tenant's calls whose outcome is unknown, the longest unknown first. Raises `StorageFailed`."""

        def unknowns(connection: Connection) -> list[CallRecord | None]:
            rows = connection.execute(_UNKNOWN, {"of_tenant": tenant}).all()
            keys = [
                StepKey(tenant=tenant, workflow_id=row.workflow_id, run_id=row.run_id, step=row.step) for row in rows
            ]
            # Each by its key: joined, SQLite would read all calls of the tenant.
            return [rules.record_of(key, _past(connection, key)) for key in keys]

        found = await self._database.read(unknowns)
        return tuple(sorted((one for one in found if one is not None), key=lambda one: one.events[-1].at))

    async def _apply(
        self, key: StepKey, rule: Rule[Answer], body: Text | None = None, price: Spend = NOTHING
    ) -> Answer:
        def apply(connection: Connection) -> Answer:
            answer, found = rule(_past(connection, key), self._now(connection))
            entries = [] if found is None else [found] if isinstance(found, LedgerEvent) else found
            if entries and body is not None and body.body is not None:
                store_bodies(connection, key.tenant, [body.body.encode()])
            for entry in entries:
                _add(connection, key, entry)
                if entry.happening is Happening.INTENDED and price != NOTHING:
                    accounts.charge(connection, key, price)
            return answer

        return await self._database.write(apply)


_OF_CALL = and_(
    _events.c.tenant == bindparam("of_tenant"),
    _events.c.run_id == bindparam("of_run"),
    _events.c.step == bindparam("of_step"),
)
_PAST = select(_events.c.event).where(_OF_CALL).order_by(_events.c.number)

_unknown, _later = _events.alias("unknown"), _events.alias("later")
_SAME_CALL = and_(
    _unknown.c.tenant == _later.c.tenant, _unknown.c.run_id == _later.c.run_id, _unknown.c.step == _later.c.step
)
# The phase is written out, since only then is the index of unknown calls used.
_UNKNOWN = select(_unknown.c.workflow_id, _unknown.c.run_id, _unknown.c.step).where(
    _unknown.c.tenant == bindparam("of_tenant"),
    _unknown.c.phase == bindparam("phase", CallPhase.UNKNOWN.value, literal_execute=True),
    ~exists().where(_SAME_CALL, _later.c.number > _unknown.c.number),
)


def _past(connection: Connection, key: StepKey) -> list[LedgerEvent]:
    named = {"of_tenant": key.tenant, "of_run": key.run_id, "of_step": key.step}
    return [_event(row) for row in connection.execute(_PAST, named)]


def _add(connection: Connection, key: StepKey, entry: LedgerEvent) -> None:
    row = {
        **key.model_dump(),
        "number": entry.number,
        "at": entry.at.isoformat(),
        "phase": entry.phase.value,
        "event": entry.model_dump_json(exclude_none=True),
    }
    # No other writer interleaves, so the place is free. Where PostgreSQL finds that one did, this statement makes it do
    # the transaction again, and a plain one might not.
    connection.execute(insert_or_keep(connection, _events), row)


def _event(row: Row[Any]) -> LedgerEvent:
    return LedgerEvent.model_validate_json(row.event)
