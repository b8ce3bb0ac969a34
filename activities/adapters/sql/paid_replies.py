"""Keeps paid attempts and their replies in a SQL database, so that no saved reply is bought twice."""

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
"""A function that returns a tenant's daily limit; None where it has none."""


class SqlPaidReplies:
    """A `PaidReplies`. Each method is one transaction: an attempt sees another one completely or not at all.

    A transaction whose commit was not acknowledged is repeated: an order finds its own row by its `asking` id.
    """

    def __init__(self, database: Database, limit_of: LimitOf = lambda _: None) -> None:
        """Several stores may share one database."""
        self._database = database
        self._limit_of = limit_of

    async def begin(self, order: Order, reply: type[Paid]) -> Paid | None:
        """Return the saved reply to this question; else record the attempt, reserve its worst case, and return None."""
        key, limit = order.key, self._limit_of(order.key.tenant)

        def begin(connection: Connection) -> Paid | None:
            rows = _rows(connection, key)
            same_question = _with_same_question(rows, order)
            saved = _first_reply(same_question, reply)
            if saved is not None:
                store_bodies(connection, key.tenant, order.bodies)
                # An attempt that is not recorded bought nothing, so its charge is zero.
                recorded = any(_attempt_number(row) == order.attempt for row in same_question)
                return _with_charges(saved, _charges(same_question) | ({} if recorded else {order.attempt: Spend()}))
            if any(row.asking == order.asking for row in rows):
                return None
            number = max((row.attempt for row in rows), default=0) + 1
            at = accounts.reserve(connection, key, order.worst)
            day = None if limit is None else day_of(at)
            if limit is not None and day is not None:
                _reserve_in_window(connection, _window(key, order.attempt, number, day), order.worst, limit)
            connection.execute(insert_or_keep(connection, _attempts), _row(order, number, at, day))
            # The bodies come last, so that a refused order stores nothing.
            store_bodies(connection, key.tenant, order.bodies)
            return None

        return await self._database.write(begin)

    async def save(self, order: Order, reply: Paid, charge: Spend, texts: Sequence[Text] = ()) -> Paid:
        """Save the reply of an attempt; return the reply that was saved first, with every charge known by now."""
        key = order.key

        def save(connection: Connection) -> Paid:
            rows = _rows(connection, key)
            own = _own_row(rows, order)
            if own.reply is None:
                store_bodies(connection, key.tenant, [text.body.encode() for text in texts if text.body is not None])
                if own.charge is None:
                    _settle(connection, order, own, charge)
                parameters = {
                    **_step_parameters(key),
                    "this_attempt": own.attempt,
                    "new_charge": charge.model_dump_json(),
                    "new_reply": _with_charges(reply, {}).model_dump_json(),
                    "new_place": sum(row.reply is not None for row in rows),
                }
                connection.execute(_SAVE_REPLY, parameters)
                rows = _rows(connection, key)
            same_question = _with_same_question(rows, order)
            return _with_charges(_first_reply(same_question, type(reply)) or reply, _charges(same_question))

        return await self._database.write(save)

    async def give_back(self, order: Order) -> None:
        """Release the reservation of an attempt. Raises `UnknownKey`, `StorageFull`, `StorageFailed`."""

        def give_back(connection: Connection) -> None:
            own = _own_row(_rows(connection, order.key), order)
            if own.charge is not None:
                return
            _settle(connection, order, own, None)
            no_charge = {"this_attempt": own.attempt, "new_charge": Spend().model_dump_json()}
            connection.execute(_SET_CHARGE, {**_step_parameters(order.key), **no_charge})

        await self._database.write(give_back)

    async def attempts(self, key: StepKey) -> dict[int, Spend | None]:
        """Return the cost of each recorded attempt; None where it is unknown. Raises `StorageFailed`."""
        rows = await self._database.read(lambda connection: _rows(connection, key))
        return {row.attempt: None if row.charge is None else Spend.model_validate_json(row.charge) for row in rows}

    async def saved(self, key: StepKey) -> tuple[str, ...]:
        """Return the JSON of every saved reply of a step, the first one first. Raises `StorageFailed`."""
        rows = await self._database.read(lambda connection: _rows(connection, key))
        return tuple(row.reply for row in sorted(rows, key=lambda row: row.place or 0) if row.reply is not None)


