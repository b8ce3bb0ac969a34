"""How every activity behaves: its heart beats while it works, and the ports' errors become Temporal's."""

import asyncio
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.ports import PortError
from workflows.effects import FREE_OF_CHARGE

BEATS = 4
"""Heartbeats within each heartbeat timeout, so that three may get lost."""


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
                *([FREE_OF_CHARGE] if error.free_of_charge else []),
                type=type(error).__name__,
                non_retryable=error.final,
            ) from None
        finally:
            heart.cancel()


async def _beat() -> None:
    """Cancellation reaches an activity only through its heartbeat, and so does the news of a dead worker."""
    timeout = activity.info().heartbeat_timeout
    while timeout:
        await asyncio.sleep(timeout.total_seconds() / BEATS)
        activity.heartbeat()
