"""Keeps the budget windows of tenants and days in a SQL database."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

from sqlalchemy import Connection, and_, bindparam, select, update

from activities.adapters.databases.database import Database
from activities.adapters.databases.tables import budget_reservations as _reservations
from activities.adapters.databases.tables import budget_windows as _windows
from activities.adapters.databases.upsert import insert_or_keep, insert_or_replace
from activities.adapters.sql.clock import now
from activities.ports import Granted, KeyTaken, Over, Reserved, Short, UnknownKey
from perdure.contracts.budget import Spend
from perdure.contracts.windows import Reservation, Window, WindowKey, WindowLimit


class SqlBudgetWindows:
    """A `BudgetWindows`. One row holds the sums of a day, and every transaction reads and writes it.

    So two reservations on the same day happen one after the other, and no query has to sum all rows.
    """

    def __init__(self, database: Database) -> None:
        """Several stores may share one database."""
        self._database = database

    async def reserve(self, key: WindowKey, amount: Spend, limit: WindowLimit) -> Reserved:
        """Reserve an amount, if it fits into the limit. Raises `KeyTaken`, `StorageFull`, `StorageFailed`."""
        return await self._database.write(lambda connection: reserve(connection, key, amount, limit))

    async def settle(self, key: WindowKey, spent: Spend) -> Window:
        """Replace a reservation by the real cost. Raises `UnknownKey`, `StorageFull`, `StorageFailed`."""
        return await self._database.write(lambda connection: settle(connection, key, spent))

    async def release(self, key: WindowKey) -> Window:
        """Release a reservation. Raises `UnknownKey`, `StorageFull`, `StorageFailed`."""
        return await self._database.write(lambda connection: release(connection, key))

    async def look(self, tenant: str, day: date) -> Window:
        """Return the sums of a day. Raises `StorageFailed`."""
        return await self._database.read(lambda connection: _window(connection, tenant, day))

    async def open_reservations(self, tenant: str, day: date) -> tuple[Reservation, ...]:
        """Return the reservations that are not settled, the oldest first. Raises `StorageFailed`."""
        parameters = {"of_tenant": tenant, "of_day": day.isoformat()}
        rows = await self._database.read(lambda connection: connection.execute(_OPEN, parameters).all())
        return tuple(
            Reservation(
                key=WindowKey(
                    tenant=row.tenant, day=row.day, workflow_id=row.workflow_id, run_id=row.run_id, name=row.name
                ),
                amount=Spend.model_validate_json(row.amount),
                reserved_at=row.reserved_at,
            )
            for row in rows
        )


def reserve(connection: Connection, key: WindowKey, amount: Spend, limit: WindowLimit) -> Reserved:
    """Reserve an amount within the caller's transaction, if it fits into the limit. Raises `KeyTaken`."""
    reservation = _reservation(connection, key)
    if reservation is not None:
        return _repeated(key, reservation, amount)
    window = _window(connection, key.tenant, key.day)
    breached = limit.breached_by(window.settled + window.reserved + amount)
    if breached is not None:
        left = limit.less(window.settled + window.reserved)
        return Short(breached, amount, window.settled, window.reserved, left)
    row = {**_row_of(key), "reserved_at": now(connection).isoformat(), "amount": amount.model_dump_json()}
    connection.execute(insert_or_keep(connection, _reservations), row)
    _store(connection, key, Window(settled=window.settled, reserved=window.reserved + amount))
    return Granted()


def settle(connection: Connection, key: WindowKey, spent: Spend) -> Window:
    """Replace a reservation by the real cost, within the caller's transaction. Raises `UnknownKey`."""
    return _close(connection, key, _settled(spent), spent)


def release(connection: Connection, key: WindowKey) -> Window:
    """Release a reservation within the caller's transaction. Raises `UnknownKey`."""

    def released(reservation: _StoredReservation, window: Window) -> Window | None:
        if reservation.closed:
            return None
        return window.model_copy(update={"reserved": window.reserved.less(reservation.amount)})

    return _close(connection, key, released, None)