_OF_STEP = and_(
    _attempts.c.tenant == bindparam("of_tenant"),
    _attempts.c.run_id == bindparam("of_run"),
    _attempts.c.step == bindparam("of_step"),
)
_ROWS = select(_attempts).where(_OF_STEP).order_by(_attempts.c.attempt)
_THIS_ATTEMPT = and_(_OF_STEP, _attempts.c.attempt == bindparam("this_attempt"))
_SAVE_REPLY = (
    update(_attempts)
    .where(_THIS_ATTEMPT)
    .values(charge=bindparam("new_charge"), reply=bindparam("new_reply"), place=bindparam("new_place"))
)
_SET_CHARGE = update(_attempts).where(_THIS_ATTEMPT).values(charge=bindparam("new_charge"))


def _step_parameters(key: StepKey) -> dict[str, Any]:
    return {"of_tenant": key.tenant, "of_run": key.run_id, "of_step": key.step}


def _rows(connection: Connection, key: StepKey) -> Sequence[Row[Any]]:
    """Return the step's attempts, the oldest first."""
    return connection.execute(_ROWS, _step_parameters(key)).all()


def _with_same_question(rows: Sequence[Row[Any]], order: Order) -> list[Row[Any]]:
    """Return the attempts with the same question, and those from before questions had digests."""
    return [row for row in rows if row.question is None or row.question == order.question]


def _own_row(rows: Sequence[Row[Any]], order: Order) -> Row[Any]:
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
    """Return the key of an attempt's reservation in its tenant's day; after a reset the number tells repeats apart."""
    name = f"{key.step}/{attempt}" + (f".{number}" if number != attempt else "")
    return WindowKey(tenant=key.tenant, day=day, workflow_id=key.workflow_id, run_id=key.run_id, name=name)


def _reserve_in_window(connection: Connection, window: WindowKey, worst: Spend, limit: WindowLimit) -> None:
    """Reserve the worst case in the tenant's day. Raises `WindowSpent`."""
    match windows.reserve(connection, window, worst, limit):
        case Short() as shortfall:
            shortage = WindowShortage(
                tenant=window.tenant,
                day=window.day,
                limit=shortfall.limit,
                most=getattr(limit, shortfall.limit),
                needed=shortfall.needed,
                settled=shortfall.settled,
                reserved=shortfall.reserved,
                left=shortfall.left,
            )
            raise WindowSpent(shortage)
        case _:
            return


def _settle(connection: Connection, order: Order, own: Row[Any], charge: Spend | None) -> None:
    """Settle an attempt in its account and in its day; `charge` is None for one that is known to have cost nothing."""
    accounts.settle(connection, order.key, Spend.model_validate_json(own.worst), Spend() if charge is None else charge)
    if own.day is not None:
        window = _window(order.key, order.attempt, own.attempt, date.fromisoformat(own.day))
        if charge is None:
            windows.release(connection, window)
        else:
            windows.settle(connection, window, charge)


def _first_reply(rows: Sequence[Row[Any]], reply: type[Paid]) -> Paid | None:
    """Return the reply that was saved first; None where none is saved."""
    first = min((row for row in rows if row.reply is not None), key=lambda row: row.place or 0, default=None)
    return None if first is None else reply.model_validate_json(first.reply)


def _attempt_number(row: Row[Any]) -> int:
    return row.attempt if row.numbered is None else row.numbered


def _charges(rows: Sequence[Row[Any]]) -> dict[int, Spend]:
    """Return the known costs by attempt number, summed: after a reset several attempts may have the same number."""
    charges: dict[int, Spend] = {}
    for row in rows:
        if row.charge is not None:
            number = _attempt_number(row)
            charges[number] = charges.get(number, Spend()) + Spend.model_validate_json(row.charge)
    return charges


def _with_charges(reply: Paid, charges: dict[int, Spend]) -> Paid:
    return reply.model_copy(update={"charges": charges})
