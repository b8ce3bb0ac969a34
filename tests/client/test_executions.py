"""The executions of a run; of a run that was reset, only the one that goes on is listed."""

import uuid
from pathlib import Path

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client

from activities.settings import Settings
from perdure.client import Platform, workflow_id
from tests.support.runs.agent_runs import SUM, answer, calls, with_agents, write_agent
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    write_agent(tmp_path)
    return with_agents(settings, tmp_path)


async def test_of_a_run_that_was_reset_the_one_that_goes_on_is_told(
    platform: Platform, client: Client, stub: StubModel
) -> None:
    stub.script = [calls(SUM), answer("Before."), answer("After.")]
    run = await platform.start_agent("Count.", agent="tester")
    await platform.result(run)
    [before] = await platform.executions(run)
    thought = next(event for event in before.events if event.HasField("activity_task_started_event_attributes"))
    task = next(
        event
        for event in before.events
        if event.HasField("workflow_task_completed_event_attributes") and event.event_id > thought.event_id
    )
    name = workflow_id("default", run)
    execution = WorkflowExecution(workflow_id=name, run_id=(await client.get_workflow_handle(name).describe()).run_id)
    reset = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=execution,
            reason="look again",
            workflow_task_finish_event_id=task.event_id,
            request_id=uuid.uuid4().hex,
        )
    )
    await platform.result(run)
    [entry, *_] = [entry async for entry in platform.timeline(run)]
    assert entry.execution == reset.run_id
    [told] = await platform.executions(run)
    now = await client.get_workflow_handle(name).fetch_history()
    assert [event.event_id for event in told.events] == [event.event_id for event in now.events]
