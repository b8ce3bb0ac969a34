"""Keeps who has shown a token for which run in a SQL database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, select, update

from activities.adapters.databases.database import Database
from activities.adapters.databases.tables import callers as _callers
from activities.adapters.databases.upsert import insert_or_keep, insert_or_replace
from activities.ports import BadCaller, ShownCaller
from perdure.contracts.contract import Digest
from perdure.contracts.runs.caller import Identity

AWAITED = timedelta(minutes=1)
"""How long a run waits for its ticket's token, from when it first asked: the client sent it before it started the run,
and whatever kept workers from verifying it then is over, or the run could not ask."""

LEEWAY = timedelta(seconds=30)
"""By how much two clocks may differ."""


class SqlCallers:
    """`Callers`."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Several stores may share one database."""
        self._database = database
        self._clock = clock

    async def show(self, tenant: str, shown: ShownCaller) -> Identity | None:
        """Write down what a token came to; who is known by its ticket. Raises `StorageFull`, `StorageFailed`."""
        row = {
            "tenant": tenant,
            "ticket": shown.ticket,
            "workflow_id": shown.workflow_id,
            "asked_at": None,
            "sent_at": shown.sent_at.isoformat(),
            "expires_at": None if shown.expires_at is None else shown.expires_at.isoformat(),
            "identity": None if shown.identity is None else shown.identity.model_dump_json(),
            "refused": shown.refused or None,
            "run_id": None,
        }

        def write(connection: Connection) -> str | None:
            known = connection.execute(_row(tenant, shown.ticket)).first()
            if known is not None and known.identity is not None:
                return known.identity
            if known is None or known.sent_at is None or shown.identity is not None:
                connection.execute(insert_or_replace(connection, _callers), row)
            return row["identity"]

        identity = await self._database.write(write)
        return None if identity is None else Identity.model_validate_json(identity)

    async def redeem(
        self, tenant: str, ticket: Digest, workflow_id: str, run_id: str, started_at: datetime | None = None
    ) -> Identity | None:
        """Who has shown the token of a run's ticket. Raises `BadCaller`, `StorageFull`, `StorageFailed`."""
        row = await self._database.read(lambda connection: connection.execute(_row(tenant, ticket)).first())
        if row is None or row.sent_at is None:
            await self._wait(tenant, ticket, workflow_id, row)
            return None
        if row.refused is not None:
            raise BadCaller(f"the caller's token was refused: {row.refused}")
        if row.workflow_id != workflow_id:
            raise BadCaller("the caller's ticket was made for another run: each start has to show its token anew")
        user = row.run_id
        if user is None:
            # Only now: a run that is reset later, and registers again, was started in time.
            if started_at is not None and started_at > datetime.fromisoformat(row.expires_at) + LEEWAY:
                raise BadCaller(
                    f"the caller's token had expired at {row.expires_at} before the run was started: "
                    f"have a new one signed"
                )
            user = await self._database.write(lambda connection: _use(connection, tenant, ticket, run_id))
        if user != run_id:
            raise BadCaller("the caller's ticket was used up by an earlier run of this id: show a new token")
        return Identity.model_validate_json(row.identity)

    async def _wait(self, tenant: str, ticket: str, workflow_id: str, row: Row[Any] | None) -> None:
        """Note since when a run waits, so that any worker knows. Raises `BadCaller` where it has waited long enough."""
        now = self._clock()
        if row is None or row.workflow_id != workflow_id:
            begun = {"tenant": tenant, "ticket": ticket, "workflow_id": workflow_id, "asked_at": now.isoformat()}

            def begin(connection: Connection) -> None:
                found = connection.execute(_row(tenant, ticket)).first()
                if found is None:
                    connection.execute(insert_or_keep(connection, _callers), begun)
                elif found.sent_at is None and found.workflow_id != workflow_id:
                    # Whoever asked with another run's ticket is not waited for, and keeps nobody from waiting.
                    connection.execute(update(_callers).where(*_key(tenant, ticket)).values(**begun))

            await self._database.write(begin)
        elif now - datetime.fromisoformat(row.asked_at) > AWAITED:
            raise BadCaller(
                f"nobody has shown the token of the caller's ticket within {AWAITED.seconds} s: start runs through "
                f"`Platform`, which sends it"
            )


def _use(connection: Connection, tenant: str, ticket: str, run_id: str) -> str | None:
    """Have a run use a ticket up that none has used; which run has."""
    unused = update(_callers).where(*_key(tenant, ticket), _callers.c.run_id.is_(None))
    connection.execute(unused.values(run_id=run_id))
    return connection.execute(select(_callers.c.run_id).where(*_key(tenant, ticket))).scalar_one()


def _row(tenant: str, ticket: str) -> Select[Any]:
    return select(_callers).where(*_key(tenant, ticket))


def _key(tenant: str, ticket: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _callers.c.tenant == tenant, _callers.c.ticket == ticket
