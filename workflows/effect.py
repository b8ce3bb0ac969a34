"""Defines an effect: its request, its reply and how Temporal runs it; and `perform`, the only way to call one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, TimeoutType, is_cancelled_exception
from temporalio.exceptions import TimeoutError as ActivityTimedOut

from perdure.contracts.chains.steps import StepKey
from perdure.contracts.contract import Contract
from perdure.contracts.fault import AWAY, EffectFailed, Remedy
from perdure.contracts.temporal.queues import BY_ROLE, Queue
from perdure.contracts.windows import WindowShortage

Ask = TypeVar("Ask", bound=Contract)
Reply = TypeVar("Reply", bound=Contract)
Owner = TypeVar("Owner")


class RunsAs(StrEnum):
    """How Temporal runs an effect."""

    ACTIVITY = "activity"
    """A remote activity: for everything that is paid or slow, loads a model, or runs beside another effect."""
    LOCAL_ACTIVITY = "local_activity"
    """A local activity, in the workflow task: under 50 ms, idempotent, loads no model, runs beside no other effect."""


@dataclass(frozen=True, kw_only=True)
class Effect(Generic[Ask, Reply]):
    """One row of the table: the name, the types of request and reply, and the options that Temporal runs it with."""

    name: str
    ask: type[Ask]
    reply: type[Reply]
    world: str
    """The side effects, in a few words."""
    start_to_close_timeout: timedelta
    retry_policy: RetryPolicy
    runs_as: RunsAs = RunsAs.ACTIVITY
    task_queue: Queue | None = None
    """The task queue; None where each deployment has its own queue, which the caller of `perform` names."""
    schedule_to_start_timeout: timedelta | None = None
    heartbeat_timeout: timedelta | None = None
    paid: bool = False
    """Whether it costs money. Temporal runs a paid effect once, and the workflow retries it: `run.paid.Account.buy`."""
    for_clients: bool = False
    """Whether clients start it as a standalone activity, outside of any workflow. All other effects refuse that."""

    def activity(self, method: Callable[[Owner, Ask], Awaitable[Reply]]) -> Callable[[Owner, Ask], Awaitable[Reply]]:
        """Register a method as the activity of this effect. A method with another signature does not type-check."""
        return activity.defn(name=self.name)(method)


PATIENT = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=20), maximum_attempts=8
)
"""The retry policy of free effects: it waits 25 s in all, so that a restart of a service they need goes unnoticed."""

BRIEF = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=4)
"""The retry policy of local activities, which hold the workflow task open: it gives up after 1.5 s of waits."""

UNTIRING = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=20))
"""The retry policy of free effects during an outage: the server retries without end, which adds no history events."""

ONCE = RetryPolicy(maximum_attempts=1)
"""The retry policy of paid effects: the workflow itself reserves and records every attempt."""

PULSE = timedelta(seconds=5)
"""The heartbeat timeout, after which a worker counts as dead. A shorter one fails healthy calls on a busy machine."""

SOON = timedelta(seconds=10)
"""The least schedule-to-start timeout, even where a run has less time left: a worker needs time to take the task."""

SUMMARY = 240
"""The longest summary, in bytes: the UI's timeline shows no more on one line."""

AGENT = "agent"
"""The workflow type of agents."""


def short(summary: str) -> str:
    """Return the summary, cut to `SUMMARY` bytes: the server fails the workflow task over more than 400 bytes."""
    return summary if len(summary.encode()) <= SUMMARY else summary.encode()[:SUMMARY].decode(errors="ignore") + "…"


def numbered(name: str, attempt: int) -> str:
    """Return the summary of an attempt. It names the number only from the second on: most steps need one attempt."""
    return name if attempt == 1 else f"{name}, attempt {attempt}"


def key_of(tenant: str, step: str) -> StepKey:
    """Return the key of a step for the ledger, saved replies and token log: the same in all executions of a run."""
    info = workflow.info()
    return StepKey(tenant=tenant, workflow_id=info.workflow_id, run_id=info.first_execution_run_id, step=step)


