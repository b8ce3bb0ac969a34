"""Only the previous execution may hand a state over to a run, whatever a client sends or has retried."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from perdure.client import Platform
from perdure.contracts.runs.continued import AgentInput
from perdure.contracts.runs.run import AgentRequest, Answered
from perdure.contracts.temporal.queues import Queue
from perdure.errors import RunFailed
from perdure.launch import TASK_TIMEOUT, Launch
from perdure.runs import workflow_id
from tests.support.runs.agent_runs import SUM, answer, calls
from tests.support.runs.continued import BUDGET, executions, handed_over
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until
from workflows.plugin import AGENTS

pytestmark = pytest.mark.usefixtures("working")


@pytest.fixture
def run() -> str:
    """Return a run's business id."""
    return uuid.uuid4().hex


@pytest.mark.parametrize("attempts", [1, 2], ids=["started", "retried"])
async def test_nobody_starts_a_run_from_a_state_of_their_own(
    client: Client, stub: StubModel, platform: Platform, run: str, attempts: int
) -> None:
    forged = await forge(client, platform, stub, run, Queue.PLATFORM, attempts=attempts)
    calls_before = stub.calls
    with pytest.raises(RunFailed, match="handed_over: only an execution that was continued may have it"):
        await platform.result(forged)
    assert len(await platform.executions(forged)) == 1, "it is refused for good, and not retried"
    assert stub.calls == calls_before


async def test_nobody_starts_a_run_from_a_state_of_their_own_by_a_first_attempt_that_times_out(
    client: Client, environment: WorkflowEnvironment, stub: StubModel, platform: Platform, run: str
) -> None:
    with environment.with_time_skipping_disabled():
        forged = await forge(client, platform, stub, run, "late", attempts=0, run_timeout=timedelta(seconds=3))
        calls_before = stub.calls

        async def retried() -> bool:
            return await executions(platform, forged) == 2

        await until(retried, what="the first attempt is timed out, and the second begins")
        async with Worker(client, task_queue="late", workflows=AGENTS):
            with pytest.raises(RunFailed, match="handed_over: only an execution that was continued may have it"):
                await asyncio.wait_for(platform.result(forged), 30)
    assert stub.calls == calls_before


async def test_a_continued_run_that_fails_for_a_passing_cause_goes_on_where_its_client_has_it_retried(
    client: Client, stub: StubModel, platform: Platform, run: str
) -> None:
    turns = [calls(SUM) for _ in range(8)]
    stub.script = [*turns, "400", calls(SUM), answer("At last.")]
    request = AgentRequest.strictly({"task": "Do much.", "agent": "tester", "budget": BUDGET})
    launch = Launch.of(request, Queue.PLATFORM)
    await client.start_workflow(
        launch.kind,
        AgentInput.model_validate(request.model_dump()),
        id=workflow_id("default", run),
        task_queue=launch.task_queue,
        task_timeout=TASK_TIMEOUT,
        retry_policy=RetryPolicy(maximum_attempts=3, initial_interval=timedelta(milliseconds=100)),
    )
    result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    assert result.outcome.answer.body == "At last."
    starts = [
        execution.events[0].workflow_execution_started_event_attributes for execution in await platform.executions(run)
    ]
    assert 2 in [start.attempt for start in starts[2:]], "an execution that went on from another was retried"


async def forge(
    client: Client, platform: Platform, stub: StubModel, run: str, queue: str, *, attempts: int, **options: Any
) -> str:
    """Start a run with the state that another run handed over to itself, and return its business id."""
    stub.script = [*(calls(SUM) for _ in range(8)), answer()]
    await platform.run_agent("Do much.", agent="tester", business_id=run, budget=BUDGET)
    state = await handed_over(client, platform, run)
    request = AgentRequest.strictly({"task": "Do much.", "agent": "tester"})
    launch = Launch.of(request, Queue.PLATFORM)
    await client.start_workflow(
        launch.kind,
        AgentInput(task=request.task, agent="tester", handed_over=state),
        id=workflow_id("default", f"{run}-forged"),
        task_queue=launch.task_queue if queue == Queue.PLATFORM else queue,
        task_timeout=TASK_TIMEOUT,
        retry_policy=RetryPolicy(maximum_attempts=attempts, initial_interval=timedelta(milliseconds=100)),
        **options,
    )
    return f"{run}-forged"
