"""The person in a test: waits until a run asks somebody, and decides."""

import asyncio
import uuid
from datetime import timedelta

from perdure.client import Platform
from perdure.contracts.tool_calls.decisions import PendingStep, Rejected, Ruling, StepDecision

__all__ = ["decide"]

EVERY_SECONDS = 0.1
"""The seconds between two looks at what waits."""


async def decide(
    platform: Platform,
    business_id: str,
    ruling: Ruling = Ruling.APPROVE,
    *,
    by: str = "ada",
    reason: str = "",
    answer: str | None = None,
    tenant: str = "default",
    within: timedelta = timedelta(minutes=2),
) -> PendingStep:
    """Wait until a step of a run waits for a person, decide it, and return the step as the person saw it.

    Raises `TimeoutError` where nothing waits in time, and `AssertionError` where the decision does not count.
    """
    step = await asyncio.wait_for(_waiting_step(platform, business_id, tenant), within.total_seconds())
    decision = StepDecision(
        decision_id=str(uuid.uuid4()),
        step=step.step,
        digest=step.digest,
        ruling=ruling,
        by=by,
        reason=reason,
        answer=answer,
    )
    reply = await platform.decide(business_id, decision, tenant=tenant)
    if isinstance(reply.came, Rejected):
        raise AssertionError(  # noqa: TRY004 - a failed test, not a wrong type
            f"the decision about {step.step} of {business_id!r} does not count: {reply.came.reason}"
        )
    return step


async def _waiting_step(platform: Platform, business_id: str, tenant: str) -> PendingStep:
    while not (steps := await platform.pending(business_id, tenant=tenant)):  # noqa: ASYNC110 - it is elsewhere
        await asyncio.sleep(EVERY_SECONDS)
    return steps[0]
