"""Ten runs are in flight when the database is away, the disk full or the model gone: none ends by it."""

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
    """Follows the plan of whichever run asks."""

    def meet(self, meets: Any, request: Json) -> None:
        words = [str(message["content"]) for message in request["messages"]]
        turn = sum(said.startswith("Result of the tool:") for said in words)
        run = next(said.partition("run ")[2].split()[0] for said in words if "run " in said and "RUN" not in said)
        item = dict(PLAN[min(turn, len(PLAN) - 1)], seconds=0.3)
        for call in item.get("tool_calls", []):
            arguments = {name: run if value == "RUN" else value for name, value in call["arguments"].items()}
            item["tool_calls"] = [{**call, "arguments": arguments}]
        super().meet(item, request)


@pytest_asyncio.fixture(loop_scope="session")
async def way() -> AsyncIterator[Door]:
    with StubModel(0, handler=Planned) as stub:
        async with door("127.0.0.1", stub.server_address[1]) as one:
            yield one


@pytest_asyncio.fixture(loop_scope="session")
async def world(
    settings: Settings, state: Path, desk: DeskServer, way: Door, tmp_path: Path
) -> AsyncIterator[tuple[Platform, Adapters]]:
    """Workers with a database of their own, on a server of their own whose clock skips nothing."""
    (tmp_path / "index").symlink_to(state / "index")
    write_agent(tmp_path, tools=(*READS, "create_ticket"))
    paths = settings.paths.model_copy(update={"state": tmp_path})
    model = settings.model.model_copy(update={"endpoints": {"fast": way.url, "strong": way.url}})
    own = settings.model_copy(update={"paths": paths, "model": model})
    own = with_agents(own, tmp_path, tools=Tools(services={"desk": desk.url}))
    async with AsyncExitStack() as stack:
        environment = await WorkflowEnvironment.start_local(
            plugins=[PerdurePlugin()],
            search_attributes=SEARCH_ATTRIBUTES,
            dev_server_existing_path=str(TEMPORAL),
            dev_server_log_level="error",
        )
        await stack.enter_async_context(environment)
        parts = await Adapters.open(own, stack)
        for worker in workers(environment.client, own, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield Platform(environment.client), parts


@asynccontextmanager
async def outage(kind: str, parts: Adapters, way: Door) -> AsyncGenerator[None]:
    assert isinstance(parts.database, SqliteDatabase)
    match kind:
        case "full":
            async with full_disk(parts.database):
                yield
        case "away":
            async with away(parts.database):
                yield
        case _:
            await way.shut()
            try:
                yield
            finally:
                await way.open()


@pytest.mark.timeout(3600)  # twenty outages at full length last for half an hour
async def test_no_run_ends_by_an_outage_and_none_writes_twice(  # noqa: PLR0917 - all of the world
    world: tuple[Platform, Adapters], desk: DeskServer, way: Door, report: Report, chance: random.Random, request: Any
) -> None:
    platform, parts = world
    sample = request.config.getoption("chaos") == "sample"
    scale = SAMPLE_SCALE if sample else float(request.config.getoption("outage_scale"))
    lasted: list[float] = []
    back: list[float] = []
    for number in range(SAMPLE if sample else ALL):
        kind = KINDS[number % len(KINDS)] if not sample else chance.choice(KINDS)
        seconds = scale * math.exp(chance.uniform(math.log(SHORTEST), math.log(LONGEST)))
        runs = [uuid.uuid4().hex[:12] for _ in range(RUNS)]
        for run in runs:
            await platform.start_agent(f"Do the work of run {run} please.", agent="tester", business_id=run)
        await asyncio.sleep(chance.uniform(0.2, 3))  # wherever each of them is by now
        async with outage(kind, parts, way):
            await asyncio.sleep(seconds)
        began = time.monotonic()
        results = await asyncio.wait_for(asyncio.gather(*map(platform.result, runs)), 240)
        back.append(time.monotonic() - began)
        lasted.append(seconds)
        assert [type(result.outcome) for result in results] == [Answered] * RUNS, (kind, seconds)
        kept = [f"{one['title']}/{one['text']}" for one in desk.desk.kept()["tickets"]]
        mine = sorted(one for one in kept if one.partition("/")[0] in runs)
        assert mine == sorted(f"{run}/{text}" for run in runs for text in ("first", "second")), (kind, seconds)
    report.bills.append(
        f"{len(lasted)} outages of {min(lasted):.1f} to {max(lasted):.1f} s (database away, disk full, model away), "
        f"{RUNS} runs in flight: 0 ended by it, 0 writes twice; all were over {max(back):.1f} s after it at most"
    )
