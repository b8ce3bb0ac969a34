"""Reads the spend of a tenant's runs on one day, and the open reservations of each run."""

import asyncio
from dataclasses import dataclass
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

COUNTED = tuple(limit for limit in LIMITS if limit != "tool_calls")
"""The limits that are counted by the day: only those of model calls."""


@dataclass(frozen=True)
class DaySpend:
    """A tenant's spend on one day of UTC."""

    day: date
    limited: bool
    """Whether the settings here set a limit. A worker may have another one."""
    parts: tuple[WindowLimit, Spend, Spend, WindowLimit]
    """The limit, what is settled, what is reserved, and what is left."""
    reservations: tuple[Reservation, ...]
    """The open reservations."""


def read(settings: Settings, tenant: str, day: str | None) -> DaySpend:
    """Return a tenant's spend on a day; None for today. Raises `BadArgument` and `DatabaseUnusable`."""
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
    limit = settings.limits.of(tenant)
    most = WindowLimit() if limit is None else limit
    left = most.less(window.settled + window.reserved)
    return DaySpend(on, limit is not None, (most, window.settled, window.reserved, left), reservations)


async def _read_window(settings: Settings, tenant: str, day: date) -> tuple[Window, tuple[Reservation, ...]]:
    async with open_database(settings) as database:
        windows = SqlBudgetWindows(database)
        return await windows.look(tenant, day), await windows.open_reservations(tenant, day)


def in_words(spend: Spend) -> str:
    """Return the amounts by the names of the limits, as the table above has them."""
    return ", ".join(f"{name} {getattr(spend, name):,}" for name in COUNTED if getattr(spend, name)) or "nothing"
