"""Recorded histories: where they are, how one is read, and what its events hold."""

from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import Message
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

FOLDER = Path(__file__).resolve().parent / "histories"
"""One indented JSON file for each recorded run. None is ever edited: it is what running runs look like."""


def recorded() -> list[Path]:
    """Every recorded history."""
    return sorted(FOLDER.glob("*.json"))


def read(path: Path) -> WorkflowHistory:
    """A history from its file, under the workflow id that it names itself."""
    history = WorkflowHistory.from_json("", path.read_text())
    begun = history.events[0].workflow_execution_started_event_attributes
    return WorkflowHistory(begun.workflow_id, history.events)


def kind(event: HistoryEvent) -> str:
    """An event's type in lower case, `activity_task_scheduled`."""
    return EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").lower()


def activity_of(event: HistoryEvent, history: WorkflowHistory) -> str:
    """The name of the activity that an `activity_task_*` event is about."""
    if event.HasField("activity_task_scheduled_event_attributes"):
        return event.activity_task_scheduled_event_attributes.activity_type.name
    scheduled: int = getattr(event, event.WhichOneof("attributes") or "").scheduled_event_id
    return activity_of(history.events[scheduled - 1], history)


def decisions(history: WorkflowHistory) -> list[str]:
    """The events that the workflow's own decisions made, in order: the same for every run of one scenario.

    The others (when a worker took a task, in which order parallel effects came back) belong to the day.
    """
    made: list[str] = []
    for event in history.events:
        match kind(event):
            case "activity_task_scheduled" | "activity_task_cancel_requested" as decided:
                made.append(f"{decided} {activity_of(event, history)}")
            case "upsert_workflow_search_attributes" as decided:
                names = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
                made.append(f"{decided} {' '.join(sorted(names))}")
            case "marker_recorded" as decided:
                made.append(f"{decided} {event.marker_recorded_event_attributes.marker_name}")
            case "workflow_execution_time_skipping_transitioned":
                pass  # the tests' server does not wait for timers
            case decided if decided.startswith(("workflow_execution_", "timer_", "start_child_")):
                made.append(decided)
            case _:
                pass
    return made


def outcomes(history: WorkflowHistory) -> list[str]:
    """What became of each effect, in alphabetical order."""
    ends = ("completed", "failed", "timed_out", "canceled")
    return sorted(
        f"{kind(event)} {activity_of(event, history)}"
        for event in history.events
        if kind(event).startswith("activity_task_") and kind(event).endswith(ends)
    )


def strings(message: Message) -> Iterator[str]:
    """Every text in a message, payloads included: where a secret or a path of one machine would hide."""
    for field, value in message.ListFields():
        values = value.values() if hasattr(value, "values") else value if field.is_repeated else [value]
        for each in values:
            match each:
                case Message():
                    yield from strings(each)
                case str():
                    yield each
                case bytes():
                    yield each.decode(errors="replace")
                case _:
                    pass
