"""Finds the verified identity of the caller who started a run."""

import asyncio
from datetime import datetime

from activities.ports import BadCaller, CallerAwaited, Callers
from perdure.contracts.contract import Digest
from perdure.contracts.runs.caller import Identity

PATIENCE = 1.0
"""How long one attempt waits for the token, in seconds. The client sent it before it started the run."""

PAUSE = 0.02
"""The pause between two look-ups, in seconds."""


async def identity(
    callers: Callers,
    tenant: str,
    workflow_id: str,
    run_id: str,
    ticket: Digest | None,
    *,
    started_at: datetime | None = None,
    started_by: str = "",
) -> Identity:
    """Return the identity of a run's caller: `anonymous` without a ticket, else the identity of the ticket's token.

    `run_id` is the id of the run's first execution, `started_at` the time when that began, by the server's clock, and
    `started_by` the name in the request. Raises `CallerAwaited` if the effect should be tried again, `BadCaller` if
    the run has to fail, `StorageFull`, `StorageFailed`.
    """
    if ticket is None:
        return Identity.anonymous()
    ends = asyncio.get_running_loop().time() + PATIENCE
    while (caller := await callers.redeem(tenant, ticket, workflow_id, run_id, started_at)) is None:
        if asyncio.get_running_loop().time() > ends:
            raise CallerAwaited("the token of who starts this run is not verified yet: is a worker of its queue there?")
        await asyncio.sleep(PAUSE)
    if started_by and started_by != caller.subject:
        raise BadCaller(
            f"started_by names {started_by!r}, and the caller's token is of {caller.subject!r}: leave started_by out"
        )
    return caller
