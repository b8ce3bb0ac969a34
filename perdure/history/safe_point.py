"""Finds the last point of a failed run's history from which it can go on: just before the steps that failed. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from perdure.history.payloads import decoded, first, part

DECIDE = "decide"
"""The update and the signal by which people decide."""

LOCAL = "core_local_activity"
"""What Temporal's SDK calls the marker of a local activity."""


@dataclass(frozen=True)
class SafePoint:
    """Where a run goes on."""

    event: int
    """The end of the workflow task that is done anew, with all that it asked for: what came before stays as it was."""
    again: tuple[str, ...] = ()
    """The steps that failed, each with its effect: `think think-2`. Empty where none was to blame."""


@dataclass
class _Step:
    """A step that has not come to a good end: its attempts since it last had."""

    effect: str
    name: str
    """By which all its attempts are known; empty for an effect that has no such name."""
    asked: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """For each attempt the event that asked for it, and the end of the workflow task that did."""
    failed: int = 0
    """The event with its last failure; 0 where none has failed."""

    def point(self, heard: int) -> int:
        """The end of a workflow task before its first attempt; where somebody decided meanwhile, after that.

        A decision that came during the attempts is sent again by the server, at once: what it is about may not wait
        yet, and it would be lost. It then stays where it is, and fewer attempts are made anew.
        """
        later = [task for asked, task in self.asked if asked > heard]
        return later[0] if later else self.asked[-1][1]


def safe_point(events: Iterable[HistoryEvent]) -> SafePoint | None:
    """Where the run with this history can go on; None where it has done nothing at all.

    The history is the one of its last execution, with the failure at its end. Without a step that is to blame the run
    does its last workflow task anew.
    """
    read = _Read()
    for event in events:
        read.event(event)
    blamed = _blamed(read.open, read.ended)
    if blamed:
        names = sorted({f"{step.effect} {step.name}".strip() for step in blamed})
        return SafePoint(min(step.point(read.heard) for step in blamed), tuple(names))
    return SafePoint(read.last_task) if read.last_task else None


class _Read:
    """What is known of a history so far."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, str], _Step] = {}
        self.last_task = 0
        self.heard = 0
        """The last event with a person's decision."""
        self.ended: Failure | None = None
        self._scheduled: dict[int, tuple[str, str]] = {}

    def event(self, event: HistoryEvent) -> None:
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                self.last_task = event.event_id
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                self._asked(event)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                completed = event.activity_task_completed_event_attributes
                # An attempt that told nothing has replied all the same.
                lost = part(first(completed.result), "came", "kind") == "again"
                self._came(completed.scheduled_event_id, event.event_id if lost else 0)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                self._came(event.activity_task_failed_event_attributes.scheduled_event_id, event.event_id)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                self._came(event.activity_task_timed_out_event_attributes.scheduled_event_id, event.event_id)
            case EventType.EVENT_TYPE_MARKER_RECORDED:
                self._beside(event)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
                asked = event.workflow_execution_update_accepted_event_attributes.accepted_request
                self._heard(event, asked.input.name)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
                self._heard(event, event.workflow_execution_signaled_event_attributes.signal_name)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
                self.ended = event.workflow_execution_failed_event_attributes.failure
            case _:
                pass

    def _heard(self, event: HistoryEvent, name: str) -> None:
        if name == DECIDE:
            self.heard = event.event_id

    def _asked(self, event: HistoryEvent) -> None:
        asked = event.activity_task_scheduled_event_attributes
        effect, step = asked.activity_type.name, str(part(first(asked.input), "key", "step") or "")
        # What has no step of its own has no attempts of its own either: Temporal makes them, and records none.
        key = (effect, step or f"#{event.event_id}")
        self._scheduled[event.event_id] = key
        self._begun(key, step, event.event_id, asked.workflow_task_completed_event_id)

    def _begun(self, key: tuple[str, str], step: str, event: int, task: int) -> None:
        self.open.setdefault(key, _Step(key[0], step)).asked.append((event, task))

    def _came(self, scheduled: int, failed: int) -> None:
        key = self._scheduled.get(scheduled)
        if key is None or key not in self.open:
            return
        if failed:
            self.open[key].failed = failed
        else:
            del self.open[key]

    def _beside(self, event: HistoryEvent) -> None:
        """An effect within the workflow's own task, of which there is nothing but its end."""
        marker = event.marker_recorded_event_attributes
        if marker.marker_name != LOCAL:
            return
        data = first(marker.details["data"]) if "data" in marker.details else None
        said = decoded(event.user_metadata.summary) if event.user_metadata.HasField("summary") else None
        step = str(said or "").partition(" ")[0]
        key = (str(part(data, "activity_type") or "?"), f"beside {step}")
        self._scheduled[event.event_id] = key
        self._begun(key, step, event.event_id, marker.workflow_task_completed_event_id)
        self._came(event.event_id, event.event_id if marker.HasField("failure") else 0)


def _blamed(steps: dict[tuple[str, str], _Step], ended: Failure | None) -> Sequence[_Step]:
    """The steps whose failure ended the run.

    The failure names its effect first, and often the activity that failed at last. Other steps may have failed before,
    and the run went on: they count only where the failure names none of those that did.
    """
    failed = [step for step in steps.values() if step.failed]
    if ended is None or not failed:
        return []
    last = _activity(ended)
    by_number = [step for step in failed if last and last in (asked for asked, _ in step.asked)]
    if by_number:
        return by_number
    named = [step for step in failed if ended.message.startswith(f"{step.effect}: ")]
    exactly = [step for step in named if step.name and f"{step.effect}: {step.name}: " in ended.message]
    return exactly or named or [max(failed, key=lambda step: step.failed)]


def _activity(failure: Failure) -> int:
    """The event that asked for the activity at the bottom of a failure; 0 where there is none."""
    while failure.HasField("cause"):
        failure = failure.cause
        if failure.HasField("activity_failure_info"):
            return failure.activity_failure_info.scheduled_event_id
    return 0
