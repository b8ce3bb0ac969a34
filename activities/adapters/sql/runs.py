"""Keeps the registry of runs in a SQL database."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select

from activities.adapters.databases.database import Database
from activities.adapters.databases.tables import paid_attempts as _attempts
from activities.adapters.databases.tables import runs as _runs
from activities.adapters.databases.tables import upgrades as _upgrades
from activities.adapters.databases.upsert import insert_or_keep
from activities.adapters.sql.accounts import open_account
from activities.adapters.sql.clock import now
from activities.ports import KeyTaken
from perdure.contracts.budget import Spend
from perdure.contracts.runs.registry import RegisteredRun


class SqlRuns:
    """A `Runs`. A run and its account are opened in one transaction, which may be repeated."""

    def __init__(self, database: Database) -> None:
        """Several stores may share one database."""
        self._database = database

    async def register(self, run: RegisteredRun) -> RegisteredRun:
        """Register a run, unless it is registered. Raises `KeyTaken`, `StorageFull`, `StorageFailed`."""

        def register(connection: Connection) -> RegisteredRun:
            known = _run(connection, run.tenant, run.run_id)
            if known is not None:
                return known
            at = now(connection)
            registered = run.model_copy(update={"registered_at": at})
            row = {
                "tenant": run.tenant,
                "run_id": run.run_id,
                "workflow_id": run.workflow_id,
                "kind": run.kind,
                "registered_at": at.isoformat(),
                "run": registered.model_dump_json(),
            }
            connection.execute(insert_or_keep(connection, _runs), row)
            open_account(connection, run.tenant, run.run_id, run.budget, _spent(connection, run))
            return registered

        found = await self._database.write(register)
        if (found.workflow_id, found.kind) != (run.workflow_id, run.kind):
            raise KeyTaken(
                f"the run {run.run_id!r} is registered as {found.kind} {found.workflow_id!r}, and not as {run.kind} "
                f"{run.workflow_id!r}: an id of an execution belongs to one run"
            )
        return found

    async def look(self, tenant: str, run_id: str) -> RegisteredRun | None:
        """The run; None where none is registered. Raises `StorageFailed`."""
        return await self._database.read(lambda connection: _run(connection, tenant, run_id))

    async def upgraded_at(self) -> datetime | None:
        """When the database learned to register runs: one that began before could not be. Raises `StorageFailed`."""
        at = await self._database.read(lambda connection: connection.execute(_UPGRADED).scalar())
        return None if at is None else datetime.fromisoformat(at)


_RUN = select(_runs.c.run).where(_runs.c.tenant == bindparam("of_tenant"), _runs.c.run_id == bindparam("of_run"))
_PAID = select(_attempts.c.charge).where(
    _attempts.c.tenant == bindparam("of_tenant"),
    _attempts.c.run_id == bindparam("of_run"),
    _attempts.c.charge.is_not(None),
)
_UPGRADED = select(func.min(_upgrades.c.at))


def _run(connection: Connection, tenant: str, run_id: str) -> RegisteredRun | None:
    found = connection.execute(_RUN, {"of_tenant": tenant, "of_run": run_id}).scalar()
    return None if found is None else RegisteredRun.model_validate_json(found)


def _spent(connection: Connection, run: RegisteredRun) -> Spend:
    """What a run has paid for before it had an account: nothing, unless it began before there were accounts."""
    rows = connection.execute(_PAID, {"of_tenant": run.tenant, "of_run": run.run_id}).all()
    return sum((Spend.model_validate_json(row.charge) for row in rows), Spend())
