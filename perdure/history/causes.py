"""The cause of a failed run, read from the end of its history: a pure function."""

import hashlib
import re
from collections.abc import Sequence

from temporalio.api.enums.v1 import EventType, TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from perdure.contracts.runs.failures import FailureCause
from perdure.history.payloads import first, part

TAIL = 40
"""The number of events at the end of a history that are enough to find what failed last."""

FAULTS = ("EffectFailed", "Fault", "")
"""The types that a run gives to its own failure: they say only that something failed."""

RUN = "run"
"""The effect of a failure that no effect caused."""

LONGEST = 240
"""The most characters of a cause's message."""

_EFFECT = re.compile(r"^([a-z_]{2,40}): ")
_STEP = re.compile(r"^[a-z]+(?:-\d+)+: ")
_TRIES = re.compile(r"^gave up after \d+ attempts?(?:, the last of which failed: |$)")
_KEPT = r"https?://[^\s/'\"]+|\bstatus \d{3}\b|\b[\w.-]+\.py:\d+\b"
_DAYS = r"\d+ days?, \d+:\d{2}:\d{2}|\b\d+:\d{2}:\d{2}\b"
_MOMENT = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?"
_ID = r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b(?=[a-f]*\d)[0-9a-f]{8,}\b"
_SPAN = r"\d[\d,.]*\s?(?:ms|s|min|m|h|d|seconds?|minutes?|hours?|days?)\b"
_CHANGES = re.compile(f"({_KEPT})|{_MOMENT}|{_DAYS}|{_ID}|{_SPAN}|\\d(?:[\\d,.]*\\d)?")


def cause_of(events: Sequence[HistoryEvent], business_id: str = "", tenant: str = "") -> FailureCause:
    """Return the cause of a failed run from the last `TAIL` events of its history, in their order."""
    last = events[-1] if events else HistoryEvent()
    if last.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
        return _cause(RUN, "Timeout", "its time was over")
    failure = last.workflow_execution_failed_event_attributes.failure
    message = " ".join(failure.message.split())
    named = _EFFECT.match(message)
    effect = named.group(1) if named else RUN
    kind = _kind(failure)
    if kind in FAULTS:
        kind = _last_kind(events, effect) or kind
    return _cause(effect, kind or "unknown", stable(message[named.end() :] if named else message, business_id, tenant))


def stable(message: str, business_id: str = "", tenant: str = "") -> str:
    """Return a message without what differs from run to run: numbers, ids, moments, spans of time, the step's name.

    The address of a server, a status and a place in the code stay: they tell causes apart.
    """
    text = _STEP.sub("", " ".join(message.split()))
    text = _STEP.sub("", _TRIES.sub("", text)) or "gave up"
    for name in sorted({name for name in (business_id, f"{tenant}:{business_id}") if name.strip(":")}, key=len):
        text = text.replace(f"'{name}'", "'…'")
    text = _CHANGES.sub(lambda found: found.group(1) or "…", text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _cause(effect: str, kind: str, message: str) -> FailureCause:
    digest = hashlib.sha256(f"{effect}\n{kind}\n{message}".encode()).hexdigest()
    return FailureCause(id=digest[:8], effect=effect, kind=kind, message=message)


def _kind(failure: Failure) -> str:
    """Return the kind at the bottom of a failure."""
    while failure.HasField("cause"):
        failure = failure.cause
    if failure.HasField("timeout_failure_info"):
        return _timeout(failure)
    if failure.HasField("application_failure_info"):
        return failure.application_failure_info.type
    return ""


def _timeout(failure: Failure) -> str:
    name = TimeoutType.Name(failure.timeout_failure_info.timeout_type).removeprefix("TIMEOUT_TYPE_").lower()
    return f"Timeout ({name})"


def _last_kind(events: Sequence[HistoryEvent], effect: str) -> str:
    """Return the kind of the last failure of this effect: a run that gave up after several attempts names none."""
    scheduled = {
        event.event_id: event.activity_task_scheduled_event_attributes.activity_type.name
        for event in events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    }
    for event in reversed(events):
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                failed = event.activity_task_failed_event_attributes
                number, kind = failed.scheduled_event_id, _kind(failed.failure)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                timed_out = event.activity_task_timed_out_event_attributes
                number, kind = timed_out.scheduled_event_id, _kind(timed_out.failure)
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                completed = event.activity_task_completed_event_attributes
                lost = part(first(completed.result), "came", "kind") == "again"
                number, kind = completed.scheduled_event_id, "lost attempt" if lost else ""
            case EventType.EVENT_TYPE_MARKER_RECORDED if event.marker_recorded_event_attributes.HasField("failure"):
                return _kind(event.marker_recorded_event_attributes.failure)
            case _:
                continue
        if kind and scheduled.get(number, effect) == effect:
            return kind
    return ""