async def perform(
    effect: Effect[Ask, Reply],
    ask: Ask,
    *,
    summary: str | None = None,
    task_queue: str | None = None,
    start_to_close_timeout: timedelta | None = None,
    as_local_activity: bool = False,
    time_left: timedelta | None = None,
    retry_forever: bool = False,
) -> Reply:
    """Call an effect and return its reply.

    `start_to_close_timeout` replaces the row's own. `as_local_activity` runs it within the workflow task although its
    row says otherwise: only for a quick call that changes nothing and costs nothing. `time_left` is the time that the
    run may still wait for a worker; it shortens the row's `schedule_to_start_timeout`. `retry_forever` has the server
    retry the activity and wait for a worker without end, or until `time_left` is over: only for what costs nothing.
    Raises `EffectFailed` where it failed for good. A cancellation is raised as it is.
    """
    to_start = effect.schedule_to_start_timeout
    if to_start is not None and time_left is not None:
        to_start = min(to_start, max(time_left, SOON))
    try:
        if not retry_forever and (as_local_activity or effect.runs_as is RunsAs.LOCAL_ACTIVITY):
            return await workflow.execute_local_activity(
                effect.name,
                ask,
                result_type=effect.reply,
                start_to_close_timeout=effect.start_to_close_timeout
                if start_to_close_timeout is None
                else start_to_close_timeout,
                retry_policy=effect.retry_policy,
                summary=summary,
            )
        return await workflow.execute_activity(
            effect.name,
            ask,
            result_type=effect.reply,
            task_queue=_queue_of(effect) if task_queue is None else task_queue,
            start_to_close_timeout=effect.start_to_close_timeout
            if start_to_close_timeout is None
            else start_to_close_timeout,
            schedule_to_start_timeout=None if retry_forever else to_start,
            schedule_to_close_timeout=time_left if retry_forever else None,
            heartbeat_timeout=effect.heartbeat_timeout,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            retry_policy=UNTIRING if retry_forever else effect.retry_policy,
            summary=summary,
        )
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
        raise failure_of(effect, error) from error


def _queue_of(effect: Effect[Any, Any]) -> Queue | None:
    """Return the row's own queue where roles have workers of their own, else the queue whose workers have all roles.

    Agents have such a queue of their own: an effect then starts on the worker of its workflow, without a round trip to
    the server.
    """
    if not all_roles():
        return effect.task_queue
    return Queue.AGENTS if workflow.info().workflow_type == AGENT else Queue.PLATFORM


def all_roles() -> bool:
    """Return whether the run's worker has all roles, so that an effect may run within the workflow task."""
    return not workflow.memo_value(BY_ROLE, default=False)


def failure_of(effect: Effect[Any, Any], error: FailureError) -> EffectFailed:
    """Return the fault for a failed effect: the reason in one line, and whether the attempt may have cost anything.

    The error of an activity wraps the error that it raised; the error of a local activity is that error itself.
    """
    cause = error.cause if isinstance(error, ActivityError) else error
    if isinstance(cause, ActivityTimedOut):
        return _timed_out(effect, cause.type)
    if isinstance(cause, ApplicationError):
        free, *rest = cause.details or (None,)
        remedy, seconds, window, away = (*rest, None, None, None, None)[:4]
        return EffectFailed(
            effect.name,
            cause.message,
            free_of_charge=free == FREE_OF_CHARGE,
            remedy=Remedy(remedy) if remedy else Remedy.GIVE_UP if cause.non_retryable else Remedy.RETRY,
            retry_after=None if seconds is None else timedelta(seconds=seconds),
            window=None if window is None else WindowShortage.model_validate(window),
            away=away == AWAY or remedy == Remedy.WAIT,
        )
    return EffectFailed(effect.name, str(cause or error), remedy=Remedy.RETRY)


def _timed_out(effect: Effect[Any, Any], kind: TimeoutType | None) -> EffectFailed:
    """Return the fault for a timeout. Where no worker took the task, nothing was sent. A free effect can be retried."""
    if kind is TimeoutType.SCHEDULE_TO_START:
        # A deployment has a queue of its own: another deployment of the tier may have a worker.
        remedy = Remedy.FALL_BACK if effect.task_queue is None else Remedy.WAIT
        reason = "no worker takes it from its queue: is one running?"
        return EffectFailed(effect.name, reason, free_of_charge=True, remedy=remedy, away=True)
    name = "" if kind is None else f" ({kind.name.lower()})"
    remedy = Remedy.RETRY if effect.paid else Remedy.WAIT
    return EffectFailed(effect.name, f"no reply in its time{name}", remedy=remedy, away=not effect.paid)


FREE_OF_CHARGE = "free_of_charge"
"""The first detail of an activity's error where the attempt is known to have cost nothing.

The details after it, each of which may be missing: the remedy; the seconds that the service asked to wait; the
`WindowShortage` where the tenant's day did not cover the attempt; and `AWAY` during an outage."""

COST_UNKNOWN = "cost_unknown"
"""The first detail of an activity's error where the attempt may have cost something."""
