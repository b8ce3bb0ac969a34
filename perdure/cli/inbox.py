"""Everything that waits for a person, over all runs of a tenant."""

import asyncio

from perdure.client import Platform
from perdure.contracts.contract import Contract
from perdure.contracts.decisions import PendingStep
from perdure.contracts.listing import RunFilter, RunSummary
from perdure.errors import PlatformError

AT_ONCE = 8
"""How many runs are asked at the same time."""

ANSWERED_WITHIN = 10.0
"""Seconds that one run may take to say what waits in it."""


class Waits(Contract):
    """One run in which something waits."""

    run: RunSummary
    steps: tuple[PendingStep, ...] = ()
    silent: str = ""
    """Why the run could not say what waits; empty where it did."""


async def waiting(platform: Platform, tenant: str | None, limit: int) -> tuple[Waits, ...]:
    """What waits in the runs of a tenant, or with None of all, the newest run first."""
    which = RunFilter.strictly({"tenant": tenant, "state": "running", "awaiting": True, "limit": limit})
    few = asyncio.Semaphore(AT_ONCE)

    async def asked(run: RunSummary) -> Waits:
        async with few:
            try:
                pending = platform.pending(run.business_id, tenant=run.tenant)
                return Waits(run=run, steps=await asyncio.wait_for(pending, ANSWERED_WITHIN))
            except TimeoutError:
                return Waits(run=run, silent="no worker answers for it")
            except PlatformError as error:
                return Waits(run=run, silent=str(error))

    found = await asyncio.gather(*(asked(run) for run in await platform.list_runs(which)))
    # A run may have been decided since it was listed.
    return tuple(waits for waits in found if waits.steps or waits.silent)
