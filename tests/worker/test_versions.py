"""Versions of workers on a real server: an agent ends on the version it began on, a chain goes on with the next one."""

import re
import shlex
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.worker import Worker

from activities.adapters.temporal.worker_versions import notice, version_of, versions
from activities.composition import Adapters, WorkerRole
from activities.settings import ROOT, Settings, Work
from perdure.client import Platform, workflow_id
from perdure.contracts.budget import Budget
from perdure.contracts.runs.run import Answered
from perdure.contracts.temporal.queues import Queue
from perdure.contracts.tool_calls.decisions import Ruling
from tests.support.runs.agent_runs import MESSAGE, SUM, answer, calls, says, waits, with_agents, write_agent
from tests.support.runs.versions import (
    DEPLOYMENT,
    address_of,
    asked_for,
    builds_of,
    connection,
    doers_of,
    of_version,
    own_server,
    serving,
    use,
)
from tests.support.servers.stub_model import StubModel
from tests.support.servers.temporal import TEMPORAL
from tests.support.waiting import until
from workflows.plugin import AGENTS

QUESTION = "How long is parental leave?"


@pytest_asyncio.fixture(loop_scope="session")
async def own() -> AsyncIterator[Client]:
    async with own_server() as client:
        yield client


@pytest.fixture
def agents(settings: Settings, tmp_path: Path) -> Settings:
    write_agent(tmp_path, more='[[screen]]\nguard = "secrets_present"\n')
    return with_agents(settings, tmp_path)


async def test_an_agent_that_began_on_v1_ends_on_v1_while_new_ones_begin_on_v2(
    own: Client, agents: Settings, stub: StubModel
) -> None:
    platform = Platform(own)
    async with serving(own, agents, "v1"):
        await use(own, "v1")
        stub.script = [calls(MESSAGE)]
        old = await platform.start_agent("Tell them.", agent="tester")
        [step] = await waits(platform, old)
        async with serving(own, agents, "v2"):
            await use(own, "v2")
            stub.script = [answer(), answer()]
            new = await platform.start_agent("Say it.", agent="tester")
            assert isinstance((await platform.result(new)).outcome, Answered)
            await platform.decide(old, says(step, Ruling.DENY))
            assert isinstance((await platform.result(old)).outcome, Answered)
            assert await builds_of(own, old) == ["v1"]
            assert await doers_of(own, old, "screen") == {"v1"}
            assert await builds_of(own, new) == ["v2"]
            assert await doers_of(own, new, "screen") == {"v2"}


async def test_an_agent_stays_on_v1_in_the_executions_that_it_goes_on_in(agents: Settings, stub: StubModel) -> None:
    # Not fewer events: the server's own workflows for versions would do nothing but continue as new.
    async with own_server("--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=150") as own:
        platform = Platform(own)
        async with serving(own, agents, "v1"):
            await use(own, "v1")
            stub.script = [calls(MESSAGE), *(calls(SUM) for _ in range(25)), answer()]
            budget = Budget(steps=40, tool_calls=40, input_tokens=10**7)
            run = await platform.start_agent("Tell them.", agent="tester", budget=budget)
            [step] = await waits(platform, run)
            async with serving(own, agents, "v2"):
                await use(own, "v2")
                await platform.decide(run, says(step, Ruling.DENY))
                assert isinstance((await platform.result(run)).outcome, Answered)
        assert len(await platform.executions(run)) >= 2
        assert await builds_of(own, run) == ["v1"]


async def test_a_chain_that_began_on_v1_goes_on_with_v2_when_v1_is_gone(own: Client, settings: Settings) -> None:
    platform = Platform(own, task_queue=Queue.WORKFLOWS)
    async with serving(own, settings, "v1", [WorkerRole.WORKFLOWS, WorkerRole.RETRIEVAL, WorkerRole.GUARDS]):
        await use(own, "v1")
        run = await platform.start(QUESTION)
        await until(lambda: asked_for(own, run, "generate"), what="the model is asked, which nobody serves")
    async with serving(own, settings, "v2"):
        await use(own, "v2")
        assert isinstance((await platform.result(run)).outcome, Answered)
    assert await builds_of(own, run) == ["v1", "v2"]


