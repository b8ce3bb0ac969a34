"""How every activity behaves: its heart beats while it works, and the ports' errors become Temporal's."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.ports import PortError
from perdure.contracts.remedy import AWAY, Remedy
from workflows.effects import COST_UNKNOWN, EFFECTS, FREE_OF_CHARGE

BEATS = 4
"""Heartbeats within each heartbeat timeout, so that three may get lost."""

CANCEL_SEEN_AFTER = timedelta(milliseconds=250)
"""How often a paid effect's heart beats: a cancellation is seen with the next beat, and until then money is spent."""

_PAID = frozenset(effect.name for effect in EFFECTS if effect.paid)


class Conduct(Interceptor):
    """Worker interceptor for all activities."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Inbound(next)


class _Inbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        heart = asyncio.create_task(_beat())
        try:
            return await super().execute_activity(input)
        except PortError as error:
            raise ApplicationError(
                str(error),
                *_details(error),
                type=type(error).__name__,
                non_retryable=error.final,
            ) from None
        finally:
            heart.cancel()


def _details(error: PortError) -> list[Any]:
    """What a workflow is told of an error, each in its place; at the end nothing is told where there is nothing."""
    paid = activity.info().activity_type in _PAID
    # An effect that costs nothing is safe to repeat. One that does must know that nothing was sent: its error says so.
    away = error.outage and (error.free_of_charge or not paid)
    free = FREE_OF_CHARGE if error.free_of_charge else COST_UNKNOWN
    remedy = Remedy.WAIT if away and not paid else error.remedy
    seconds = None if error.retry_after is None else error.retry_after.total_seconds()
    further = [seconds, error.evidence, AWAY if away else None]
    while further and further[-1] is None:
        further.pop()
    return [free, remedy.value, *further]


async def _beat() -> None:
    """Cancellation reaches an activity only through its heartbeat, and so does the news of a dead worker."""
    info = activity.info()
    if info.heartbeat_timeout is None:
        return
    pause = info.heartbeat_timeout / BEATS
    if info.activity_type in _PAID:
        pause = min(pause, CANCEL_SEEN_AFTER)
    while True:
        await asyncio.sleep(pause.total_seconds())
        activity.heartbeat()
