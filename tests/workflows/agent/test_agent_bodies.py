"""A run whose stored messages were lost or changed ends with a clear fault."""

import hashlib
import sqlite3
import uuid
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import pytest
from temporalio.client import Client

from activities.adapters.databases.open import FILE
from activities.composition import Adapters, WorkerRole
from activities.settings import Settings
from perdure.client import Platform
from perdure.contracts.tool_calls.decisions import Ruling
from perdure.errors import RunFailed
from tests.support.runs.agent_runs import MESSAGE, calls, says, waits, with_agents, write_agent
from tests.support.servers.stub_model import StubModel
from worker import workers


@asynccontextmanager
async def working(client: Client, settings: Settings) -> AsyncGenerator[None]:
    """Start new workers, so that nothing is cached from earlier tests."""
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    write_agent(tmp_path)
    return with_agents(settings, tmp_path)


@pytest.mark.parametrize(
    "statement",
    ["delete from bodies where digest = ?", "update bodies set body = x'656c7365' where digest = ?"],
    ids=["lost", "changed"],
)
async def test_a_task_that_was_lost_or_changed_is_found_by_its_digest(
    client: Client, platform: Platform, settings: Settings, stub: StubModel, statement: str
) -> None:
    stub.script = [calls(MESSAGE)]
    task = f"Tell them, {uuid.uuid4()}."
    async with working(client, settings):
        run = await platform.start_agent(task, agent="tester")
        [step] = await waits(platform, run)
    digest = hashlib.sha256(task.encode()).hexdigest()
    with closing(sqlite3.connect(settings.paths.state / FILE)) as database, database:
        assert database.execute(statement, (digest,)).rowcount == 1
    async with working(client, settings):
        await platform.decide(run, says(step, Ruling.DENY))
        with pytest.raises(RunFailed, match=r"the conversation cannot be told: turn 3 from its end") as failure:
            await platform.result(run)
    assert digest in str(failure.value)
    assert stub.calls == 1, "nothing was bought for it"
