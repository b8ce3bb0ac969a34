"""Who starts a run, as the effect that registers it may believe."""

import asyncio
from datetime import datetime

from activities.ports import BadCaller, CallerAwaited, Callers
from perdure.contracts.contract import Digest
from perdure.contracts.runs.caller import Identity

PATIENCE = 1.0
"""Seconds that an attempt of the effect waits itself: the token was sent before the run was started."""

PAUSE = 0.02
"""Seconds between two looks."""


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
    """Who starts this run: `anonymous` without a ticket, else who has shown the token that it was made of.

    `run_id` is the run's first execution's, and `started_at` when that began, by the server's clock; `started_by` is
    who it says it was started by. Raises `CallerAwaited` where the effect should be tried again, `BadCaller` where the
    run has to fail, `StorageFull`, `StorageFailed`.
    """
    if ticket is None:
        return Identity.anonymous()
    ends = asyncio.get_running_loop().time() + PATIENCE
    while (found := await callers.redeem(tenant, ticket, workflow_id, run_id, started_at)) is None:
        if asyncio.get_running_loop().time() > ends:
            raise CallerAwaited("the token of who starts this run is not verified yet: is a worker of its queue there?")
        await asyncio.sleep(PAUSE)
    if started_by and started_by != found.subject:
        raise BadCaller(
            f"started_by names {started_by!r}, and the caller's token is of {found.subject!r}: leave started_by out"
        )
    return found
