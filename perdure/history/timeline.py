"""The timeline of a run, read from its history event by event: a pure function of what Temporal recorded."""

from collections.abc import Callable
from typing import Any

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent

from perdure.contracts.budget import Spend
from perdure.contracts.runs.timeline import EntryKind, EntryState, TimelineEntry
from perdure.contracts.temporal.search_attributes import AWAITING_APPROVAL, PHASE
from perdure.history.events import moment, summary, why
from perdure.history.payloads import decoded, first, part
from perdure.history.people import People
from perdure.history.replies import charges_of, result_in_words, verdicts_of

BIND = "bind_deployment"
"""An effect that the timeline skips: the deployment it chooses is named in the attempt itself."""

LOCAL = "core_local_activity"
"""The name of the marker that Temporal's SDK records for a local activity."""


class _Operation:
    """An activity, a timer or a child run that was started and has not ended yet."""

    def __init__(self, event: HistoryEvent, name: str, summary: str, request: Any = None) -> None:
        self.at = moment(event)
        self.event = event.event_id
        self.name = name
        self.summary = summary
        self.step = str(part(request, "key", "step") or "")
        attempt = part(request, "attempt")
        self.attempt = attempt if isinstance(attempt, int) else None


class Reader:
    """A reader of a run's events, in their order over all executions. It turns them into timeline entries."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], _Operation] = {}
        self._people = People(self._entry)
        self._charged: set[tuple[str, int]] = set()
        self._execution = ""
        self._readers: dict[str, Callable[[HistoryEvent, Any], TimelineEntry | None]] = {
            "workflow_execution_started": self._run_started,
            "activity_task_scheduled": self._activity_scheduled,
            "activity_task_completed": self._activity_completed,
            "activity_task_failed": self._activity_failed,
            "activity_task_timed_out": self._activity_failed,
            "activity_task_canceled": self._activity_failed,
            "marker_recorded": self._local_activity,
            "timer_started": self._timer_started,
            "timer_fired": self._timer_fired,
            "upsert_workflow_search_attributes": self._attributes_upserted,
            "workflow_execution_update_accepted": self._people.update_accepted,
            "workflow_execution_update_completed": self._people.update_completed,
            "workflow_execution_signaled": self._people.signal_received,
            "workflow_properties_modified": self._people.memo_upserted,
            "workflow_execution_cancel_requested": self._cancel_requested,
            "workflow_task_failed": self._workflow_task_failed,
            "start_child_workflow_execution_initiated": self._child_started,
            "child_workflow_execution_completed": self._child_ended,
            "child_workflow_execution_failed": self._child_ended,
            "child_workflow_execution_canceled": self._child_ended,
            "workflow_execution_continued_as_new": self._continued,
            "workflow_execution_completed": self._run_ended,
            "workflow_execution_failed": self._run_ended,
            "workflow_execution_timed_out": self._run_ended,
            "workflow_execution_terminated": self._run_ended,
            "workflow_execution_canceled": self._run_ended,
        }

    def read(self, event: HistoryEvent, execution: str) -> list[TimelineEntry]:
        """Return the entries for an event of this execution; none for an event that only concerns Temporal."""
        self._execution = execution
        kind = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").lower()
        read, attributes = self._readers.get(kind), event.WhichOneof("attributes")
        if read is None or attributes is None:
            return []
        entry = read(event, getattr(event, attributes))
        return [] if entry is None else [entry]

    def _entry(self, event: HistoryEvent, kind: EntryKind, name: str, **more: Any) -> TimelineEntry:
        return TimelineEntry(
            at=moment(event), event=event.event_id, execution=self._execution, kind=kind, name=name, **more
        )

    def _run_started(self, event: HistoryEvent, attributes: Any) -> TimelineEntry | None:
        if attributes.continued_execution_run_id:
            return None
        request = first(attributes.input)
        spec = part(request, "agent") or part(request, "chain") or part(request, "schema_name") or ""
        return self._entry(event, EntryKind.BEGAN, attributes.workflow_type.name, summary=str(spec))

    def _activity_scheduled(self, event: HistoryEvent, attributes: Any) -> TimelineEntry:
        operation = _Operation(event, attributes.activity_type.name, summary(event), first(attributes.input))
        self._open[self._execution, event.event_id] = operation
        return self._effect_entry(event, operation, state=EntryState.RUNNING)

    def _effect_entry(self, event: HistoryEvent, operation: _Operation, **more: Any) -> TimelineEntry:
        more["began"] = operation.event if operation.event != event.event_id else None
        # Newer runs name the step in the summary itself, older ones do not.
        named = f"{operation.summary} ".startswith(f"{operation.step} ")
        summary = operation.summary if named else f"{operation.step} {operation.summary}".strip()
        return self._entry(event, EntryKind.EFFECT, operation.name, summary=summary, attempt=operation.attempt, **more)

    def _closed(self, event: HistoryEvent, scheduled: int) -> tuple[_Operation, int]:
        """Return the operation that ends with this event, and how long it took, in milliseconds."""
        operation = self._open.pop((self._execution, scheduled), None) or _Operation(event, "?", "")
        return operation, round((moment(event) - operation.at).total_seconds() * 1000)

    def _activity_completed(self, event: HistoryEvent, attributes: Any) -> TimelineEntry:
        operation, took = self._closed(event, attributes.scheduled_event_id)
        reply = first(attributes.result)
        return self._effect_entry(
            event,
            operation,
            milliseconds=took,
            found=result_in_words(operation.name, reply),
            verdicts=verdicts_of(reply),
            spent=self._new_charges(operation, reply),
        )

    def _local_activity(self, event: HistoryEvent, attributes: Any) -> TimelineEntry | None:
        """Read an effect within the workflow's own task: its request is in no history."""
        if attributes.marker_name != LOCAL:
            return None
        data = first(attributes.details["data"]) if "data" in attributes.details else None
        operation = _Operation(event, str(part(data, "activity_type") or "?"), summary(event))
        if operation.name == BIND:
            return None
        operation.step = operation.summary.partition(" ")[0]
        if attributes.HasField("failure"):
            return self._effect_entry(event, operation, found=why(attributes.failure), state=EntryState.FAILED)
        reply = first(attributes.details["result"]) if "result" in attributes.details else None
        return self._effect_entry(
            event,
            operation,
            found=result_in_words(operation.name, reply),
            verdicts=verdicts_of(reply),
            spent=self._new_charges(operation, reply),
        )

    def _new_charges(self, operation: _Operation, reply: Any) -> Spend | None:
        """Return the costs that this reply is the first to report: it may repeat those of earlier attempts."""
        news = {
            attempt: spend
            for attempt, spend in charges_of(reply).items()
            if (operation.step, attempt) not in self._charged
        }
        self._charged.update((operation.step, attempt) for attempt in news)
        return sum(news.values(), Spend()) if news else None

    def _activity_failed(self, event: HistoryEvent, attributes: Any) -> TimelineEntry:
        operation, took = self._closed(event, attributes.scheduled_event_id)
        cancelled = event.HasField("activity_task_canceled_event_attributes")
        found = "called off" if cancelled else why(attributes.failure)
        state = EntryState.CANCELLED if cancelled else EntryState.FAILED
        return self._effect_entry(event, operation, milliseconds=took, found=found, state=state)

    def _timer_started(self, event: HistoryEvent, attributes: Any) -> TimelineEntry:
        operation = _Operation(event, "wait", summary(event))
        self._open[self._execution, event.event_id] = operation
        found = f"for {attributes.start_to_fire_timeout.ToTimedelta()}"
        return self._entry(
            event, EntryKind.TIMER, operation.name, summary=operation.summary, found=found, state=EntryState.RUNNING
        )

    def _timer_fired(self, event: HistoryEvent, attributes: Any) -> TimelineEntry:
        operation, took = self._closed(event, attributes.started_event_id)
        return self._entry(
            event, EntryKind.TIMER, "wait", summary=operation.summary, milliseconds=took, began=operation.event
        )

    def _attributes_upserted(self, event: HistoryEvent, attributes: Any) -> TimelineEntry | None:
        fields = attributes.search_attributes.indexed_fields
        if AWAITING_APPROVAL.name in fields:
            waiting = decoded(fields[AWAITING_APPROVAL.name]) is True
            found = "a person has to decide" if waiting else "nobody is waited for any more"
            state = EntryState.RUNNING if waiting else EntryState.DONE
            return self._entry(event, EntryKind.WAITS, "approval", found=found, state=state)
        if PHASE.name in fields:
            return self._entry(event, EntryKind.PHASE, str(decoded(fields[PHASE.name])))
        return None

    def _cancel_requested(self, event: HistoryEvent, attributes: Any) -> TimelineEntry:
        return self._entry(
            event, EntryKind.CANCEL, "cancel", found=attributes.cause or "somebody operation the run to stop"
        )

    def _workflow_task_failed(self, event: HistoryEvent, attributes: Any) -> TimelineEntry | None:
        if attributes.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW:
            # The events after this point are in the execution that was left behind.
            return self._entry(
                event, EntryKind.CONTINUED, "retried", found=" ".join(attributes.failure.message.split())
            )
        if not attributes.failure.message:
            return None
        return self._entry(event, EntryKind.STUCK, "worker", found=why(attributes.failure), state=EntryState.FAILED)

    def _child_started(self, event: HistoryEvent, attributes: Any) -> TimelineEntry:
        self._open[self._execution, event.event_id] = _Operation(
            event, attributes.workflow_type.name, attributes.workflow_id
        )
        return self._entry(
            event,
            EntryKind.CHILD,
            attributes.workflow_type.name,
            summary=attributes.workflow_id,
            state=EntryState.RUNNING,
        )

    def _child_ended(self, event: HistoryEvent, attributes: Any) -> TimelineEntry:
        operation, took = self._closed(event, attributes.initiated_event_id)
        done = event.HasField("child_workflow_execution_completed_event_attributes")
        found = str(part(first(attributes.result), "outcome", "kind") or "") if done else ""
        state = EntryState.DONE if done else EntryState.FAILED
        return self._entry(
            event,
            EntryKind.CHILD,
            operation.name,
            summary=operation.summary,
            found=found,
            state=state,
            milliseconds=took,
            began=operation.event,
        )

    def _continued(self, event: HistoryEvent, attributes: Any) -> TimelineEntry:
        return self._entry(event, EntryKind.CONTINUED, "continued", found=f"as {attributes.new_execution_run_id}")

    def _run_ended(self, event: HistoryEvent, attributes: Any) -> TimelineEntry:
        match event.WhichOneof("attributes"):
            case "workflow_execution_completed_event_attributes":
                outcome = str(part(first(attributes.result), "outcome", "kind") or "completed")
                return self._entry(event, EntryKind.ENDED, outcome)
            case "workflow_execution_failed_event_attributes":
                name, found = "failed", why(attributes.failure)
            case "workflow_execution_terminated_event_attributes":
                name, found = "terminated", attributes.reason
            case "workflow_execution_timed_out_event_attributes":
                name, found = "timed_out", "its time was over"
            case _:
                name, found = "cancelled", "before it could say what it had spent"
        return self._entry(event, EntryKind.ENDED, name, found=found, state=EntryState.FAILED)


def next_execution(event: HistoryEvent) -> str:
    """Return the run id of the execution that continues the run after this event; empty where none does."""
    return event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
