"""Remembers paid attempts and their replies in a SQL database, so that no saved reply is bought twice."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, select, update

from activities.adapters.sql_blobs import store_bodies
from activities.adapters.sql_database import Database
from activities.adapters.sql_tables import paid_attempts as _attempts
from activities.adapters.sql_upsert import insert_or_keep
from activities.ports import Paid
from perdure.contracts.budget import Spend
from perdure.contracts.steps import StepKey
from perdure.contracts.text import Text


class SqlPaidReplies:
    """A `PaidReplies`. Each method is one transaction: two attempts see each other entirely or not at all.

    Each may be repeated, so a transaction whose commit was not acknowledged is simply done again.
    """

    def __init__(self, database: Database) -> None:
        """Several stores may share one database."""
        self._database = database

    async def begin(self, key: StepKey, attempt: int, reply: type[Paid], bodies: Sequence[bytes] = ()) -> Paid | None:
        """The step's saved reply, if there is one; otherwise records this attempt and returns None.

        `bodies` are stored in the same transaction, whichever it is.

        A saved reply comes with every charge known by now. This attempt's own is zero, since it buys nothing, unless
        it was recorded before: then its charge is what was saved for it, and unknown while nothing was. Beginning an
        attempt again changes nothing. Raises `StorageFull`, `StorageFailed`.
        """

        def begin(connection: Connection) -> Paid | None:
            store_bodies(connection, key.tenant, bodies)
            rows = _rows(connection, key)
            saved = _first(rows, reply)
            if saved is not None:
                recorded = any(row.attempt == attempt for row in rows)
                return _with_charges(saved, _charges(rows) | ({} if recorded else {attempt: Spend()}))
            _record(connection, key, attempt)
            return None

        return await self._database.write(begin)

    async def save(self, key: StepKey, attempt: int, reply: Paid, charge: Spend, texts: Sequence[Text] = ()) -> Paid:
        """Save what an attempt bought, and return the reply that was saved first, with every charge known by now.

        The bodies of `texts` are stored in the same transaction: one write to the disk instead of two.

        Saving for the same attempt again changes nothing. Raises `StorageFull`, `StorageFailed`.
        """

        def save(connection: Connection) -> Paid:
            store_bodies(connection, key.tenant, [text.body.encode() for text in texts if text.body is not None])
            _record(connection, key, attempt)
            rows = _rows(connection, key)
            if all(row.reply is None for row in rows if row.attempt == attempt):
                bought = {
                    **_named(key),
                    "this_attempt": attempt,
                    "new_charge": charge.model_dump_json(),
                    "new_reply": _with_charges(reply, {}).model_dump_json(),
                    "new_place": sum(row.reply is not None for row in rows),
                }
                connection.execute(_BOUGHT, bought)
                rows = _rows(connection, key)
            return _with_charges(_first(rows, type(reply)) or reply, _charges(rows))

        return await self._database.write(save)

    async def attempts(self, key: StepKey) -> dict[int, Spend | None]:
        """What each recorded attempt cost; None where that is unknown. Raises `StorageFailed`."""
        rows = await self._database.read(lambda connection: _rows(connection, key))
        charges = _charges(rows)
        return {row.attempt: charges.get(row.attempt) for row in rows}


_OF_STEP = and_(
    _attempts.c.tenant == bindparam("of_tenant"),
    _attempts.c.run_id == bindparam("of_run"),
    _attempts.c.step == bindparam("of_step"),
)
_ROWS = select(_attempts).where(_OF_STEP).order_by(_attempts.c.attempt)
_BOUGHT = (
    update(_attempts)
    .where(_OF_STEP, _attempts.c.attempt == bindparam("this_attempt"))
    .values(charge=bindparam("new_charge"), reply=bindparam("new_reply"), place=bindparam("new_place"))
)


def _named(key: StepKey) -> dict[str, Any]:
    return {"of_tenant": key.tenant, "of_run": key.run_id, "of_step": key.step}


def _record(connection: Connection, key: StepKey, attempt: int) -> None:
    """Record that the attempt begins; nothing where it has begun before."""
    row = {**key.model_dump(), "attempt": attempt, "begun_at": datetime.now(UTC).isoformat()}
    connection.execute(insert_or_keep(connection, _attempts), row)


def _rows(connection: Connection, key: StepKey) -> Sequence[Row[Any]]:
    """The step's attempts, the oldest first."""
    return connection.execute(_ROWS, _named(key)).all()


def _first(rows: Sequence[Row[Any]], reply: type[Paid]) -> Paid | None:
    """The reply that was saved first."""
    first = next((row for row in rows if row.place == 0), None)
    return None if first is None else reply.model_validate_json(first.reply)


def _charges(rows: Sequence[Row[Any]]) -> dict[int, Spend]:
    return {row.attempt: Spend.model_validate_json(row.charge) for row in rows if row.charge is not None}


def _with_charges(reply: Paid, charges: dict[int, Spend]) -> Paid:
    return reply.model_copy(update={"charges": charges})
