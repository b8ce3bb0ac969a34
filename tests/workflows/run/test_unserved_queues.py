"""A task queue without a worker is an outage: it costs nothing, the page shows it, and a worker ends it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.settings import ROOT, Settings, Tools
from deploy.local.stack.desk import DeskServer
from perdure.client import Platform
from perdure.contracts.budget import Spend
from perdure.contracts.runs.run import Answered, Cancelled
from perdure.contracts.temporal.queues import Queue
from perdure.runs import workflow_id
from tests.support.runs.agent_runs import TICKET, answer, calls, with_agents, write_agent
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until
from worker import Adapters, WorkerRole, workers
from workflows.effects import ACT, GENERATE, RETRIEVE, THINK

QUESTION = "How many weeks of parental leave are paid in full?"

SOON = timedelta(seconds=1)
"""How long an effect waits for a worker; the default of five minutes is too long for a test."""

NOBODY = "no worker takes it from its queue: is one running?"


@pytest.fixture
def settings(settings: Settings, desk: DeskServer, tmp_path: Path) -> Settings:
    write_agent(tmp_path)
    handbook = (ROOT / "agents" / "handbook.toml").read_text()
    (tmp_path / "handbook.toml").write_text(handbook)
    return with_agents(settings, tmp_path, tools=Tools(services={"desk": desk.url}))


@pytest.fixture
def platform(client: Client) -> Platform:
    """Return a platform whose roles are served by workers of their own."""
    return Platform(client, task_queue=Queue.WORKFLOWS)


@pytest.fixture(autouse=True)
def real_time(environment: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stop time skipping: it would end the wait for a queue before its worker starts."""
    for effect in (ACT, GENERATE, RETRIEVE, THINK):
        monkeypatch.setitem(vars(effect), "schedule_to_start_timeout", SOON)
    with environment.with_time_skipping_disabled():
        yield


class Fleet:
    """Workers of one process, which start when a test asks for them."""

    def __init__(self, client: Client, settings: Settings, stack: AsyncExitStack, parts: Adapters) -> None:
        self._client, self._settings, self._stack, self._parts = client, settings, stack, parts

    async def start_workers(self, *roles: WorkerRole) -> None:
        """Start workers for these roles."""
        for worker in workers(self._client, self._settings, self._parts, roles):
            await self._stack.enter_async_context(worker)


@pytest_asyncio.fixture(loop_scope="session")
async def fleet(client: Client, settings: Settings) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        yield Fleet(client, settings, stack, await Adapters.open(settings, stack))


async def page(client: Client, run: str) -> str:
    handle = client.get_workflow_handle(workflow_id("default", run))
    return str((await handle.query("__temporal_workflow_metadata")).current_details)


async def head_of_waiting(client: Client, run: str, name: str) -> str:
    """Return the head of a run's page once it says that the step `name` waits out an outage."""
    head = ""

    async def says_so() -> bool:
        nonlocal head
        head = (await page(client, run)).split("| time (UTC)")[0]
        return f"**{name} waits for what is away** since" in head

    await until(says_so, what=f"the run's page says that {name} waits")
    return head


@pytest.mark.parametrize(
    ("kind", "missing", "name"),
    [
        ("agent", WorkerRole.GENERATION, "think-1"),
        ("agent", WorkerRole.TOOLS, "call-1-1 create_ticket"),
        ("chain", WorkerRole.GENERATION, "generate"),
        ("chain", WorkerRole.RETRIEVAL, "retrieve (handbook)"),
    ],
)
async def test_what_nobody_serves_is_waited_for_at_no_cost_until_a_worker_comes(  # noqa: PLR0917 - all of the world
    fleet: Fleet,
    platform: Platform,
    client: Client,
    stub: StubModel,
    desk: DeskServer,
    kind: str,
    missing: WorkerRole,
    name: str,
) -> None:
    await fleet.start_workers(*(role for role in WorkerRole if role is not missing))
    if kind == "agent":
        stub.script = [calls(TICKET), answer("Opened.")]
        run = await platform.start_agent("Open it.", agent="tester")
    else:
        run = await platform.start(QUESTION)
    head = await head_of_waiting(client, run, name)
    assert NOBODY.replace("?", "") in head
    assert "It goes on by itself." in head
    assert f"{name.split(maxsplit=1)[0]} goes on" not in head
    await fleet.start_workers(missing)
    result = await asyncio.wait_for(platform.result(run), 120)
    assert isinstance(result.outcome, Answered)
    assert (result.spent.steps, result.unsettled) == (stub.calls, Spend()), "an attempt that no worker took is no step"
    assert result.spent.tool_calls == len(desk.desk.received()["tickets"]) == (kind == "agent")
    text = await page(client, run)
    assert "after it began to wait" in text
    assert "waits for what is away** since" not in text


async def test_a_run_whose_queue_nobody_serves_can_be_cancelled(
    fleet: Fleet, platform: Platform, client: Client, stub: StubModel
) -> None:
    await fleet.start_workers(*(role for role in WorkerRole if role is not WorkerRole.GENERATION))
    run = await platform.start_agent("What?", agent="tester")
    await head_of_waiting(client, run, "think-1")
    await platform.cancel(run)
    result = await asyncio.wait_for(platform.result(run), 60)
    assert isinstance(result.outcome, Cancelled)
    assert (result.spent, result.unsettled, stub.calls) == (Spend(), Spend(), 0)