async def test_a_run_waits_for_a_version_to_be_current_and_is_not_lost(own: Client, settings: Settings) -> None:
    platform = Platform(own)
    async with serving(own, settings, "v1"):
        run = await platform.start(QUESTION)

        async def waits_unversioned() -> bool:
            state = await versions(own, DEPLOYMENT)
            return state is not None and (state.current, state.unversioned) == (None, 1)

        await until(waits_unversioned, what="the run waits for workers without a version")
        assert await builds_of(own, run) == []
        await use(own, "v1")
        assert isinstance((await platform.result(run)).outcome, Answered)
    assert await builds_of(own, run) == ["v1"]


async def test_without_a_deployment_workers_have_no_version_and_take_every_run(
    own: Client, agents: Settings, settings: Settings, stub: StubModel
) -> None:
    platform = Platform(own)
    stub.script = [answer()]
    async with serving(own, agents, None):
        run = await platform.start_agent("Say it.", agent="tester")
        assert isinstance((await platform.result(run)).outcome, Answered)
        assert await builds_of(own, run) == [""]
        assert await versions(own, DEPLOYMENT) is None
        assert await notice(own, settings.work) is None


async def test_a_run_of_workers_without_a_version_goes_on_in_the_first_version(
    own: Client, agents: Settings, stub: StubModel
) -> None:
    platform = Platform(own)
    stub.script = [calls(MESSAGE), answer()]
    async with serving(own, agents, None):
        run = await platform.start_agent("Tell them.", agent="tester")
        [step] = await waits(platform, run)
    async with serving(own, agents, "v1"):
        await use(own, "v1")
        await platform.decide(run, says(step, Ruling.DENY))
        assert isinstance((await platform.result(run)).outcome, Answered)
    assert await builds_of(own, run) == ["", "v1"]


async def test_an_effect_of_a_version_that_is_gone_waits_until_its_run_is_moved(
    own: Client, agents: Settings, stub: StubModel
) -> None:
    platform = Platform(own)
    stub.script = [answer(), answer()]
    async with serving(own, agents, "v1"):
        await use(own, "v1")
    # Only the workflow workers of v1 are left: the effects that they ask for are not run.
    options = version_of(of_version(agents, "v1").work, Queue.AGENTS)
    client = await connection(own, "v1, deciding")
    deciding: dict[str, Any] = {"workflows": AGENTS, "no_remote_activities": True, **options}
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(agents, stack)
        await stack.enter_async_context(Worker(client, task_queue=Queue.AGENTS, activities=parts.routing(), **deciding))
        old = await platform.start_agent("Say it.", agent="tester", business_id="order-7")
        await until(lambda: asked_for(own, old, "screen"), what="the run asks for its first effect")
    async with serving(own, agents, "v2"):
        await use(own, "v2")
        new = await platform.start_agent("Say it.", agent="tester")
        assert isinstance((await platform.result(new)).outcome, Answered)
        # The later run finished on the same queue, past the earlier one's first effect.
        [waiting] = (
            await own.get_workflow_handle(workflow_id("default", old)).describe()
        ).raw_description.pending_activities
        assert waiting.activity_type.name == "screen"
        assert await doers_of(own, old, "screen") == set()
        temporal(own, "workflow update-options")
        assert isinstance((await platform.result(old)).outcome, Answered)
    assert await builds_of(own, old) == ["v1", "v2"]
    assert await doers_of(own, old, "screen") == {"v2"}


def temporal(client: Client, command: str) -> None:
    """Run the line of the README that begins so, with the real command line tool."""
    readme = (ROOT / "deploy" / "versions" / "README.md").read_text()
    [line] = re.findall(rf"^temporal ({command}.*)$", readme, re.MULTILINE)
    arguments = [str(TEMPORAL), *shlex.split(line), "--address", address_of(client)]
    process = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert (process.returncode, process.stderr) == (0, "")


async def test_a_server_that_knows_no_versions_is_named_with_the_setting_to_leave_out() -> None:
    async with own_server("--dynamic-config-value", "system.enableDeploymentVersions=false") as client:
        warning = await notice(client, Work(deployment=DEPLOYMENT))
    assert warning is not None
    assert "Worker Deployment Versions are disabled" in warning
    assert "PERDURE_WORK__DEPLOYMENT is not set" in warning


@pytest.mark.parametrize("queue", Queue)
def test_only_queues_of_workflows_have_a_version(queue: Queue) -> None:
    deciding = {Queue.AGENTS, Queue.PLATFORM, Queue.WORKFLOWS}
    options = version_of(Work(deployment=DEPLOYMENT), queue)
    assert ("deployment_config" in options) == (queue in deciding)
