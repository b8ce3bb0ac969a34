"""Migrates the database of the settings to the newest revision, as every worker does when it starts."""

import asyncio

from activities.adapters.databases.open import open_database
from activities.ports import PortError
from activities.settings import Settings
from deploy.processes.errors import DatabaseUnusable


def migrate(settings: Settings) -> str:
    """Migrate the database; return a line with the old and new revision. Raises `DatabaseUnusable`."""
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
