"""Keeps the accounts of runs: the budget, the settled spend, and the reservations of open attempts.

An account is charged in the same transaction that records the paid call, so these are functions over a connection.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select

from activities.adapters.databases.database import Database
from activities.adapters.databases.tables import account_calls as _calls
from activities.adapters.databases.tables import accounts as _accounts
from activities.adapters.databases.upsert import insert_or_keep, insert_or_replace
from activities.adapters.sql.clock import now
from activities.ports import NotThisRun, WindowSpent
from perdure.contracts.budget import Allowance, Budget, Spend
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.windows import Account, WindowLimit, WindowShortage, day_of


class SqlAccounts:
    """An `Accounts`."""

    def __init__(self, database: Database) -> None:
        """Several stores may share one database."""
        self._database = database

    async def look(self, tenant: str, run_id: str) -> Account | None:
        """Return a run's account; None where it has none. Raises `StorageFailed`."""
        return await self._database.read(lambda connection: _account(connection, tenant, run_id))

    async def charge_call(self, key: StepKey, attempt: int, asking: str, price: Spend) -> None:
        """Charge a call that no ledger records; a repetition with the same `asking` changes nothing.

        Raises `WindowSpent`, `NotThisRun`, `StorageFull`, `StorageFailed`.
        """

        def charge_once(connection: Connection) -> None:
            row = {
                "tenant": key.tenant,
                "run_id": key.run_id,
                "step": key.step,
                "attempt": attempt,
                "asking": asking,
                "price": price.model_dump_json(),
            }
            if connection.execute(_CALL, {f"of_{name}": row[name] for name in _KEY}).one_or_none() is None:
                charge(connection, key, price)
                connection.execute(insert_or_keep(connection, _calls), row)

        await self._database.write(charge_once)


def open_account(connection: Connection, tenant: str, run_id: str, budget: Budget, settled: Spend) -> None:
    """Open a run's account with its settled spend so far; an account that exists already stays as it is."""
    row = _row(tenant, run_id, Account(budget=budget, settled=settled))
    connection.execute(insert_or_keep(connection, _accounts), row)


def reserve(connection: Connection, key: StepKey, worst: Spend) -> datetime:
    """Reserve the worst case of an attempt; return the time of it, by the database's clock.

    Raises `WindowSpent` where the budget does not cover it, and `NotThisRun` where the run has no account.
    """
    account, at = _require_account(connection, key), now(connection)
    limit = _exceeded_limit(account, worst, at)
    if limit is not None:
        raise WindowSpent(_shortage(key, account, limit, worst, at))
    _store(connection, key, account.model_copy(update={"reserved": account.reserved + worst}))
    return at


def settle(connection: Connection, key: StepKey, held: Spend, spent: Spend) -> None:
    """Replace the reservation of an attempt by its real cost, even where that is more."""
    account = _require_account(connection, key)
    settled = account.settled + spent
    _store(connection, key, account.model_copy(update={"reserved": account.reserved.less(held), "settled": settled}))


def charge(connection: Connection, key: StepKey, price: Spend) -> None:
    """Settle a price that is known before the call. Raises `WindowSpent`, `NotThisRun`."""
    reserve(connection, key, price)
    settle(connection, key, price, price)


_KEY = ("tenant", "run_id", "step", "attempt", "asking")
_CALL = select(_calls.c.asking).where(and_(*(_calls.c[name] == bindparam(f"of_{name}") for name in _KEY)))
_ACCOUNT = select(_accounts.c.budget, _accounts.c.settled, _accounts.c.reserved).where(
    _accounts.c.tenant == bindparam("of_tenant"), _accounts.c.run_id == bindparam("of_run")
)


def _account(connection: Connection, tenant: str, run_id: str) -> Account | None:
    row = connection.execute(_ACCOUNT, {"of_tenant": tenant, "of_run": run_id}).one_or_none()
    if row is None:
        return None
    return Account(
        budget=Budget.model_validate_json(row.budget),
        settled=Spend.model_validate_json(row.settled),
        reserved=Spend.model_validate_json(row.reserved),
    )


def _require_account(connection: Connection, key: StepKey) -> Account:
    account = _account(connection, key.tenant, key.run_id)
    if account is None:
        raise NotThisRun(f"the run {key.workflow_id!r} ({key.run_id}) has no account: its first effect opens it")
    return account


def _store(connection: Connection, key: StepKey, account: Account) -> None:
    connection.execute(insert_or_replace(connection, _accounts), _row(key.tenant, key.run_id, account))


def _row(tenant: str, run_id: str, account: Account) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "run_id": run_id,
        "budget": account.budget.model_dump_json(),
        "settled": account.settled.model_dump_json(),
        "reserved": account.reserved.model_dump_json(),
    }


def _exceeded_limit(account: Account, worst: Spend, at: datetime) -> str | None:
    allowance = Allowance(budget=account.budget, settled=account.settled, open={"open": account.reserved})
    return allowance.shortfall(worst, at)


def _shortage(key: StepKey, account: Account, limit: str, worst: Spend, at: datetime) -> WindowShortage:
    budget = account.budget
    limits = {name: getattr(budget, name) for name in WindowLimit.model_fields}
    return WindowShortage(
        tenant=key.tenant,
        day=day_of(at),
        limit=limit,
        most=limits.get(limit, 0),
        needed=worst,
        settled=account.settled,
        reserved=account.reserved,
        left=WindowLimit(**limits).less(account.settled + account.reserved),
        run=True,
    )
