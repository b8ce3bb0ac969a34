"""Tells a run from its history, event by event: a pure function of what Temporal recorded, whoever reads it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from temporalio.api.enums.v1 import EventType, TimeoutType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from perdure.contracts.budget import Spend
from perdure.contracts.runs.timeline import EntryKind, EntryState, TimelineEntry
from perdure.contracts.temporal.search_attributes import AWAITING_APPROVAL, PHASE
from perdure.history.payloads import decoded, first, part
from perdure.history.replies import charges_of, found_of, verdicts_of

BIND = "bind_deployment"
"""Read for every paid attempt: where it goes stands in the attempt itself."""

LOCAL = "core_local_activity"
"""What Temporal's SDK calls the marker of a local activity."""


class _Asked:
    """Something that was asked for, and has not ended yet."""

    def __init__(self, event: HistoryEvent, name: str, summary: str, ask: Any = None) -> None:
        self.at = _moment(event)
        self.event = event.event_id
        self.name = name
        self.summary = summary
        self.step = str(part(ask, "key", "step") or "")
        attempt = part(ask, "attempt")
        self.attempt = attempt if isinstance(attempt, int) else None


class Reader:
    """Reads a run's events in their order, over all of its executions, and says what each of them tells."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, int], _Asked] = {}
        self._said: dict[tuple[str, int], tuple[str, Any]] = {}
        self._known: set[tuple[str, int]] = set()
        self._execution = ""
        self._tellers: dict[str, Callable[[HistoryEvent, Any], TimelineEntry | None]] = {
            "workflow_execution_started": self._begun,
            "activity_task_scheduled": self._scheduled,
            "activity_task_completed": self._completed,
            "activity_task_failed": self._failed,
            "activity_task_timed_out": self._failed,
            "activity_task_canceled": self._failed,
            "marker_recorded": self._beside,
            "timer_started": self._timer,
            "timer_fired": self._fired,
            "upsert_workflow_search_attributes": self._labelled,
            "workflow_execution_update_accepted": self._heard,
            "workflow_execution_update_completed": self._replied,
            "workflow_execution_signaled": self._signalled,
            "workflow_execution_cancel_requested": self._cancel,
            "workflow_task_failed": self._stuck,
            "start_child_workflow_execution_initiated": self._child,
            "child_workflow_execution_completed": self._child_ended,
            "child_workflow_execution_failed": self._child_ended,
            "child_workflow_execution_canceled": self._child_ended,
            "workflow_execution_continued_as_new": self._continued,
            "workflow_execution_completed": self._over,
            "workflow_execution_failed": self._over,
            "workflow_execution_timed_out": self._over,
            "workflow_execution_terminated": self._over,
            "workflow_execution_canceled": self._over,
        }

    def read(self, event: HistoryEvent, execution: str) -> list[TimelineEntry]:
        """What an event of this execution tells; nothing for what only concerns Temporal."""
        self._execution = execution
        kind = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").lower()
        tell, attributes = self._tellers.get(kind), event.WhichOneof("attributes")
        if tell is None or attributes is None:
            return []
        told = tell(event, getattr(event, attributes))
        return [] if told is None else [told]

    def _entry(self, event: HistoryEvent, kind: EntryKind, name: str, **more: Any) -> TimelineEntry:
        return TimelineEntry(
            at=_moment(event), event=event.event_id, execution=self._execution, kind=kind, name=name, **more
        )

    def _begun(self, event: HistoryEvent, it: Any) -> TimelineEntry | None:
        if it.continued_execution_run_id:
            return None
        request = first(it.input)
        said = part(request, "agent") or part(request, "chain") or part(request, "schema_name") or ""
        return self._entry(event, EntryKind.BEGAN, it.workflow_type.name, summary=str(said))

    def _scheduled(self, event: HistoryEvent, it: Any) -> TimelineEntry:
        asked = _Asked(event, it.activity_type.name, _summary(event), first(it.input))
        self._asked[self._execution, event.event_id] = asked
        return self._of(event, asked, state=EntryState.RUNNING)

    def _of(self, event: HistoryEvent, asked: _Asked, **more: Any) -> TimelineEntry:
        more["began"] = asked.event if asked.event != event.event_id else None
        # Runs of today name the step in the summary itself, older ones do not.
        named = f"{asked.summary} ".startswith(f"{asked.step} ")
        summary = asked.summary if named else f"{asked.step} {asked.summary}".strip()
        return self._entry(event, EntryKind.EFFECT, asked.name, summary=summary, attempt=asked.attempt, **more)

    def _ended(self, event: HistoryEvent, scheduled: int) -> tuple[_Asked, int]:
        asked = self._asked.pop((self._execution, scheduled), None) or _Asked(event, "?", "")
        return asked, round((_moment(event) - asked.at).total_seconds() * 1000)

    def _completed(self, event: HistoryEvent, it: Any) -> TimelineEntry:
        asked, took = self._ended(event, it.scheduled_event_id)
        reply = first(it.result)
        return self._of(
            event,
            asked,
            milliseconds=took,
            found=found_of(asked.name, reply),
            verdicts=verdicts_of(reply),
            spent=self._news(asked, reply),
        )

    def _beside(self, event: HistoryEvent, it: Any) -> TimelineEntry | None:
        """An effect within the workflow's own task. Its request is in no history."""
        if it.marker_name != LOCAL:
            return None
        data = first(it.details["data"]) if "data" in it.details else None
        asked = _Asked(event, str(part(data, "activity_type") or "?"), _summary(event))
        if asked.name == BIND:
            return None
        asked.step = asked.summary.partition(" ")[0]
        if it.HasField("failure"):
            return self._of(event, asked, found=_why(it.failure), state=EntryState.FAILED)
        reply = first(it.details["result"]) if "result" in it.details else None
        return self._of(
            event,
            asked,
            found=found_of(asked.name, reply),
            verdicts=verdicts_of(reply),
            spent=self._news(asked, reply),
        )

    def _news(self, asked: _Asked, reply: Any) -> Spend | None:
        """What this reply is the first to say about costs: it may speak of earlier attempts of its step too."""
        news = {
            attempt: spend for attempt, spend in charges_of(reply).items() if (asked.step, attempt) not in self._known
        }
        self._known.update((asked.step, attempt) for attempt in news)
        return sum(news.values(), Spend()) if news else None

    def _failed(self, event: HistoryEvent, it: Any) -> TimelineEntry:
        asked, took = self._ended(event, it.scheduled_event_id)
        cancelled = event.HasField("activity_task_canceled_event_attributes")
        found = "called off" if cancelled else _why(it.failure)
        state = EntryState.CANCELLED if cancelled else EntryState.FAILED
        return self._of(event, asked, milliseconds=took, found=found, state=state)

    def _timer(self, event: HistoryEvent, it: Any) -> TimelineEntry:
        asked = _Asked(event, "wait", _summary(event))
        self._asked[self._execution, event.event_id] = asked
        long = it.start_to_fire_timeout.ToTimedelta()
        found = f"for {long}"
        return self._entry(
            event, EntryKind.TIMER, asked.name, summary=asked.summary, found=found, state=EntryState.RUNNING
        )

    def _fired(self, event: HistoryEvent, it: Any) -> TimelineEntry:
        asked, took = self._ended(event, it.started_event_id)
        return self._entry(event, EntryKind.TIMER, "wait", summary=asked.summary, milliseconds=took, began=asked.event)

    def _labelled(self, event: HistoryEvent, it: Any) -> TimelineEntry | None:
        fields = it.search_attributes.indexed_fields
        if AWAITING_APPROVAL.name in fields:
            waiting = decoded(fields[AWAITING_APPROVAL.name]) is True
            found = "a person has to decide" if waiting else "nobody is waited for any more"
            state = EntryState.RUNNING if waiting else EntryState.DONE
            return self._entry(event, EntryKind.WAITS, "approval", found=found, state=state)
        if PHASE.name in fields:
            return self._entry(event, EntryKind.PHASE, str(decoded(fields[PHASE.name])))
        return None

    def _heard(self, event: HistoryEvent, it: Any) -> None:
        said = it.accepted_request.input
        self._said[self._execution, event.event_id] = (said.name, first(said.args))

    def _replied(self, event: HistoryEvent, it: Any) -> TimelineEntry:
        name, said = self._said.pop((self._execution, it.accepted_event_id), ("update", None))
        reply = first(it.outcome.success) if it.outcome.HasField("success") else None
        refused = part(reply, "came", "reason")
        if refused is None and it.outcome.HasField("failure"):
            refused = _why(it.outcome.failure)
        return self._person(event, name, said, refused, "by update")

    def _signalled(self, event: HistoryEvent, it: Any) -> TimelineEntry:
        return self._person(event, it.signal_name, first(it.input), None, "by signal")

    def _person(self, event: HistoryEvent, name: str, said: Any, refused: Any, how: str) -> TimelineEntry:
        words = (part(said, "ruling") or name, part(said, "step"))
        reason = part(said, "reason")
        found = [str(part(said, "by") or "somebody"), how]
        found += [f"says: {reason}"] if reason else []
        found += ["with other arguments"] if part(said, "arguments") is not None else []
        found += [f"rejected: {refused}"] if refused else []
        return self._entry(
            event,
            EntryKind.PERSON,
            str(words[0]),
            summary=str(words[1] or ""),
            found=", ".join(found),
            state=EntryState.FAILED if refused else EntryState.DONE,
        )

    def _cancel(self, event: HistoryEvent, it: Any) -> TimelineEntry:
        return self._entry(event, EntryKind.CANCEL, "cancel", found=it.cause or "somebody asked the run to stop")

    def _stuck(self, event: HistoryEvent, it: Any) -> TimelineEntry | None:
        if it.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW:
            # What came after this point stands in the execution that was left.
            return self._entry(event, EntryKind.CONTINUED, "retried", found=" ".join(it.failure.message.split()))
        if not it.failure.message:
            return None
        return self._entry(event, EntryKind.STUCK, "worker", found=_why(it.failure), state=EntryState.FAILED)

    def _child(self, event: HistoryEvent, it: Any) -> TimelineEntry:
        self._asked[self._execution, event.event_id] = _Asked(event, it.workflow_type.name, it.workflow_id)
        return self._entry(
            event, EntryKind.CHILD, it.workflow_type.name, summary=it.workflow_id, state=EntryState.RUNNING
        )

    def _child_ended(self, event: HistoryEvent, it: Any) -> TimelineEntry:
        asked, took = self._ended(event, it.initiated_event_id)
        done = event.HasField("child_workflow_execution_completed_event_attributes")
        found = str(part(first(it.result), "outcome", "kind") or "") if done else ""
        state = EntryState.DONE if done else EntryState.FAILED
        return self._entry(
            event,
            EntryKind.CHILD,
            asked.name,
            summary=asked.summary,
            found=found,
            state=state,
            milliseconds=took,
            began=asked.event,
        )

    def _continued(self, event: HistoryEvent, it: Any) -> TimelineEntry:
        return self._entry(event, EntryKind.CONTINUED, "continued", found=f"as {it.new_execution_run_id}")

    def _over(self, event: HistoryEvent, it: Any) -> TimelineEntry:
        match event.WhichOneof("attributes"):
            case "workflow_execution_completed_event_attributes":
                outcome = str(part(first(it.result), "outcome", "kind") or "completed")
                return self._entry(event, EntryKind.ENDED, outcome)
            case "workflow_execution_failed_event_attributes":
                name, found = "failed", _why(it.failure)
            case "workflow_execution_terminated_event_attributes":
                name, found = "terminated", it.reason
            case "workflow_execution_timed_out_event_attributes":
                name, found = "timed_out", "its time was over"
            case _:
                name, found = "cancelled", "before it could say what it had spent"
        return self._entry(event, EntryKind.ENDED, name, found=found, state=EntryState.FAILED)


def next_execution(event: HistoryEvent) -> str:
    """The run id of the execution that goes on where this event ends one; empty where none does."""
    return event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id


def _moment(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(tzinfo=UTC)


def _summary(event: HistoryEvent) -> str:
    said = decoded(event.user_metadata.summary) if event.user_metadata.HasField("summary") else None
    return said if isinstance(said, str) else ""


def _why(failure: Failure) -> str:
    """The reason at the bottom of a failure, in one line."""
    while failure.HasField("cause") and failure.cause.message:
        failure = failure.cause
    if failure.HasField("timeout_failure_info"):
        name = TimeoutType.Name(failure.timeout_failure_info.timeout_type).removeprefix("TIMEOUT_TYPE_").lower()
        return f"timed out ({name})"
    return " ".join(failure.message.split())
