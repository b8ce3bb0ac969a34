"""Remembers paid attempts and their replies in a SQL database, so that no saved reply is bought twice."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, select, update

from activities.adapters.databases.database import Database
from activities.adapters.databases.tables import paid_attempts as _attempts
from activities.adapters.databases.upsert import insert_or_keep
from activities.adapters.sql import accounts
from activities.adapters.sql import budget_windows as windows
from activities.adapters.sql.blobs import store_bodies
from activities.ports import Order, Paid, Short, UnknownKey, WindowSpent
from perdure.contracts.budget import Spend
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.text import Text
from perdure.contracts.windows import WindowKey, WindowLimit, WindowShortage, day_of

LimitOf = Callable[[str], WindowLimit | None]
"""A tenant's daily limit; None where there is none."""


class SqlPaidReplies:
    """A `PaidReplies`. Each method is one transaction: two attempts see each other entirely or not at all.

    A transaction whose commit was not acknowledged is simply done again: an asking knows itself by its name.
    """

    def __init__(self, database: Database, limit_of: LimitOf = lambda _: None) -> None:
        """Several stores may share one database."""
        self._database = database
        self._limit_of = limit_of

    async def begin(self, order: Order, reply: type[Paid]) -> Paid | None:
        """The saved reply to this question, or None once the attempt is recorded and its worst case set aside."""
        key, limit = order.key, self._limit_of(order.key.tenant)

        def begin(connection: Connection) -> Paid | None:
            rows = _rows(connection, key)
            alike = _alike(rows, order)
            saved = _first(alike, reply)
            if saved is not None:
                store_bodies(connection, key.tenant, order.bodies)
                recorded = any(_number(row) == order.attempt for row in alike)
                return _with_charges(saved, _charges(alike) | ({} if recorded else {order.attempt: Spend()}))
            if any(row.asking == order.asking for row in rows):
                return None
            number = max((row.attempt for row in rows), default=0) + 1
            at = accounts.reserve(connection, key, order.worst)
            day = None if limit is None else day_of(at)
            if limit is not None and day is not None:
                _hold(connection, _window(key, order.attempt, number, day), order.worst, limit)
            connection.execute(insert_or_keep(connection, _attempts), _row(order, number, at, day))
            # Last: what is refused stores nothing.
            store_bodies(connection, key.tenant, order.bodies)
            return None

        return await self._database.write(begin)

    async def save(self, order: Order, reply: Paid, charge: Spend, texts: Sequence[Text] = ()) -> Paid:
        """Save what an attempt bought, and return the reply that was saved first, with every charge known by now."""
        key = order.key

        def save(connection: Connection) -> Paid:
            rows = _rows(connection, key)
            own = _own(rows, order)
            if own.reply is None:
                store_bodies(connection, key.tenant, [text.body.encode() for text in texts if text.body is not None])
                if own.charge is None:
                    _settle(connection, order, own, charge)
                bought = {
                    **_named(key),
                    "this_attempt": own.attempt,
                    "new_charge": charge.model_dump_json(),
                    "new_reply": _with_charges(reply, {}).model_dump_json(),
                    "new_place": sum(row.reply is not None for row in rows),
                }
                connection.execute(_BOUGHT, bought)
                rows = _rows(connection, key)
            alike = _alike(rows, order)
            return _with_charges(_first(alike, type(reply)) or reply, _charges(alike))

        return await self._database.write(save)

    async def give_back(self, order: Order) -> None:
        """Release what an attempt has set aside. Raises `UnknownKey`, `StorageFull`, `StorageFailed`."""

        def give_back(connection: Connection) -> None:
            own = _own(_rows(connection, order.key), order)
            if own.charge is not None:
                return
            _settle(connection, order, own, None)
            free = {"this_attempt": own.attempt, "new_charge": Spend().model_dump_json()}
            connection.execute(_FREE, {**_named(order.key), **free})

        await self._database.write(give_back)

    async def attempts(self, key: StepKey) -> dict[int, Spend | None]:
        """What each recorded attempt cost; None where that is unknown. Raises `StorageFailed`."""
        rows = await self._database.read(lambda connection: _rows(connection, key))
        return {row.attempt: None if row.charge is None else Spend.model_validate_json(row.charge) for row in rows}

    async def saved(self, key: StepKey) -> tuple[str, ...]:
        """The JSON of every reply that was saved for a step. Raises `StorageFailed`."""
        rows = await self._database.read(lambda connection: _rows(connection, key))
        return tuple(row.reply for row in sorted(rows, key=lambda row: row.place or 0) if row.reply is not None)


