"""A run that waits out an outage keeps waiting in its next execution, and finishes after the outage."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.adapters.databases.sqlite_database import SqliteDatabase
from activities.settings import Settings
from deploy.local.stack.desk import Desk
from perdure.client import Platform
from perdure.contracts.budget import Spend
from perdure.contracts.runs.run import Answered, Cancelled
from perdure.contracts.tool_calls.decisions import Ruling
from perdure.runs import workflow_id
from tests.support.faults.outages import Door, away, door
from tests.support.runs.agent_runs import MESSAGE, SUM, TICKET, answer, calls, says, waits
from tests.support.runs.continued import BUDGET, executions, handed_over
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until
from worker import Adapters, WorkerRole, workers


@pytest_asyncio.fixture(loop_scope="session")
async def model_door(stub: StubModel) -> AsyncIterator[Door]:
    """Open the only door to the model."""
    async with door("127.0.0.1", stub.server_address[1]) as opened:
        yield opened


@pytest.fixture
def settings(settings: Settings, state: Path, model_door: Door, tmp_path: Path) -> Settings:
    """Return settings with a database of this test's own, over the index that all tests share."""
    (tmp_path / "index").symlink_to(state / "index")
    model = settings.model.model_copy(update={"endpoints": {"fast": model_door.url, "strong": model_door.url}})
    paths = settings.paths.model_copy(update={"state": tmp_path})
    return settings.model_copy(update={"model": model, "paths": paths})


@pytest_asyncio.fixture(loop_scope="session")
async def parts(client: Client, settings: Settings) -> AsyncIterator[Adapters]:
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield parts


@asynccontextmanager
async def shut(model_door: Door) -> AsyncGenerator[None]:
    await model_door.shut()
    try:
        yield
    finally:
        await model_door.open()


def database(parts: Adapters) -> SqliteDatabase:
    assert isinstance(parts.database, SqliteDatabase)
    return parts.database


async def page(client: Client, run: str) -> str:
    handle = client.get_workflow_handle(workflow_id("default", run))
    return str((await handle.query("__temporal_workflow_metadata")).current_details)


async def waits_in(client: Client, platform: Platform, run: str, execution: int) -> None:
    """Wait until the run waits out an outage in this execution or a later one, and its page says so."""

    async def is_waiting() -> bool:
        if await executions(platform, run) < execution:
            return False
        return "waits for what is away** since" in await page(client, run)

    await until(is_waiting, what=f"the run waits in its execution {execution}", seconds=120)


async def test_an_outage_outlasts_executions_and_the_run_then_finishes(  # noqa: PLR0917 - all of the world
    platform: Platform, client: Client, parts: Adapters, stub: StubModel, received: Desk, model_door: Door
) -> None:
    stub.script = [calls(SUM, TICKET), answer("Opened.")]
    async with AsyncExitStack() as outages:
        async with shut(model_door):
            run = await platform.start_agent("Open it.", agent="tester", budget=BUDGET)
            await waits_in(client, platform, run, 2)
            await outages.enter_async_context(away(database(parts)))
        # The model is back, and now the database is away: the same step waits.
        await waits_in(client, platform, run, await executions(platform, run) + 1)
        assert stub.calls == 0
    state = await handed_over(client, platform, run)
    assert state.run.attempted > 3, "more than the tries that a step has"
    assert state.run.allowance.reserved == Spend()
    result = await asyncio.wait_for(platform.result(run), 120)
    assert isinstance(result.outcome, Answered)
    assert (result.spent.steps, result.unsettled, stub.calls) == (2, Spend(), 2), "a refused attempt is no step"
    assert list(received.received()["tickets"].values()) == [1]
    assert "after it began to wait" in await page(client, run)


async def test_a_call_that_waits_for_what_is_away_is_made_once_by_a_later_execution(  # noqa: PLR0917 - all of the world
    environment: WorkflowEnvironment,
    platform: Platform,
    client: Client,
    parts: Adapters,
    stub: StubModel,
    received: Desk,
) -> None:
    stub.script = [calls(MESSAGE), answer("Sent.")]
    with environment.with_time_skipping_disabled():
        run = await platform.start_agent("Tell them.", agent="tester", budget=BUDGET)
        [step] = await waits(platform, run)
        await platform.pause(run, by="ada")
        await platform.decide(run, says(step, Ruling.APPROVE))
    async with away(database(parts)):
        await platform.resume(run, by="ada")
        await waits_in(client, platform, run, 2)
    result = await asyncio.wait_for(platform.result(run), 120)
    assert isinstance(result.outcome, Answered)
    assert (result.spent.steps, result.spent.tool_calls, result.unsettled) == (2, 1, Spend())
    assert list(received.received()["messages"].values()) == [1]


@pytest.mark.usefixtures("parts")
async def test_a_run_that_waits_in_a_later_execution_can_be_cancelled(
    platform: Platform, client: Client, stub: StubModel, model_door: Door
) -> None:
    async with shut(model_door):
        run = await platform.start_agent("What?", agent="tester", budget=BUDGET)
        await waits_in(client, platform, run, 2)
        await platform.cancel(run)
        result = await asyncio.wait_for(platform.result(run), 60)
    assert isinstance(result.outcome, Cancelled)
    assert (result.spent, result.unsettled, stub.calls) == (Spend(), Spend(), 0)
