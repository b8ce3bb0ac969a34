"""What a run was asked for and by whom, read from the first events of its history."""

from collections.abc import Iterable
from typing import Any

from temporalio.api.history.v1 import HistoryEvent

from perdure.contracts.runs.beginning import Beginning
from perdure.history.payloads import first, part

PIN = "pin_agent"
"""The effect that says whom the token of the run's starter names."""

LOOKED_AT = 40
"""The most events that are looked at: an agent is pinned within the first few."""


def beginning_of(events: Iterable[HistoryEvent]) -> Beginning:
    """Return what the run of these first events was asked for."""
    request: Any = None
    subject = ""
    for event in events:
        if event.HasField("workflow_execution_started_event_attributes"):
            request = first(event.workflow_execution_started_event_attributes.input)
        details = event.marker_recorded_event_attributes.details
        if "result" in details and part(first(details["data"]), "activity_type") == PIN:
            subject = subject or str(part(first(details["result"]), "subject") or "")
    asked = next((value for field in ("task", "question") if (value := part(request, field)) is not None), None)
    task = part(asked, "body") if isinstance(asked, dict) else asked
    return Beginning(
        task=task if isinstance(task, str) else None,
        starter=subject or str(part(request, "started_by") or ""),
        verified=bool(subject),
    )
