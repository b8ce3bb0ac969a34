"""Caller tokens of a client: the token travels in an activity of its own, and the run gets only a ticket."""

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
from perdure.runs import retry_lost_namespace

CallerToken: TypeAlias = str | Callable[[], str]
"""A caller's token, or a function that returns a fresh one for each start."""

VERIFIED_WITHIN = timedelta(seconds=3)
"""How long a start waits for the verdict on its token. Without a worker in that time, the run itself gets the verdict
later."""

BRISK = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5))
"""A retry policy with short waits: a run asks for the verdict for only one minute from when it can."""


async def with_ticket(client: Client, queue: Queue, request: Request, workflow_id: str, token: str) -> Request:
    """Return the request with the ticket of its caller, once the server has the caller's token.

    Everything that starts a run is in its history. So the token travels in an activity of its own, which the server
    keeps until a worker of the run's queue verifies it. Raises `CallerRefused` where a worker refuses it at once, and
    `BadInput` where the request names another person as the starter.
    """
    ask = PresentCaller(tenant=request.tenant, workflow_id=workflow_id, token=token)
    try:
        verdict = await _verdict_on_token(client, queue, ask)
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


async def _verdict_on_token(client: Client, queue: Queue, ask: PresentCaller) -> PresentedCaller:
    """Return the verdict on the token; an empty one where no worker has verified it yet."""
    try:
        handle = await retry_lost_namespace(
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


def token_for_start(own: str | None, default: CallerToken | None) -> str | None:
    """Return the token of one start: its own, or the connection's; None for neither. Raises `BadInput`."""
    token = own if own is not None else default() if callable(default) else default
    return None if token is None else checked_token(token)
