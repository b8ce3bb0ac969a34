"""The replay gate: a history must replay, and every effect's input, timeouts and the run's result must be as recorded.

Temporal's replayer compares only the order and the kinds of a run's steps: it accepts a changed prompt, timeout or
result.
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
    """One difference between today's code and the recorded run."""

    event: int
    """The event's number in the history."""
    what: str
    """The changed part of an activity or of the run itself."""
    recorded: object
    now: object

    def __str__(self) -> str:
        return f"event {self.event}, {self.what}: recorded {self.recorded!r}, now {self.now!r}"


@dataclass
class Replayed:
    """The scheduled activities and the end of a replayed run."""

    scheduled: list[tuple[StartActivityInput, workflow.ActivityHandle[Any]]] = field(
        default_factory=list[tuple[StartActivityInput, workflow.ActivityHandle[Any]]]
    )
    result: object = None
    handed_over: list[Any] = field(default_factory=list[Any])
    """The input of the run's next execution."""
    error: BaseException | None = None


async def changes(history: WorkflowHistory) -> list[Change]:
    """Replay a history and return the differences. Raises Temporal's own error if the steps themselves differ."""
    watch = Watch()
    replayer = Replayer(workflows=WORKFLOWS, plugins=[PerdurePlugin()], interceptors=[watch])
    await replayer.replay_workflow(history)
    replayed = watch.seen
    scheduled = [event for event in history.events if event.HasField("activity_task_scheduled_event_attributes")]
    # An activity that is scheduled and cancelled within one workflow task never reaches the server.
    all_scheduled = len(scheduled) == len(replayed.scheduled)
    requested = [request for request, handle in replayed.scheduled if all_scheduled or not _is_cancelled(handle)]
    found = [
        change for event, request in zip(scheduled, requested, strict=True) for change in _activity(event, request)
    ]
    return found + _ending(history.events[-1], replayed)


def _is_cancelled(handle: workflow.ActivityHandle[Any]) -> bool:
    if handle.cancelled():
        return True
    error = handle.exception() if handle.done() else None
    return error is not None and is_cancelled_exception(error)


class Watch(Interceptor):
    """Records the activities and the result of one replayed workflow."""

    def __init__(self) -> None:
        self.seen = Replayed()

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        replayed = self.seen

        class Outbound(WorkflowOutboundInterceptor):
            def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
                handle = super().start_activity(input)
                replayed.scheduled.append((input, handle))
                return handle

            def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
                replayed.handed_over = list(input.args)
                super().continue_as_new(input)

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
                try:
                    replayed.result = await super().execute_workflow(input)
                except (Fault, ApplicationError) as error:
                    replayed.error = error
                    raise
                return replayed.result

        return Inbound


def _activity(event: HistoryEvent, request: StartActivityInput) -> list[Change]:
    recorded_request = event.activity_task_scheduled_event_attributes
    name = recorded_request.activity_type.name
    differences = [
        Change(event.event_id, f"activity {name!r}, {what}", recorded, current)
        for what, recorded, current in (
            ("name", name, request.activity),
            ("task_queue", recorded_request.task_queue.name, request.task_queue or recorded_request.task_queue.name),
            (
                "schedule_to_close_timeout",
                _timeout(recorded_request.schedule_to_close_timeout),
                request.schedule_to_close_timeout,
            ),
            (
                "schedule_to_start_timeout",
                _timeout(recorded_request.schedule_to_start_timeout),
                request.schedule_to_start_timeout,
            ),
            (
                "start_to_close_timeout",
                _timeout(recorded_request.start_to_close_timeout),
                request.start_to_close_timeout,
            ),
            ("heartbeat_timeout", _timeout(recorded_request.heartbeat_timeout), request.heartbeat_timeout),
            ("retry_policy", _policy(recorded_request.retry_policy), _policy(_encoded(request))),
        )
        if recorded != current
    ]
    contract = TYPES[name].ask if name in TYPES else None
    return differences + _values(
        event.event_id, f"activity {name!r}, input", recorded_request.input.payloads, request.args, contract
    )


def _ending(event: HistoryEvent, replayed: Replayed) -> list[Change]:
    match event.WhichOneof("attributes"):
        case "workflow_execution_completed_event_attributes":
            payloads = event.workflow_execution_completed_event_attributes.result.payloads
            results = [] if replayed.error is not None else [replayed.result]
            return _values(event.event_id, "the run's result", payloads, results, type(replayed.result))
        case "workflow_execution_continued_as_new_event_attributes":
            payloads = event.workflow_execution_continued_as_new_event_attributes.input.payloads
            return _values(event.event_id, "what is handed over", payloads, replayed.handed_over, AgentInput)
        case "workflow_execution_failed_event_attributes":
            failure = event.workflow_execution_failed_event_attributes.failure
            current = _failure(replayed.error)
            recorded = (failure.application_failure_info.type, failure.message)
            return [] if recorded == current else [Change(event.event_id, "the run's failure", recorded, current)]
        case _:  # still running, or ended from outside: no result of its own
            return []


def _failure(error: BaseException | None) -> tuple[str, str]:
    """Return the type and the message of a failure, without its details: older runs recorded none."""
    if isinstance(error, ApplicationError):
        return error.type or "", error.message
    return type(error).__name__, str(error)


def _values(
    event: int, what: str, recorded: Sequence[Payload], current: Sequence[Any], contract: type | None
) -> list[Change]:
    if len(recorded) != len(current):
        return [Change(event, f"{what}, number of values", len(recorded), len(current))]
    return [
        Change(event, f"{what}{path}", old, new)
        for payload, value in zip(recorded, current, strict=True)
        for path, old, new in difference(payload, value, contract)
    ]


def _timeout(duration: Duration) -> timedelta | None:
    """Return a timeout; None for the zero that the server records where none was set."""
    return duration.ToTimedelta() or None


def _encoded(request: StartActivityInput) -> RetryPolicy:
    encoded = RetryPolicy()
    if request.retry_policy is not None:
        request.retry_policy.apply_to_proto(encoded)
    return encoded


def _policy(policy: RetryPolicy) -> dict[str, object]:
    initial = policy.initial_interval.ToTimedelta()
    return {
        "initial_interval": initial,
        "backoff_coefficient": policy.backoff_coefficient,
        # Without a maximum interval the server records its default: a hundred times the initial one.
        "maximum_interval": _timeout(policy.maximum_interval) or initial * 100,
        "maximum_attempts": policy.maximum_attempts,
        "non_retryable_error_types": list(policy.non_retryable_error_types),
    }
