"""Parts of a history's events that every reader needs: when, in which words, and why it failed."""

from datetime import UTC, datetime

from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent

from perdure.history.payloads import decoded


def moment(event: HistoryEvent) -> datetime:
    """Return the moment of an event, in UTC."""
    return event.event_time.ToDatetime(tzinfo=UTC)


def summary(event: HistoryEvent) -> str:
    """Return the summary that the workflow gave to an event; empty for none."""
    words = decoded(event.user_metadata.summary) if event.user_metadata.HasField("summary") else None
    return words if isinstance(words, str) else ""


def why(failure: Failure) -> str:
    """Return the reason at the bottom of a failure, in one line."""
    while failure.HasField("cause") and failure.cause.message:
        failure = failure.cause
    if failure.HasField("timeout_failure_info"):
        name = TimeoutType.Name(failure.timeout_failure_info.timeout_type).removeprefix("TIMEOUT_TYPE_").lower()
        return f"timed out ({name})"
    return " ".join(failure.message.split())
