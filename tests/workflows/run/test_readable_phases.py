"""Short phases of a run can be read in the Temporal UI while they last."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from temporalio.client import Client

from activities.composition import Adapters, WorkerRole
from activities.settings import Settings
from perdure.client import Platform
from perdure.contracts.temporal.queues import Queue
from perdure.runs import workflow_id
from tests.support.runs.agent_runs import BRIEF, LONG, READS, SUM, answer, calls, with_agents, write_agent
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until
from worker import workers


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    write_agent(tmp_path, "brief", READS, BRIEF)
    write_agent(tmp_path, "screened", READS, '[[screen]]\nguard = "injection"\n')
    return with_agents(settings, tmp_path)


@pytest.fixture
async def unguarded(client: Client, settings: Settings) -> AsyncIterator[Platform]:
    """Return a platform without guards workers: a check by a guard waits."""
    async with AsyncExitStack() as stack:
        for worker in workers(client, settings, await Adapters.open(settings, stack), [WorkerRole.WORKFLOWS]):
            await stack.enter_async_context(worker)
        yield Platform(client, task_queue=Queue.WORKFLOWS)


async def page_head(client: Client, run: str, words: str) -> str:
    """Return the text above the table once it contains `words`."""
    handle, text = client.get_workflow_handle(workflow_id("default", run)), ""

    async def says_so() -> bool:
        nonlocal text
        text = str((await handle.query("__temporal_workflow_metadata")).current_details)
        return words in text

    await until(says_so, what=f"the page says {words!r}")
    return text.split("| time (UTC)", maxsplit=1)[0]


async def test_a_run_whose_task_waits_for_its_guards_says_so_and_who_started_it(
    unguarded: Platform, client: Client
) -> None:
    run = await unguarded.start_agent("Count.", agent="screened", started_by="sam")
    head = await page_head(client, run, "its task is screened")
    assert head.startswith("**pinning** since 2")
    assert "Model: **fast**. Started by **sam**, unverified." in head
    await client.get_workflow_handle(workflow_id("default", run)).terminate()


@pytest.mark.usefixtures("working")
async def test_a_run_that_sums_up_names_the_summary(platform: Platform, client: Client, stub: StubModel) -> None:
    stub.script = [calls(SUM), calls(SUM) | LONG, "hang-mid", answer()]
    run = await platform.start_agent("Count.", agent="brief")
    head = await page_head(client, run, "**compacting** since 2")
    assert "the model sums older turns up before its window is full (compact-1)." in head
    await platform.cancel(run)
    await platform.result(run)
