"""What an effect is: both sides of its boundary and how Temporal runs it; and `perform`, the one way to ask for one."""

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
    """Remote: everything paid, slow, racing or model-loading."""
    LOCAL_ACTIVITY = "local_activity"
    """Within the workflow task: under 50 ms, idempotent, loads no model, and nothing races it."""


@dataclass(frozen=True, kw_only=True)
class Effect(Generic[Ask, Reply]):
    """One row of the table: a name, both sides of the boundary, and Temporal's own fields."""

    name: str
    ask: type[Ask]
    reply: type[Reply]
    world: str
    """What it does to the world, in a few words."""
    start_to_close_timeout: timedelta
    retry_policy: RetryPolicy
    runs_as: RunsAs = RunsAs.ACTIVITY
    task_queue: Queue | None = None
    """None: the queue belongs to a deployment, and the caller names it."""
    schedule_to_start_timeout: timedelta | None = None
    heartbeat_timeout: timedelta | None = None
    paid: bool = False
    """A paid effect runs once for each attempt, and the workflow retries it: `workflows.run.paid.buy`."""
    for_clients: bool = False
    """Whether clients ask for it, as an activity of its own that belongs to no workflow. No other effect is done so."""

    def activity(self, method: Callable[[Owner, Ask], Awaitable[Reply]]) -> Callable[[Owner, Ask], Awaitable[Reply]]:
        """Make a method the implementation of this effect. One with another signature does not type-check."""
        return activity.defn(name=self.name)(method)


PATIENT = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=20), maximum_attempts=8
)
"""For free effects: 25 seconds of waits between the tries, so that a restart of what they need goes unnoticed."""

BRIEF = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=4)
"""For free effects within the workflow's task, which they hold open: after a second and a half they go elsewhere."""

UNTIRING = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=20))
"""For free effects that need what is away: the server itself asks again and again, and no history grows by that."""

ONCE = RetryPolicy(maximum_attempts=1)
"""For paid effects: every attempt is reserved and recorded by the workflow."""

PULSE = timedelta(seconds=5)
"""Heartbeat timeout: how soon the death of a worker is seen. Below this a loaded machine kills healthy calls."""


SOON = timedelta(seconds=10)
"""How long a worker has at least to take an effect, however little time a run has left."""

SUMMARY = 240
"""Bytes of a summary: more than this the UI's timeline does not show on one line."""

AGENT = "agent"
"""The workflow type of an agent."""


def short(summary: str) -> str:
    """A summary that the server takes: it refuses one of more than 400 bytes, and with it the whole task."""
    return summary if len(summary.encode()) <= SUMMARY else summary.encode()[:SUMMARY].decode(errors="ignore") + "…"


def numbered(what: str, attempt: int) -> str:
    """A summary of an attempt: only from the second on it says which one, since most steps need no other."""
    return what if attempt == 1 else f"{what}, attempt {attempt}"


def key_of(tenant: str, step: str) -> StepKey:
    """By what a step of this run is known to ledger, saved replies and token log, in whichever execution it is made."""
    info = workflow.info()
    return StepKey(tenant=tenant, workflow_id=info.workflow_id, run_id=info.first_execution_run_id, step=step)


async def perform(
    effect: Effect[Ask, Reply],
    ask: Ask,
    *,
    summary: str | None = None,
    task_queue: str | None = None,
    within: timedelta | None = None,
    locally: bool = False,
    taken_within: timedelta | None = None,
    untiring: bool = False,
    at_most: timedelta | None = None,
) -> Reply:
    """Ask for an effect and wait for its reply.

    `within` is a time for this one, in the place of the table's. With `locally` it runs within the workflow task,
    whatever the table says: its caller knows that it is quick, changes nothing and costs nothing. `taken_within`
    shortens the table's time until a worker takes it. With `untiring` it is an activity that the server itself tries
    again without an end, and that waits for a worker so: only for what costs nothing; `at_most` bounds that.
    Raises `EffectFailed` where it failed for good, and lets cancellation through.
    """
    to_start = effect.schedule_to_start_timeout
    if to_start is not None and taken_within is not None:
        to_start = min(to_start, max(taken_within, SOON))
    try:
        if not untiring and (locally or effect.runs_as is RunsAs.LOCAL_ACTIVITY):
            return await workflow.execute_local_activity(
                effect.name,
                ask,
                result_type=effect.reply,
                start_to_close_timeout=within or effect.start_to_close_timeout,
                retry_policy=effect.retry_policy,
                summary=summary,
            )
        return await workflow.execute_activity(
            effect.name,
            ask,
            result_type=effect.reply,
            task_queue=task_queue or _queue_of(effect),
            start_to_close_timeout=within or effect.start_to_close_timeout,
            schedule_to_start_timeout=None if untiring else to_start,
            schedule_to_close_timeout=at_most,
            heartbeat_timeout=effect.heartbeat_timeout,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            retry_policy=UNTIRING if untiring else effect.retry_policy,
            summary=summary,
        )
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
        raise failure_of(effect, error) from error


def _queue_of(effect: Effect[Any, Any]) -> Queue | None:
    """The queue that serves every role, unless the run was started to be served by role.

    An agent has a queue of its own: its effects then begin where its workflow runs, without asking the server.
    """
    if not all_roles():
        return effect.task_queue
    return Queue.AGENTS if workflow.info().workflow_type == AGENT else Queue.PLATFORM


def all_roles() -> bool:
    """Whether the run's own worker does every effect, so that one may be done within the workflow's task."""
    return not workflow.memo_value(BY_ROLE, default=False)


def failure_of(effect: Effect[Any, Any], error: FailureError) -> EffectFailed:
    """What failed, in one line, and whether it can have cost anything.

    An activity's error wraps what it raised; a local activity's is what it raised.
    """
    cause = error.cause if isinstance(error, ActivityError) else error
    if isinstance(cause, ActivityTimedOut):
        return _out_of_time(effect, cause.type)
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


def _out_of_time(effect: Effect[Any, Any], which: TimeoutType | None) -> EffectFailed:
    """No reply in time. Where nobody took it nothing was sent; and what costs nothing can be asked for again."""
    if which is TimeoutType.SCHEDULE_TO_START:
        # A queue of a deployment's own: another one of the tier may have a worker.
        remedy = Remedy.FALL_BACK if effect.task_queue is None else Remedy.WAIT
        reason = "no worker takes it from its queue: is one running?"
        return EffectFailed(effect.name, reason, free_of_charge=True, remedy=remedy, away=True)
    name = "" if which is None else f" ({which.name.lower()})"
    remedy = Remedy.RETRY if effect.paid else Remedy.WAIT
    return EffectFailed(effect.name, f"no reply in its time{name}", remedy=remedy, away=not effect.paid)


FREE_OF_CHARGE = "free_of_charge"
"""The first detail of an activity's error where the attempt is known to have cost nothing. The second is the remedy,
the third for how many seconds the world asked to be left alone, if it did, the fourth how the tenant's day stood where
that is why the attempt was not made: a `WindowShortage`. The fifth is `AWAY`, or nothing."""

COST_UNKNOWN = "cost_unknown"
"""The first detail where it may have cost something."""