@dataclass(frozen=True)
class _StoredReservation:
    """A reservation as it is stored, open or closed."""

    amount: Spend
    closed: bool
    spent: Spend | None


_Change: TypeAlias = Callable[[_StoredReservation, Window], Window | None]
"""A function that returns the day's sums after a reservation is closed; None where nothing changes."""

_OF_DAY = and_(_reservations.c.tenant == bindparam("of_tenant"), _reservations.c.day == bindparam("of_day"))
_OF_KEY = and_(_OF_DAY, _reservations.c.run_id == bindparam("of_run"), _reservations.c.name == bindparam("of_name"))
_RESERVATION = select(_reservations.c.amount, _reservations.c.closed_at, _reservations.c.spent).where(_OF_KEY)
_OPEN = select(_reservations).where(_OF_DAY, _reservations.c.closed_at.is_(None)).order_by(_reservations.c.reserved_at)
_CLOSED = update(_reservations).where(_OF_KEY).values(closed_at=bindparam("now_closed"), spent=bindparam("now_spent"))
_WINDOW = select(_windows.c.settled, _windows.c.reserved).where(
    _windows.c.tenant == bindparam("of_tenant"), _windows.c.day == bindparam("of_day")
)


def _settled(spent: Spend) -> _Change:
    def settled(reservation: _StoredReservation, window: Window) -> Window | None:
        if reservation.spent is not None:
            return None
        held = Spend() if reservation.closed else reservation.amount
        return Window(settled=window.settled + spent, reserved=window.reserved.less(held))

    return settled


def _close(connection: Connection, key: WindowKey, change: _Change, spent: Spend | None) -> Window:
    """Change the day's sums and mark the reservation as closed; do nothing where `change` returns None."""
    reservation = _reservation(connection, key)
    if reservation is None:
        raise UnknownKey(
            f"nothing is reserved for {key.name!r} of the run {key.workflow_id!r} on {key.day}: reserve first"
        )
    window = _window(connection, key.tenant, key.day)
    new_window = change(reservation, window)
    if new_window is None:
        return window
    closed = {
        "now_closed": now(connection).isoformat(),
        "now_spent": None if spent is None else spent.model_dump_json(),
    }
    connection.execute(_CLOSED, {**_key_parameters(key), **closed})
    _store(connection, key, new_window)
    return new_window


def _repeated(key: WindowKey, reservation: _StoredReservation, amount: Spend) -> Reserved:
    if reservation.amount != amount:
        raise KeyTaken(
            f"{key.name!r} of the run {key.workflow_id!r} holds another amount already ({reservation.amount!r} and now "
            f"{amount!r}): give each attempt a name of its own"
        )
    return Over(reservation.spent) if reservation.closed else Granted()


def _reservation(connection: Connection, key: WindowKey) -> _StoredReservation | None:
    row = connection.execute(_RESERVATION, _key_parameters(key)).one_or_none()
    if row is None:
        return None
    spent = None if row.spent is None else Spend.model_validate_json(row.spent)
    return _StoredReservation(Spend.model_validate_json(row.amount), row.closed_at is not None, spent)


def _window(connection: Connection, tenant: str, day: date) -> Window:
    parameters = {"of_tenant": tenant, "of_day": day.isoformat()}
    row = connection.execute(_WINDOW, parameters).one_or_none()
    if row is None:
        return Window()
    return Window(settled=Spend.model_validate_json(row.settled), reserved=Spend.model_validate_json(row.reserved))


def _store(connection: Connection, key: WindowKey, window: Window) -> None:
    sums = {"settled": window.settled.model_dump_json(), "reserved": window.reserved.model_dump_json()}
    row = {"tenant": key.tenant, "day": key.day.isoformat(), **sums}
    connection.execute(insert_or_replace(connection, _windows), row)


def _row_of(key: WindowKey) -> dict[str, Any]:
    return key.model_dump(mode="json")


def _key_parameters(key: WindowKey) -> dict[str, Any]:
    return {"of_tenant": key.tenant, "of_day": key.day.isoformat(), "of_run": key.run_id, "of_name": key.name}
