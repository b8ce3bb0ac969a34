"""Shows the spend of a tenant's runs on one day, and the open reservations of each run."""

import asyncio
from datetime import UTC, date, datetime

from pydantic import TypeAdapter, ValidationError

from activities.adapters.databases.open import open_database
from activities.adapters.sql.budget_windows import SqlBudgetWindows
from activities.ports import PortError
from activities.settings import Settings
from deploy.processes.errors import BadArgument, DatabaseUnusable
from perdure.contracts.budget import LIMITS, Spend
from perdure.contracts.contract import Name
from perdure.contracts.windows import Reservation, Window, WindowLimit, day_of

HEADINGS = ("", "limit", "settled", "reserved", "left")

COUNTED = tuple(limit for limit in LIMITS if limit != "tool_calls")
"""The limits that are counted by the day: only those of model calls."""


def show(settings: Settings, tenant: str, day: str | None) -> str:
    """Return a tenant's window of a UTC day with its open reservations. Raises `BadArgument`, `DatabaseUnusable`."""
    try:
        TypeAdapter(Name).validate_python(tenant)
    except ValidationError:
        raise BadArgument(
            f"{tenant!r} is no tenant: its name has lower-case letters, digits and dashes, 1 to 63 of them"
        ) from None
    today = day_of(datetime.now(UTC))
    try:
        on = today if day is None else date.fromisoformat(day)
    except ValueError:
        raise BadArgument(f"{day!r} is no day: write one such as {today}") from None
    try:
        window, reservations = asyncio.run(_read_window(settings, tenant, on))
    except PortError as error:
        raise DatabaseUnusable(str(error)) from None
    return table(tenant, on, settings.limits.of(tenant), window, reservations)


async def _read_window(settings: Settings, tenant: str, day: date) -> tuple[Window, tuple[Reservation, ...]]:
    async with open_database(settings) as database:
        windows = SqlBudgetWindows(database)
        return await windows.look(tenant, day), await windows.open_reservations(tenant, day)


def table(
    tenant: str, day: date, limit: WindowLimit | None, window: Window, reservations: tuple[Reservation, ...]
) -> str:
    """Return the day as text. The limit is from the settings here; a worker may have another one."""
    lines = [f"the tenant {tenant!r} on {day} (UTC)"]
    if limit is None:
        lines.append("no limit is set here (PERDURE_LIMITS__DAILY, PERDURE_LIMITS__TENANTS), so nothing is counted")
    most = WindowLimit() if limit is None else limit
    left = most.less(window.settled + window.reserved)
    rows = [HEADINGS]
    rows += [
        (name, *(_cell(getattr(part, name)) for part in (most, window.settled, window.reserved, left)))
        for name in COUNTED
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines += [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    lines.append(f"open reservations: {len(reservations) or 'none'}")
    lines += [
        f"  {held.reserved_at:%H:%M:%S}  {held.key.workflow_id}  {held.key.name}  at most {_in_words(held.amount)}"
        for held in reservations
    ]
    return "\n".join(lines)


def _cell(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _in_words(spend: Spend) -> str:
    """Return the amounts by the names of the limits, as the table above has them."""
    return ", ".join(f"{name} {getattr(spend, name):,}" for name in COUNTED if getattr(spend, name)) or "nothing"
