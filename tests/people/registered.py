"""A stand-in for the registry of runs, until there is one: it reads who a run is from the run's own history."""

from datetime import UTC

from temporalio import activity
from temporalio.client import Client

from activities.ports import NotThisRun
from perdure.contracts.budget import Budget
from perdure.contracts.continued import AgentInput
from perdure.contracts.contract import Digest
from perdure.contracts.registry import RegisteredRun
from perdure.contracts.steps import StepKey


class RightsByTheHistory:
    """In the place of `Rights`: the same answers, from the server alone."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def of(self, key: StepKey, pinned: Digest | None = None) -> RegisteredRun:
        info = activity.info()
        handle = self._client.get_workflow_handle(info.workflow_id or "", run_id=info.workflow_run_id)
        async for event in handle.fetch_history_events():
            begun = event.workflow_execution_started_event_attributes
            if (info.workflow_id, begun.first_execution_run_id) != (key.workflow_id, key.run_id):
                break
            request = AgentInput.model_validate_json(begun.input.payloads[0].data)
            return RegisteredRun(
                tenant=request.tenant,
                workflow_id=key.workflow_id,
                run_id=begun.first_execution_run_id,
                kind="agent",
                spec=request.agent,
                pinned=pinned or "0" * 64,
                budget=Budget(),
                started_by=request.started_by,
                registered_at=event.event_time.ToDatetime(UTC),
            )
        raise NotThisRun(f"the key names {key.workflow_id!r}, {key.run_id!r}, and {info.workflow_id!r} asks")
