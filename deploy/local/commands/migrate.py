"""Brings the database that the settings name up to date: what every worker does by itself when it starts."""

import asyncio

from activities.adapters.databases.open import open_database
from activities.ports import PortError
from activities.settings import Settings
from deploy.processes.errors import DatabaseUnusable


def migrate(settings: Settings) -> str:
    """Bring it up to date, and say from which revision to which. Raises `DatabaseUnusable`."""
    try:
        before, after = asyncio.run(_bring_up(settings))
    except PortError as error:
        raise DatabaseUnusable(str(error)) from None
    if before == after:
        return f"migrate: the database was up to date, at revision {after}"
    return f"migrate: the database was brought from {before or 'nothing'} to revision {after}"


async def _bring_up(settings: Settings) -> tuple[str | None, str]:
    async with open_database(settings) as database:
        return await database.bring_up()
