"""Keeps the callers of runs, whose tokens were shown, in a SQL database."""

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

TOKEN_WAIT = timedelta(minutes=1)
"""How long a run waits for its ticket's token, from its first request on. The client sent the token before it started
the run, and a worker that can ask can also verify: so a longer wait would not help."""

LEEWAY = timedelta(seconds=30)
"""The largest difference between two clocks."""


class SqlCallers:
    """`Callers`."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Several stores may share one database."""
        self._database = database
        self._clock = clock

    async def show(self, tenant: str, shown: ShownCaller) -> Identity | None:
        """Store the verdict on a token; return the identity that is known by its ticket, or None where none is.

        Raises `StorageFull`, `StorageFailed`.
        """
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
            stored = connection.execute(_row(tenant, shown.ticket)).first()
            if stored is not None and stored.identity is not None:
                return stored.identity
            if stored is None or stored.sent_at is None or shown.identity is not None:
                connection.execute(insert_or_replace(connection, _callers), row)
            return row["identity"]

        identity = await self._database.write(write)
        return None if identity is None else Identity.model_validate_json(identity)

    async def redeem(
        self, tenant: str, ticket: Digest, workflow_id: str, run_id: str, started_at: datetime | None = None
    ) -> Identity | None:
        """Return the identity that showed the token of a run's ticket; None while no token was shown.

        Raises `BadCaller`, `StorageFull`, `StorageFailed`.
        """
        row = await self._database.read(lambda connection: connection.execute(_row(tenant, ticket)).first())
        if row is None or row.sent_at is None:
            await self._record_wait(tenant, ticket, workflow_id, row)
            return None
        if row.refused is not None:
            raise BadCaller(f"the caller's token was refused: {row.refused}")
        if row.workflow_id != workflow_id:
            raise BadCaller("the caller's ticket was made for another run: each start has to show its token anew")
        redeemed_by = row.run_id
        if redeemed_by is None:
            # Checked at the first use only: a run that is reset later and registers again was started in time.
            if started_at is not None and started_at > datetime.fromisoformat(row.expires_at) + LEEWAY:
                raise BadCaller(
                    f"the caller's token had expired at {row.expires_at} before the run was started: "
                    f"have a new one signed"
                )
            redeemed_by = await self._database.write(lambda connection: _claim(connection, tenant, ticket, run_id))
        if redeemed_by != run_id:
            raise BadCaller("the caller's ticket was used up by an earlier run of this id: show a new token")
        return Identity.model_validate_json(row.identity)

    async def _record_wait(self, tenant: str, ticket: str, workflow_id: str, row: Row[Any] | None) -> None:
        """Store since when a run waits, for every worker to read. Raises `BadCaller` where it has waited too long."""
        now = self._clock()
        if row is None or row.workflow_id != workflow_id:
            waiting = {"tenant": tenant, "ticket": ticket, "workflow_id": workflow_id, "asked_at": now.isoformat()}

            def record_wait(connection: Connection) -> None:
                stored = connection.execute(_row(tenant, ticket)).first()
                if stored is None:
                    connection.execute(insert_or_keep(connection, _callers), waiting)
                elif stored.sent_at is None and stored.workflow_id != workflow_id:
                    # Another run asked with this ticket before. Its wait does not count for this run.
                    connection.execute(update(_callers).where(*_key(tenant, ticket)).values(**waiting))

            await self._database.write(record_wait)
        elif now - datetime.fromisoformat(row.asked_at) > TOKEN_WAIT:
            raise BadCaller(
                f"nobody has shown the token of the caller's ticket within {TOKEN_WAIT.seconds} s: start runs through "
                f"`Platform`, which sends it"
            )


def _claim(connection: Connection, tenant: str, ticket: str, run_id: str) -> str | None:
    """Claim a ticket for a run unless another run has it; return the id of the run that has it."""
    unused = update(_callers).where(*_key(tenant, ticket), _callers.c.run_id.is_(None))
    connection.execute(unused.values(run_id=run_id))
    return connection.execute(select(_callers.c.run_id).where(*_key(tenant, ticket))).scalar_one()


def _row(tenant: str, ticket: str) -> Select[Any]:
    return select(_callers).where(*_key(tenant, ticket))


def _key(tenant: str, ticket: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _callers.c.tenant == tenant, _callers.c.ticket == ticket
