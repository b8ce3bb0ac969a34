"""Ten runs are in flight during an outage of database, disk or model: none of them ends by it."""

import asyncio
import math
import random
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from activities.adapters.databases.sqlite_database import SqliteDatabase
from activities.settings import Settings, Tools
from deploy.local.stack.desk import DeskServer
from deploy.testing.stub.replies import Json
from perdure.client import Platform
from perdure.contracts.runs.run import Answered
from perdure.contracts.temporal.search_attributes import SEARCH_ATTRIBUTES
from tests.chaos.conftest import Report
from tests.support.faults.full_disk import full_disk
from tests.support.faults.outages import Door, away, door
from tests.support.runs.agent_runs import READS, with_agents, write_agent
from tests.support.servers.stub_model import StubHandler, StubModel
from tests.support.servers.temporal import TEMPORAL
from worker import Adapters, WorkerRole, workers
from workflows.plugin import PerdurePlugin

pytestmark = pytest.mark.chaos

RUNS = 10
KINDS = ("full", "away", "model")
SHORTEST, LONGEST = 1.0, 300.0
"""Seconds of an outage, before they are scaled."""

ALL, SAMPLE = 20, 2
SAMPLE_SCALE = 0.1

PLAN: list[Json] = [
    {"tool_calls": [{"name": "calculator", "arguments": {"expression": "6 * 7"}}]},
    {"tool_calls": [{"name": "create_ticket", "arguments": {"title": "RUN", "text": "first"}}]},
    {"tool_calls": [{"name": "search_knowledge", "arguments": {"query": "parental leave"}}]},
    {"tool_calls": [{"name": "create_ticket", "arguments": {"title": "RUN", "text": "second"}}]},
    {"content": "It is done."},
]
"""What the model of each run does, turn by turn: reads and writes."""


class Planned(StubHandler):
    """Answers each run by the plan."""

    def meet(self, meets: Any, request: Json) -> None:
        contents = [str(message["content"]) for message in request["messages"]]
        turn = sum(content.startswith("Result of the tool:") for content in contents)
        run = next(
            content.partition("run ")[2].split()[0]
            for content in contents
            if "run " in content and "RUN" not in content
        )
        item = dict(PLAN[min(turn, len(PLAN) - 1)], seconds=0.3)
        for call in item.get("tool_calls", []):
            arguments = {name: run if value == "RUN" else value for name, value in call["arguments"].items()}
            item["tool_calls"] = [{**call, "arguments": arguments}]
        super().meet(item, request)


@pytest_asyncio.fixture(loop_scope="session")
async def model_door() -> AsyncIterator[Door]:
    with StubModel(0, handler=Planned) as stub:
        async with door("127.0.0.1", stub.server_address[1]) as opened:
            yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def world(
    settings: Settings, state: Path, desk: DeskServer, model_door: Door, tmp_path: Path
) -> AsyncIterator[tuple[Platform, Adapters]]:
    """Start workers with a database of their own, on a server of their own without time skipping."""
    (tmp_path / "index").symlink_to(state / "index")
    write_agent(tmp_path, tools=(*READS, "create_ticket"))
    paths = settings.paths.model_copy(update={"state": tmp_path})
    model = settings.model.model_copy(update={"endpoints": {"fast": model_door.url, "strong": model_door.url}})
    own_settings = settings.model_copy(update={"paths": paths, "model": model})
    own_settings = with_agents(own_settings, tmp_path, tools=Tools(services={"desk": desk.url}))
    async with AsyncExitStack() as stack:
        environment = await WorkflowEnvironment.start_local(
            plugins=[PerdurePlugin()],
            search_attributes=SEARCH_ATTRIBUTES,
            dev_server_existing_path=str(TEMPORAL),
            dev_server_log_level="error",
        )
        await stack.enter_async_context(environment)
        parts = await Adapters.open(own_settings, stack)
        for worker in workers(environment.client, own_settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield Platform(environment.client), parts


@asynccontextmanager
async def outage(kind: str, parts: Adapters, model_door: Door) -> AsyncGenerator[None]:
    assert isinstance(parts.database, SqliteDatabase)
    match kind:
        case "full":
            async with full_disk(parts.database):
                yield
        case "away":
            async with away(parts.database):
                yield
        case _:
            await model_door.shut()
            try:
                yield
            finally:
                await model_door.open()


@pytest.mark.timeout(3600)  # twenty outages at full length last for half an hour
async def test_no_run_ends_by_an_outage_and_none_writes_twice(  # noqa: PLR0917 - all of the world
    world: tuple[Platform, Adapters],
    desk: DeskServer,
    model_door: Door,
    report: Report,
    rng: random.Random,
    request: Any,
) -> None:
    platform, parts = world
    sample = request.config.getoption("chaos") == "sample"
    scale = SAMPLE_SCALE if sample else float(request.config.getoption("outage_scale"))
    lasted: list[float] = []
    recoveries: list[float] = []
    for number in range(SAMPLE if sample else ALL):
        kind = KINDS[number % len(KINDS)] if not sample else rng.choice(KINDS)
        seconds = scale * math.exp(rng.uniform(math.log(SHORTEST), math.log(LONGEST)))
        runs = [uuid.uuid4().hex[:12] for _ in range(RUNS)]
        for run in runs:
            await platform.start_agent(f"Do the work of run {run} please.", agent="tester", business_id=run)
        await asyncio.sleep(rng.uniform(0.2, 3))  # the runs are at random points now
        async with outage(kind, parts, model_door):
            await asyncio.sleep(seconds)
        start = time.monotonic()
        results = await asyncio.wait_for(asyncio.gather(*map(platform.result, runs)), 240)
        recoveries.append(time.monotonic() - start)
        lasted.append(seconds)
        assert [type(result.outcome) for result in results] == [Answered] * RUNS, (kind, seconds)
        tickets = [f"{ticket['title']}/{ticket['text']}" for ticket in desk.desk.kept()["tickets"]]
        run_tickets = sorted(ticket for ticket in tickets if ticket.partition("/")[0] in runs)
        assert run_tickets == sorted(f"{run}/{text}" for run in runs for text in ("first", "second")), (kind, seconds)
    report.bills.append(
        f"{len(lasted)} outages of {min(lasted):.1f} to {max(lasted):.1f} s (database away, disk full, model away), "
        f"{RUNS} runs in flight: 0 ended by it, 0 writes twice; all were over {max(recoveries):.1f} s after it at most"
    )