_OF_STEP = and_(
    _attempts.c.tenant == bindparam("of_tenant"),
    _attempts.c.run_id == bindparam("of_run"),
    _attempts.c.step == bindparam("of_step"),
)
_ROWS = select(_attempts).where(_OF_STEP).order_by(_attempts.c.attempt)
_THIS = and_(_OF_STEP, _attempts.c.attempt == bindparam("this_attempt"))
_BOUGHT = (
    update(_attempts)
    .where(_THIS)
    .values(charge=bindparam("new_charge"), reply=bindparam("new_reply"), place=bindparam("new_place"))
)
_FREE = update(_attempts).where(_THIS).values(charge=bindparam("new_charge"))


def _named(key: StepKey) -> dict[str, Any]:
    return {"of_tenant": key.tenant, "of_run": key.run_id, "of_step": key.step}


def _rows(connection: Connection, key: StepKey) -> Sequence[Row[Any]]:
    """The step's attempts, the oldest first."""
    return connection.execute(_ROWS, _named(key)).all()


def _alike(rows: Sequence[Row[Any]], order: Order) -> list[Row[Any]]:
    """The attempts that asked the same. Of one from before questions had digests, only the step is known."""
    return [row for row in rows if row.question is None or row.question == order.question]


def _own(rows: Sequence[Row[Any]], order: Order) -> Row[Any]:
    own = next((row for row in rows if row.asking == order.asking), None)
    if own is None:
        raise UnknownKey(f"attempt {order.attempt} of {order.key.step!r} was never begun: begin it first")
    return own


def _row(order: Order, number: int, at: datetime, day: date | None) -> dict[str, Any]:
    return {
        **order.key.model_dump(),
        "attempt": number,
        "begun_at": at.isoformat(),
        "charge": None,
        "reply": None,
        "place": None,
        "asking": order.asking,
        "question": order.question,
        "numbered": order.attempt,
        "worst": order.worst.model_dump_json(),
        "day": None if day is None else day.isoformat(),
    }


def _window(key: StepKey, attempt: int, number: int, day: date) -> WindowKey:
    """The name of an attempt's reservation in its tenant's day; the number tells apart what a reset makes again."""
    name = f"{key.step}/{attempt}" + (f".{number}" if number != attempt else "")
    return WindowKey(tenant=key.tenant, day=day, workflow_id=key.workflow_id, run_id=key.run_id, name=name)


def _hold(connection: Connection, window: WindowKey, worst: Spend, limit: WindowLimit) -> None:
    """Set the worst case aside in the tenant's day. Raises `WindowSpent`."""
    match windows.reserve(connection, window, worst, limit):
        case Short() as short:
            shortage = WindowShortage(
                tenant=window.tenant,
                day=window.day,
                limit=short.limit,
                most=getattr(limit, short.limit),
                needed=short.needed,
                settled=short.settled,
                reserved=short.reserved,
                left=short.left,
            )
            raise WindowSpent(shortage)
        case _:
            return


def _settle(connection: Connection, order: Order, own: Row[Any], charge: Spend | None) -> None:
    """Settle an attempt in its account and in its day; None for one that is known to have cost nothing."""
    accounts.settle(connection, order.key, Spend.model_validate_json(own.worst), charge or Spend())
    if own.day is not None:
        window = _window(order.key, order.attempt, own.attempt, date.fromisoformat(own.day))
        if charge is None:
            windows.release(connection, window)
        else:
            windows.settle(connection, window, charge)


def _first(rows: Sequence[Row[Any]], reply: type[Paid]) -> Paid | None:
    """The reply that was saved first."""
    first = min((row for row in rows if row.reply is not None), key=lambda row: row.place or 0, default=None)
    return None if first is None else reply.model_validate_json(first.reply)


def _number(row: Row[Any]) -> int:
    return row.attempt if row.numbered is None else row.numbered


def _charges(rows: Sequence[Row[Any]]) -> dict[int, Spend]:
    """What the attempts of each number are known to have cost. A reset may have let one be made again."""
    charges: dict[int, Spend] = {}
    for row in rows:
        if row.charge is not None:
            number = _number(row)
            charges[number] = charges.get(number, Spend()) + Spend.model_validate_json(row.charge)
    return charges


def _with_charges(reply: Paid, charges: dict[int, Spend]) -> Paid:
    return reply.model_copy(update={"charges": charges})
