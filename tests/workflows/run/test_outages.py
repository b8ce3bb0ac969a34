"""A run waits out an outage: no attempt is counted, nothing is spent, the page of the run says so, and it goes on."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs
from temporalio.client import Client

from activities.adapters.databases.sqlite_database import SqliteDatabase
from activities.settings import ROOT, Settings, Tools
from deploy.local.stack.desk import DeskServer
from perdure.client import Platform
from perdure.contracts.budget import Budget, Spend
from perdure.contracts.runs.run import Answered, Cancelled, Exhausted
from perdure.contracts.runs.timeline import EntryKind
from perdure.errors import RunFailed
from perdure.runs import workflow_id
from tests.support.faults.full_disk import full_disk
from tests.support.faults.outages import Door, away, door
from tests.support.runs.agent_runs import SUM, TICKET, answer, calls, with_agents, write_agent
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until
from worker import Adapters, WorkerRole, workers

QUESTION = "How many weeks of parental leave are paid in full?"

LONG = 12
"""Refusals in a row: far more than the three tries that a step has."""


@pytest_asyncio.fixture(loop_scope="session")
async def model_door(stub: StubModel) -> AsyncIterator[Door]:
    """Open the only door to the model."""
    async with door("127.0.0.1", stub.server_address[1]) as opened:
        yield opened


@pytest.fixture
def settings(settings: Settings, state: Path, desk: DeskServer, model_door: Door, tmp_path: Path) -> Settings:
    """Return settings with an agent and a database of this test's own, over the index that all tests share."""
    (tmp_path / "index").symlink_to(state / "index")
    write_agent(tmp_path)
    paths = settings.paths.model_copy(update={"state": tmp_path})
    model = settings.model.model_copy(update={"endpoints": {"fast": model_door.url, "strong": model_door.url}})
    own = settings.model_copy(update={"paths": paths, "model": model})
    with_agent = with_agents(own, tmp_path, tools=Tools(services={"desk": desk.url}))
    (tmp_path / "handbook.toml").write_text((ROOT / "agents" / "handbook.toml").read_text())
    return with_agent


@pytest_asyncio.fixture(loop_scope="session")
async def parts(client: Client, settings: Settings) -> AsyncIterator[Adapters]:
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield parts


async def page(client: Client, run: str) -> str:
    handle = client.get_workflow_handle(workflow_id("default", run))
    return str((await handle.query("__temporal_workflow_metadata")).current_details)


async def page_of_waiting(client: Client, run: str) -> str:
    """Return the page of a run once it says that the run waits."""
    text = ""

    async def says_so() -> bool:
        nonlocal text
        text = await page(client, run)
        return "waits for what is away** since" in text

    await until(says_so, what="the run's page says what is waited for", seconds=20)
    return text


def sqlite(parts: Adapters) -> SqliteDatabase:
    assert isinstance(parts.database, SqliteDatabase)
    return parts.database


@asynccontextmanager
async def shut(model_door: Door) -> AsyncGenerator[None]:
    await model_door.shut()
    try:
        yield
    finally:
        await model_door.open()


def outage(kind: str, parts: Adapters, model_door: Door) -> AbstractAsyncContextManager[None]:
    match kind:
        case "full":
            return full_disk(parts.database)
        case "away":
            return away(sqlite(parts))
        case _:
            return shut(model_door)


@pytest.mark.parametrize("kind", ["full", "away", "model"])
async def test_a_run_that_needs_what_is_away_says_so_and_goes_on_when_it_is_back(  # noqa: PLR0917 - all of the world
    platform: Platform, client: Client, parts: Adapters, stub: StubModel, desk: DeskServer, model_door: Door, kind: str
) -> None:
    stub.script = [calls(SUM, TICKET), answer("Opened.")]
    async with outage(kind, parts, model_door):
        run = await platform.start_agent("Open it.", agent="tester")
        text = await page_of_waiting(client, run)
    assert "It goes on by itself." in text
    result = await asyncio.wait_for(platform.result(run), 60)
    assert isinstance(result.outcome, Answered)
    assert result.spent.steps == 2, "a refused attempt is no step"
    assert result.unsettled == Spend()
    assert list(desk.desk.received()["tickets"].values()) == [1]
    assert "after it began to wait" in await page(client, run)


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("status", ["503", "429"])
async def test_an_endpoint_that_refuses_longer_than_there_are_tries_fails_no_agent(
    platform: Platform, stub: StubModel, status: str
) -> None:
    stub.script = [status] * LONG + [answer("At last.")]
    result = await platform.run_agent("What?", agent="tester")
    assert isinstance(result.outcome, Answered)
    assert (result.spent.steps, result.unsettled) == (1, Spend())
    assert stub.calls == LONG + 1


@pytest.mark.usefixtures("parts")
async def test_a_chain_waits_for_a_model_as_long_as_its_request_says_and_then_fails_with_what_was_away(
    platform: Platform, client: Client, model_door: Door
) -> None:
    async with shut(model_door):
        run = await platform.start(QUESTION, within=timedelta(minutes=2))
        with pytest.raises(RunFailed, match=r"nothing answers at its endpoint.*waited for, for 0:0[12]:") as failure:
            await platform.result(run)
    failed_run = failure.value.how
    assert failed_run is not None
    assert (failed_run.phase, failed_run.spent.micro_dollars, failed_run.unknown) == ("generating", 0, ())
    assert "or start it again under another id: it wrote nothing" in await page(client, run)


async def test_a_chain_waits_for_a_store_as_long_as_its_request_says(platform: Platform, parts: Adapters) -> None:
    async with full_disk(parts.database):
        run = await platform.start(QUESTION, within=timedelta(seconds=50))
        with pytest.raises(RunFailed, match=r"route: .* cannot grow: .*waited for"):
            await platform.result(run)


@pytest.mark.usefixtures("parts")
async def test_an_agent_that_waits_is_ended_by_the_deadline_of_its_budget(platform: Platform, model_door: Door) -> None:
    async with shut(model_door):
        budget = Budget(until=datetime.now(UTC) + timedelta(minutes=20))
        run = await platform.start_agent("What?", agent="tester", budget=budget)
        result = await platform.result(run)
    assert isinstance(result.outcome, Exhausted)
    assert result.outcome.limit == "until"
    assert result.spent.steps == 0
    waits = [entry async for entry in platform.timeline(run) if entry.kind is EntryKind.TIMER]
    assert len(waits) > LONG


async def test_a_run_that_waits_can_be_cancelled(platform: Platform, client: Client, parts: Adapters) -> None:
    async with away(sqlite(parts)):
        run = await platform.start_agent("What?", agent="tester")
        await page_of_waiting(client, run)
        await platform.cancel(run)
        result = await asyncio.wait_for(platform.result(run), 60)
    assert isinstance(result.outcome, Cancelled)


async def test_what_is_away_is_an_event_of_the_workers_log(platform: Platform, client: Client, parts: Adapters) -> None:
    with capture_logs() as events:
        async with away(sqlite(parts)):
            run = await platform.start_agent("What?", agent="tester")
            await page_of_waiting(client, run)
    outages: list[Any] = [event for event in events if event["event"] == "outage"]
    assert {event["away"] for event in outages} == {"StorageFailed"}
    assert outages[0]["log_level"] == "error"
    await platform.cancel(run)
    await platform.result(run)
