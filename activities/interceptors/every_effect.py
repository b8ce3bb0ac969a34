"""Sends every activity's heartbeats, and turns its errors into Temporal's."""

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
"""The heartbeats within each heartbeat timeout, so that three may get lost."""

CANCEL_SEEN_AFTER = timedelta(milliseconds=250)
"""The pause between heartbeats of a paid effect. A cancellation arrives with a heartbeat; until then money is spent."""

_FOR_CLIENTS = frozenset(effect.name for effect in EFFECTS if effect.for_clients)

_PAID = frozenset(effect.name for effect in EFFECTS if effect.paid)


class EffectInterceptor(Interceptor):
    """Worker interceptor for all activities."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Inbound(next)


class _Inbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        heartbeats = asyncio.create_task(_heartbeat())
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
        except Exception as error:  # noqa: BLE001 - any unexpected error
            # Temporal would log the error's text and keep it in the history. It may hold anything, even the input.
            kind = type(error).__name__
            place = raised_at(error) or "an unknown place"
            raise ApplicationError(f"{kind} at {place}: this should not have happened", type=kind) from None
        finally:
            heartbeats.cancel()


def _require_own(args: Sequence[Any]) -> None:
    """Raise `NotThisRun` if no workflow called the effect, or if the request names another tenant than the workflow's.

    Any client of the namespace may start an activity on our queues. Only effects that are marked for clients allow it.
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
    """Return the error's details for the workflow, each in its place, without empty ones at the end."""
    paid = activity.info().activity_type in _PAID
    # A free effect is safe to repeat. A paid one only if its error says that nothing was sent.
    away = error.outage and (error.free_of_charge or not paid)
    free = FREE_OF_CHARGE if error.free_of_charge else COST_UNKNOWN
    remedy = Remedy.WAIT if away and not paid else error.remedy
    seconds = None if error.retry_after is None else error.retry_after.total_seconds()
    optional = [seconds, error.evidence, AWAY if away else None]
    while optional and optional[-1] is None:
        optional.pop()
    return [free, remedy.value, *optional]


async def _heartbeat() -> None:
    """Send heartbeats: through them a cancellation reaches the activity, and the server notices a dead worker."""
    info = activity.info()
    if info.heartbeat_timeout is None:
        return
    pause = info.heartbeat_timeout / BEATS
    if info.activity_type in _PAID:
        pause = min(pause, CANCEL_SEEN_AFTER)
    while True:
        await asyncio.sleep(pause.total_seconds())
        activity.heartbeat()
