"""The last point from which a failed run can continue: just before the steps that failed. A pure function."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from perdure.history.payloads import decoded, first, part

DECIDE = "decide"
"""The name of the update and of the signal by which people decide."""

LOCAL = "core_local_activity"
"""The name of the marker that Temporal's SDK records for a local activity."""


@dataclass(frozen=True)
class SafePoint:
    """The point from which a run continues."""

    event: int
    """The event that ends the workflow task to be done again, with all its commands. Earlier events stay as they are.
    """
    again: tuple[str, ...] = ()
    """The steps that failed, each with its effect: `think think-2`. Empty where no step is to blame."""


@dataclass
class _Step:
    """A step that has not succeeded yet, with its attempts since its last success."""

    effect: str
    name: str
    """The name that all its attempts share; empty for an effect that has no such name."""
    scheduled: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """For each attempt, the event that scheduled it and the event that ended the scheduling workflow task."""
    failed: int = 0
    """The event of its last failure; 0 where none has failed."""

    def point(self, last_decision: int) -> int:
        """Return the end of the workflow task before the first attempt, or before the first one after a decision.

        The server sends later decisions again, at once. A decision that came during the attempts would then be too
        early: its step would not wait yet, and it would be lost. So the decision stays in the history, and fewer
        attempts are repeated.
        """
        later = [task for event, task in self.scheduled if event > last_decision]
        return later[0] if later else self.scheduled[-1][1]


def safe_point(events: Iterable[HistoryEvent]) -> SafePoint | None:
    """Return the point from which the run with this history can continue; None where no workflow task has ended.

    The history is that of the run's last execution, with the failure at its end. Where no step is to blame, the run
    repeats its last workflow task.
    """
    steps = _Steps()
    for event in events:
        steps.read(event)
    blamed = _blamed(steps.open, steps.ended)
    if blamed:
        names = sorted({f"{step.effect} {step.name}".strip() for step in blamed})
        return SafePoint(min(step.point(steps.last_decision) for step in blamed), tuple(names))
    return SafePoint(steps.last_task) if steps.last_task else None


class _Steps:
    """The open steps of a history, as far as it has been read."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, str], _Step] = {}
        self.last_task = 0
        self.last_decision = 0
        """The last event with a person's decision."""
        self.ended: Failure | None = None
        self._scheduled: dict[int, tuple[str, str]] = {}

    def read(self, event: HistoryEvent) -> None:
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                self.last_task = event.event_id
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                self._activity_scheduled(event)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                completed = event.activity_task_completed_event_attributes
                # An attempt without an outcome replies as well.
                lost = part(first(completed.result), "came", "kind") == "again"
                self._attempt_ended(completed.scheduled_event_id, event.event_id if lost else 0)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                self._attempt_ended(event.activity_task_failed_event_attributes.scheduled_event_id, event.event_id)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                self._attempt_ended(event.activity_task_timed_out_event_attributes.scheduled_event_id, event.event_id)
            case EventType.EVENT_TYPE_MARKER_RECORDED:
                self._local_activity(event)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
                update = event.workflow_execution_update_accepted_event_attributes.accepted_request
                self._message(event, update.input.name)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
                self._message(event, event.workflow_execution_signaled_event_attributes.signal_name)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
                self.ended = event.workflow_execution_failed_event_attributes.failure
            case _:
                pass

    def _message(self, event: HistoryEvent, name: str) -> None:
        if name == DECIDE:
            self.last_decision = event.event_id

    def _activity_scheduled(self, event: HistoryEvent) -> None:
        activity = event.activity_task_scheduled_event_attributes
        effect, step = activity.activity_type.name, str(part(first(activity.input), "key", "step") or "")
        # An effect without a step's name has no attempts of its own: Temporal retries it, and records no attempts.
        key = (effect, step or f"#{event.event_id}")
        self._scheduled[event.event_id] = key
        self._attempt_began(key, step, event.event_id, activity.workflow_task_completed_event_id)

    def _attempt_began(self, key: tuple[str, str], step: str, event: int, task: int) -> None:
        self.open.setdefault(key, _Step(key[0], step)).scheduled.append((event, task))

    def _attempt_ended(self, scheduled: int, failed: int) -> None:
        key = self._scheduled.get(scheduled)
        if key is None or key not in self.open:
            return
        if failed:
            self.open[key].failed = failed
        else:
            del self.open[key]

    def _local_activity(self, event: HistoryEvent) -> None:
        """Read an effect within the workflow's own task: the history has only its end."""
        marker = event.marker_recorded_event_attributes
        if marker.marker_name != LOCAL:
            return
        data = first(marker.details["data"]) if "data" in marker.details else None
        summary = decoded(event.user_metadata.summary) if event.user_metadata.HasField("summary") else None
        step = str(summary or "").partition(" ")[0]
        key = (str(part(data, "activity_type") or "?"), f"beside {step}")
        self._scheduled[event.event_id] = key
        self._attempt_began(key, step, event.event_id, marker.workflow_task_completed_event_id)
        self._attempt_ended(event.event_id, event.event_id if marker.HasField("failure") else 0)


def _blamed(steps: dict[tuple[str, str], _Step], ended: Failure | None) -> Sequence[_Step]:
    """Return the steps whose failure ended the run.

    The failure names its effect first, and often the activity that failed last. Other steps may have failed before
    while the run continued: they count only where the failure names no failed step.
    """
    failed = [step for step in steps.values() if step.failed]
    if ended is None or not failed:
        return []
    last = _activity(ended)
    by_number = [step for step in failed if last and last in (event for event, _ in step.scheduled)]
    if by_number:
        return by_number
    named = [step for step in failed if ended.message.startswith(f"{step.effect}: ")]
    exactly = [step for step in named if step.name and f"{step.effect}: {step.name}: " in ended.message]
    return exactly or named or [max(failed, key=lambda step: step.failed)]


def _activity(failure: Failure) -> int:
    """Return the event that scheduled the activity at the bottom of a failure; 0 where there is none."""
    while failure.HasField("cause"):
        failure = failure.cause
        if failure.HasField("activity_failure_info"):
            return failure.activity_failure_info.scheduled_event_id
    return 0
