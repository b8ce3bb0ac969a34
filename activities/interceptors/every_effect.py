"""How every activity behaves: its heart beats while it works, and what it raises becomes Temporal's."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.ports import NotThisRun, PortError, raised_at
from perdure.contracts.fault import AWAY, Remedy
from workflows.effects import COST_UNKNOWN, EFFECTS, FREE_OF_CHARGE

BEATS = 4
"""Heartbeats within each heartbeat timeout, so that three may get lost."""

CANCEL_SEEN_AFTER = timedelta(milliseconds=250)
"""How often a paid effect's heart beats: a cancellation is seen with the next beat, and until then money is spent."""

_FOR_CLIENTS = frozenset(effect.name for effect in EFFECTS if effect.for_clients)

_PAID = frozenset(effect.name for effect in EFFECTS if effect.paid)


class EffectInterceptor(Interceptor):
    """Worker interceptor for all activities."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Inbound(next)


class _Inbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        heart = asyncio.create_task(_beat())
        try:
            _require_own(input.args)
            return await super().execute_activity(input)
        except PortError as error:
            raise ApplicationError(
                str(error),
                *_details(error),
                type=type(error).__name__,
                non_retryable=error.final,
            ) from None
        except FailureError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever nobody foresaw
            # Temporal would log its text, and keep it in the history: it may hold anything, pydantic's its input.
            kind = type(error).__name__
            place = raised_at(error) or "an unknown place"
            raise ApplicationError(f"{kind} at {place}: this should not have happened", type=kind) from None
        finally:
            heart.cancel()


def _require_own(args: Sequence[Any]) -> None:
    """Raise `NotThisRun` where an effect is asked for by no workflow, or for another tenant than its workflow's.

    Any client of the namespace may start an activity on our queues. The effects that are made for clients say so.
    """
    info = activity.info()
    if info.workflow_id is None:
        if info.activity_type in _FOR_CLIENTS:
            return
        raise NotThisRun(f"{info.activity_type} is done for a run's workflow alone: start a run that asks for it")
    ask = args[0] if args else None
    key = getattr(ask, "key", None)
    tenant = getattr(ask, "tenant", None) if key is None else getattr(key, "tenant", None)
    if tenant is not None and not info.workflow_id.startswith(f"{tenant}:"):
        raise NotThisRun(f"{info.activity_type}: the workflow {info.workflow_id!r} is none of the tenant {tenant!r}")


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
