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
    """A `Runs`. One transaction, which may be repeated, registers a run and opens its account."""

    def __init__(self, database: Database) -> None:
        """Several stores may share one database."""
        self._database = database

    async def register(self, run: RegisteredRun) -> RegisteredRun:
        """Register a run, unless it is registered; return it as registered.

        Raises `KeyTaken`, `StorageFull`, `StorageFailed`.
        """

        def register(connection: Connection) -> RegisteredRun:
            registered_before = _run(connection, run.tenant, run.run_id)
            if registered_before is not None:
                return registered_before
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

        registered = await self._database.write(register)
        if (registered.workflow_id, registered.kind) != (run.workflow_id, run.kind):
            raise KeyTaken(
                f"the run {run.run_id!r} is registered as {registered.kind} {registered.workflow_id!r}, and not as "
                f"{run.kind} {run.workflow_id!r}: an id of an execution belongs to one run"
            )
        return registered

    async def look(self, tenant: str, run_id: str) -> RegisteredRun | None:
        """Return a registered run; None where it is not registered. Raises `StorageFailed`."""
        return await self._database.read(lambda connection: _run(connection, tenant, run_id))

    async def upgraded_at(self) -> datetime | None:
        """Return when the database got its registry: runs that began earlier could not register. None where unknown.

        Raises `StorageFailed`.
        """
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
    run = connection.execute(_RUN, {"of_tenant": tenant, "of_run": run_id}).scalar()
    return None if run is None else RegisteredRun.model_validate_json(run)


def _spent(connection: Connection, run: RegisteredRun) -> Spend:
    """Return a run's spend from before it had an account: nothing, unless it began before there were accounts."""
    rows = connection.execute(_PAID, {"of_tenant": run.tenant, "of_run": run.run_id}).all()
    return sum((Spend.model_validate_json(row.charge) for row in rows), Spend())
