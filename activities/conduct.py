"""How every activity behaves: its heart beats while it works, and what it raises becomes Temporal's."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.ports import PortError
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
                FREE_OF_CHARGE if error.free_of_charge else COST_UNKNOWN,
                error.remedy.value,
                *_further(error),
                type=type(error).__name__,
                non_retryable=error.final,
            ) from None
        except FailureError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever nobody foresaw
            # Temporal would log its text, and keep it in the history: it may hold anything, pydantic's its input.
            kind = type(error).__name__
            raise ApplicationError(f"{kind} at {_where(error)}: this should not have happened", type=kind) from None
        finally:
            heart.cancel()


def _further(error: PortError) -> list[Any]:
    """The details that few errors have, each in its place."""
    seconds = None if error.retry_after is None else error.retry_after.total_seconds()
    if error.evidence is not None:
        return [seconds, error.evidence]
    return [] if seconds is None else [seconds]


def _where(error: BaseException) -> str:
    """The file and line that raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "an unknown place"


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
