"""Migrates the database of the settings to the newest revision, as every worker does when it starts."""

import asyncio

from activities.adapters.databases.open import open_database
from activities.ports import PortError
from activities.settings import Settings
from deploy.processes.errors import DatabaseUnusable


def migrate(settings: Settings) -> tuple[str | None, str]:
    """Migrate the database; return the old revision, None for a new database, and the new one.

    Raises `DatabaseUnusable`.
    """
    try:
        return asyncio.run(_bring_up(settings))
    except PortError as error:
        raise DatabaseUnusable(str(error)) from None


async def _bring_up(settings: Settings) -> tuple[str | None, str]:
    async with open_database(settings) as database:
        return await database.bring_up()
