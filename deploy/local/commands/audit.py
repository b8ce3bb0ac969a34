"""Reads who started a run and who decided what in it, from the database of the settings."""

import asyncio

from activities.adapters.databases.open import open_database
from activities.adapters.sql.audit_trail import SqlAuditTrail, TrailEntry
from activities.ports import PortError
from activities.settings import Settings
from deploy.processes.errors import DatabaseUnusable


def read(settings: Settings, tenant: str, business_id: str) -> tuple[TrailEntry, ...]:
    """Return the trail of a run, the earliest entry first; empty for an unknown run. Raises `DatabaseUnusable`."""

    async def read_trail() -> tuple[TrailEntry, ...]:
        async with open_database(settings) as database:
            return await SqlAuditTrail(database).read(tenant, business_id)

    try:
        return asyncio.run(read_trail())
    except PortError as error:
        raise DatabaseUnusable(str(error)) from None
