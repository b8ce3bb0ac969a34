"""Asks the Temporal server about executions, through the client of the worker that runs the activity."""

from datetime import UTC
from typing import Any, cast

from temporalio import activity
from temporalio.service import RPCError, RPCStatusCode

from activities.ports import Beginning, Execution, NotThisRun, ServerAway
from perdure.history.payloads import first


class TemporalExecutions:
    """An `Executions`, for use within activities."""

    async def look(self, workflow_id: str, run_id: str) -> Execution:
        """Return the server's description of an execution. Raises `NotThisRun` for an unknown one, `ServerAway`."""
        handle = activity.client().get_workflow_handle(workflow_id, run_id=run_id)
        try:
            description = await handle.describe()
        except RPCError as error:
            raise _port_error(error, workflow_id, run_id) from None
        info = description.raw_description.workflow_execution_info
        parent = info.parent_execution.run_id if info.HasField("parent_execution") else ""
        return Execution(
            workflow_id=info.execution.workflow_id,
            run_id=info.execution.run_id,
            first_run_id=info.first_run_id or info.execution.run_id,
            kind=info.type.name,
            parent=parent,
            started_at=info.start_time.ToDatetime(UTC),
        )

    async def beginning(self, workflow_id: str, first_run_id: str) -> Beginning:
        """Return the time and the request of a run's start. Raises `NotThisRun` for an unknown run, `ServerAway`."""
        handle = activity.client().get_workflow_handle(workflow_id, run_id=first_run_id)
        try:
            event = await anext(aiter(handle.fetch_history_events(page_size=1)))
        except RPCError as error:
            raise _port_error(error, workflow_id, first_run_id) from None
        request: object = first(event.workflow_execution_started_event_attributes.input)
        fields = cast("dict[str, Any]", request) if isinstance(request, dict) else {}
        return Beginning(at=event.event_time.ToDatetime(UTC), request=fields)


def _port_error(error: RPCError, workflow_id: str, run_id: str) -> NotThisRun | ServerAway:
    if error.status is RPCStatusCode.NOT_FOUND and "namespace" not in error.message.lower():
        return NotThisRun(f"the server knows no execution {run_id!r} of {workflow_id!r}")
    return ServerAway(f"the Temporal server does not say what {workflow_id!r} is: {error.message}")
