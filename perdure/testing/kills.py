"""The points in a run at which a test may kill its worker: every event of the history but the last."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle, WorkflowHistory

__all__ = ["KillPoint", "kill_points", "named", "reached"]


class KillPoint(NamedTuple):
    """An event of a run at which its worker may be killed."""

    event: int
    """The number of the event in the history, from 1."""
    name: str
    """The type of the event, with the name of its effect where it has one: `activity_task_scheduled act`."""

    def __str__(self) -> str:
        return f"{self.event:02} {self.name}"


def kill_points(run: WorkflowHistory) -> list[KillPoint]:
    """Return the event boundaries of a finished run, in order. Killing a worker at each covers all of them.

    Another run of the same task has the same events, except for those that a retry adds.
    """
    return [KillPoint(event.event_id, named(event, run.events)) for event in run.events[:-1]]


async def reached(handle: WorkflowHandle[Any, Any], event: int) -> KillPoint:
    """Wait until a run's history has this event; if the run has fewer events, until its last one."""
    events: list[HistoryEvent] = []
    async for each in handle.fetch_history_events(wait_new_event=True):
        events.append(each)
        if each.event_id == event:
            break
    return KillPoint(events[-1].event_id, named(events[-1], events))


def named(event: HistoryEvent, events: Sequence[HistoryEvent]) -> str:
    """Return an event's type in lower case, with the name of its activity where it has one."""
    kind = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").lower()
    scheduled = event
    if kind.startswith("activity_task") and kind != "activity_task_scheduled":
        about = getattr(event, event.WhichOneof("attributes") or "").scheduled_event_id
        scheduled = next((each for each in events if each.event_id == about), event)
    name = scheduled.activity_task_scheduled_event_attributes.activity_type.name
    return f"{kind} {name}".strip()
