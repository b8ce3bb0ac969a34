"""Asks the Temporal server about executions, through the client of the worker that does an effect."""

from datetime import UTC

from temporalio import activity
from temporalio.service import RPCError, RPCStatusCode

from activities.ports import Execution, NotThisRun, ServerAway


class TemporalExecutions:
    """An `Executions`, for use within effects."""

    async def look(self, workflow_id: str, run_id: str) -> Execution:
        """What the server knows of an execution. Raises `NotThisRun` where it knows of none, `ServerAway`."""
        handle = activity.client().get_workflow_handle(workflow_id, run_id=run_id)
        try:
            seen = await handle.describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND and "namespace" not in error.message.lower():
                raise NotThisRun(f"the server knows no execution {run_id!r} of {workflow_id!r}") from None
            raise ServerAway(f"the Temporal server does not say what {workflow_id!r} is: {error.message}") from None
        info = seen.raw_description.workflow_execution_info
        parent = info.parent_execution.run_id if info.HasField("parent_execution") else ""
        return Execution(
            workflow_id=info.execution.workflow_id,
            run_id=info.execution.run_id,
            first_run_id=info.first_run_id or info.execution.run_id,
            kind=info.type.name,
            parent=parent,
            started_at=info.start_time.ToDatetime(UTC),
        )
