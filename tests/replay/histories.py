"""Recorded histories: where they are, how to read one, and what its events hold."""

from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import Message
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

FOLDER = Path(__file__).resolve().parent / "histories"
"""The folder of recorded runs, one indented JSON file each. They are never edited: running runs look like them."""


def recorded() -> list[Path]:
    """Return the files of all recorded histories."""
    return sorted(FOLDER.glob("*.json"))


def read(path: Path) -> WorkflowHistory:
    """Read a history from its file, with the workflow id that it names."""
    history = WorkflowHistory.from_json("", path.read_text())
    started = history.events[0].workflow_execution_started_event_attributes
    return WorkflowHistory(started.workflow_id, history.events)


def kind(event: HistoryEvent) -> str:
    """Return an event's type in lower case, such as `activity_task_scheduled`."""
    return EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").lower()


def activity_of(event: HistoryEvent, history: WorkflowHistory) -> str:
    """Return the name of the activity that an `activity_task_*` event is about."""
    if event.HasField("activity_task_scheduled_event_attributes"):
        return event.activity_task_scheduled_event_attributes.activity_type.name
    scheduled: int = getattr(event, event.WhichOneof("attributes") or "").scheduled_event_id
    return activity_of(history.events[scheduled - 1], history)


def decisions(history: WorkflowHistory) -> list[str]:
    """Return the events that the workflow's own decisions made, in order: equal for every run of one scenario.

    The other events differ from run to run: when a worker took a task, and in which order parallel effects ended.
    """
    commands: list[str] = []
    for event in history.events:
        match kind(event):
            case "activity_task_scheduled" | "activity_task_cancel_requested" as decided:
                commands.append(f"{decided} {activity_of(event, history)}")
            case "upsert_workflow_search_attributes" as decided:
                names = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
                commands.append(f"{decided} {' '.join(sorted(names))}")
            case "marker_recorded" as decided:
                commands.append(f"{decided} {event.marker_recorded_event_attributes.marker_name}")
            case "workflow_execution_time_skipping_transitioned":
                pass  # the tests' server does not wait for timers
            case decided if decided.startswith(("workflow_execution_", "timer_", "start_child_")):
                commands.append(decided)
            case _:
                pass
    return commands


def outcomes(history: WorkflowHistory) -> list[str]:
    """Return the outcome of each effect, in alphabetical order."""
    ends = ("completed", "failed", "timed_out", "canceled")
    return sorted(
        f"{kind(event)} {activity_of(event, history)}"
        for event in history.events
        if kind(event).startswith("activity_task_") and kind(event).endswith(ends)
    )


def strings(message: Message) -> Iterator[str]:
    """Yield every text in a message, payloads included: a secret or a path of one machine would be in one of them."""
    for field, value in message.ListFields():
        values = value.values() if hasattr(value, "values") else value if field.is_repeated else [value]
        for item in values:
            match item:
                case Message():
                    yield from strings(item)
                case str():
                    yield item
                case bytes():
                    yield item.decode(errors="replace")
                case _:
                    pass
