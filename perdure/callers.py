"""How a client says who starts a run: the token goes to the platform by itself, and the run hears of a ticket alone."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

from temporalio.client import ActivityFailureError, Client
from temporalio.common import ActivityIDConflictPolicy, RetryPolicy
from temporalio.exceptions import ActivityAlreadyStartedError
from temporalio.service import RPCError

from perdure.contracts.contract import BadInput
from perdure.contracts.runs.caller import PresentCaller, PresentedCaller, checked_token
from perdure.contracts.temporal.queues import Queue
from perdure.errors import CallerRefused, PlatformError
from perdure.launch import Request
from perdure.runs import patiently

CallerToken: TypeAlias = str | Callable[[], str]
"""A caller's token, or what has a fresh one whenever a run is started."""

VERIFIED_WITHIN = timedelta(seconds=3)
"""How long a start waits to hear that its token is refused. Where no worker is there, the run itself hears it later."""

BRISK = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5))
"""Soon after an outage: the run asks for a minute from when it can."""


async def announced(client: Client, queue: Queue, request: Request, workflow_id: str, token: str) -> Request:
    """The request with the ticket of who starts it, once the server has their token.

    Everything in a run's start stands in its history, so the token goes there as an activity of its own, which the
    server keeps until a worker of the run's own queue verifies it. Raises `CallerRefused` where a worker refuses it at
    once, `BadInput` where the request says that somebody else has started it.
    """
    ask = PresentCaller(tenant=request.tenant, workflow_id=workflow_id, token=token)
    try:
        verdict = await _presented(client, queue, ask)
    except RPCError as error:
        why = f"{error.status.name.lower()}: {error.message}"
        raise PlatformError(f"the Temporal server refused to take the caller's token ({why})") from None
    except ActivityFailureError as error:
        raise PlatformError(f"the caller's token could not be verified: {error.cause}") from None
    if verdict.refused:
        raise CallerRefused(f"the caller's token was refused: {verdict.refused}")
    started_by: str = getattr(request, "started_by", "")
    if verdict.subject and started_by not in ("", verdict.subject):
        raise BadInput(
            f"started_by: names {started_by!r}, and the caller's token is of {verdict.subject!r}: leave it out"
        )
    return request.model_copy(update={"caller": ask.ticket})


async def _presented(client: Client, queue: Queue, ask: PresentCaller) -> PresentedCaller:
    """What the token came to; nothing where nobody has said so yet."""
    try:
        handle = await patiently(
            lambda: client.start_activity(
                "present_caller",
                ask,
                id=f"caller:{ask.workflow_id}:{ask.ticket[:16]}",
                task_queue=queue,
                result_type=PresentedCaller,
                start_to_close_timeout=timedelta(seconds=10),
                schedule_to_close_timeout=timedelta(days=1),
                retry_policy=BRISK,
                id_conflict_policy=ActivityIDConflictPolicy.USE_EXISTING,
                summary=f"Verify who starts {ask.workflow_id}",
            )
        )
        async with asyncio.timeout(VERIFIED_WITHIN.total_seconds()):
            return await handle.result()
    except (TimeoutError, ActivityAlreadyStartedError):
        return PresentedCaller()


def token_of(given: str | None, default: CallerToken | None) -> str | None:
    """The token of one start: its own, or the connection's. Raises `BadInput`."""
    found = given if given is not None else default() if callable(default) else default
    return None if found is None else checked_token(found)
