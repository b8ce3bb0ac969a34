"""The replay gate: a history must replay, and every effect's input, timeouts and the run's result must be as recorded.

Temporal's replayer compares the order and the kinds of a run's steps and nothing else: a changed prompt, timeout or
result passes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn

from google.protobuf.duration_pb2 import Duration
from temporalio import workflow
from temporalio.api.common.v1 import Payload, RetryPolicy
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.exceptions import ApplicationError, is_cancelled_exception
from temporalio.worker import (
    ContinueAsNewInput,
    ExecuteWorkflowInput,
    Interceptor,
    Replayer,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from perdure.contracts.fault import Fault
from perdure.contracts.runs.continued import AgentInput
from tests.replay.payloads import TYPES, difference
from workflows.plugin import WORKFLOWS, PerdurePlugin


@dataclass(frozen=True)
class Change:
    """One thing that today's code does otherwise than the recorded run did."""

    event: int
    """The event's number in the history."""
    what: str
    """Which activity, or the run itself, and which part of it."""
    recorded: object
    now: object

    def __str__(self) -> str:
        return f"event {self.event}, {self.what}: recorded {self.recorded!r}, now {self.now!r}"


@dataclass
class Replayed:
    """What the code did while it was replayed."""

    scheduled: list[tuple[StartActivityInput, workflow.ActivityHandle[Any]]] = field(
        default_factory=list[tuple[StartActivityInput, workflow.ActivityHandle[Any]]]
    )
    result: object = None
    handed_over: list[Any] = field(default_factory=list[Any])
    """What the next execution of the run goes on from."""
    error: BaseException | None = None


async def changes(history: WorkflowHistory) -> list[Change]:
    """Replay a history; returns what differs. Raises Temporal's own error where the steps themselves differ."""
    watch = Watch()
    replayer = Replayer(workflows=WORKFLOWS, plugins=[PerdurePlugin()], interceptors=[watch])
    await replayer.replay_workflow(history)
    replayed = watch.seen
    scheduled = [event for event in history.events if event.HasField("activity_task_scheduled_event_attributes")]
    # What is asked for and called off within one task never reaches the server.
    every = len(scheduled) == len(replayed.scheduled)
    asked = [now for now, handle in replayed.scheduled if every or not _called_off(handle)]
    found = [change for event, now in zip(scheduled, asked, strict=True) for change in _activity(event, now)]
    return found + _ending(history.events[-1], replayed)


def _called_off(handle: workflow.ActivityHandle[Any]) -> bool:
    if handle.cancelled():
        return True
    error = handle.exception() if handle.done() else None
    return error is not None and is_cancelled_exception(error)


class Watch(Interceptor):
    """Keeps what one replayed workflow asks for and returns."""

    def __init__(self) -> None:
        self.seen = Replayed()

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        seen = self.seen

        class Outbound(WorkflowOutboundInterceptor):
            def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
                handle = super().start_activity(input)
                seen.scheduled.append((input, handle))
                return handle

            def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
                seen.handed_over = list(input.args)
                super().continue_as_new(input)

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
                try:
                    seen.result = await super().execute_workflow(input)
                except (Fault, ApplicationError) as error:
                    seen.error = error
                    raise
                return seen.result

        return Inbound


def _activity(event: HistoryEvent, now: StartActivityInput) -> list[Change]:
    was = event.activity_task_scheduled_event_attributes
    name = was.activity_type.name
    found = [
        Change(event.event_id, f"activity {name!r}, {what}", recorded, today)
        for what, recorded, today in (
            ("name", name, now.activity),
            ("task_queue", was.task_queue.name, now.task_queue or was.task_queue.name),
            ("schedule_to_close_timeout", _span(was.schedule_to_close_timeout), now.schedule_to_close_timeout),
            ("schedule_to_start_timeout", _span(was.schedule_to_start_timeout), now.schedule_to_start_timeout),
            ("start_to_close_timeout", _span(was.start_to_close_timeout), now.start_to_close_timeout),
            ("heartbeat_timeout", _span(was.heartbeat_timeout), now.heartbeat_timeout),
            ("retry_policy", _policy(was.retry_policy), _policy(_encoded(now))),
        )
        if recorded != today
    ]
    asked = TYPES[name].ask if name in TYPES else None
    return found + _values(event.event_id, f"activity {name!r}, input", was.input.payloads, now.args, asked)


def _ending(event: HistoryEvent, replayed: Replayed) -> list[Change]:
    match event.WhichOneof("attributes"):
        case "workflow_execution_completed_event_attributes":
            payloads = event.workflow_execution_completed_event_attributes.result.payloads
            returned = [] if replayed.error is not None else [replayed.result]
            return _values(event.event_id, "the run's result", payloads, returned, type(replayed.result))
        case "workflow_execution_continued_as_new_event_attributes":
            payloads = event.workflow_execution_continued_as_new_event_attributes.input.payloads
            return _values(event.event_id, "what is handed over", payloads, replayed.handed_over, AgentInput)
        case "workflow_execution_failed_event_attributes":
            was = event.workflow_execution_failed_event_attributes.failure
            now = _failure(replayed.error)
            recorded = (was.application_failure_info.type, was.message)
            return [] if recorded == now else [Change(event.event_id, "the run's failure", recorded, now)]
        case _:  # still running, or ended from outside: it has no result of its own
            return []


def _failure(error: BaseException | None) -> tuple[str, str]:
    """The type and the message of what a run fails with; what it says of itself besides, older runs did not say."""
    if isinstance(error, ApplicationError):
        return error.type or "", error.message
    return type(error).__name__, str(error)


def _values(
    event: int, what: str, recorded: Sequence[Payload], now: Sequence[Any], contract: type | None
) -> list[Change]:
    if len(recorded) != len(now):
        return [Change(event, f"{what}, number of values", len(recorded), len(now))]
    return [
        Change(event, f"{what}{path}", was, today)
        for payload, value in zip(recorded, now, strict=True)
        for path, was, today in difference(payload, value, contract)
    ]


def _span(duration: Duration) -> timedelta | None:
    """None where the server recorded none: it writes that as zero."""
    return duration.ToTimedelta() or None


def _encoded(now: StartActivityInput) -> RetryPolicy:
    encoded = RetryPolicy()
    if now.retry_policy is not None:
        now.retry_policy.apply_to_proto(encoded)
    return encoded


def _policy(policy: RetryPolicy) -> dict[str, object]:
    initial = policy.initial_interval.ToTimedelta()
    return {
        "initial_interval": initial,
        "backoff_coefficient": policy.backoff_coefficient,
        # The server writes down what it means to give none: a hundred times the initial interval.
        "maximum_interval": _span(policy.maximum_interval) or initial * 100,
        "maximum_attempts": policy.maximum_attempts,
        "non_retryable_error_types": list(policy.non_retryable_error_types),
    }
