"""A person says from the command line what became of a call of which nobody knows."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client

from activities.composition import Adapters, WorkerRole
from activities.settings import Settings
from perdure.client import Platform
from tests.cli.conftest import Cli
from tests.support.runs.agent_runs import answer, calls, tool_messages, waits, with_agents, write_agent
from tests.support.servers.stub_model import StubModel
from tests.support.tool_calls.odd_tools import Calls, odd_tools
from tools.base import Tool
from worker import workers


@pytest.fixture
def done() -> Calls:
    return Calls()


@pytest.fixture
def settings(settings: Settings, tmp_path: Path, done: Calls) -> Settings:
    write_agent(tmp_path, tools=tuple(odd_tools(done)))
    return with_agents(settings, tmp_path)


@pytest_asyncio.fixture(loop_scope="session")
async def working(client: Client, settings: Settings, done: Calls) -> AsyncIterator[Adapters]:
    class OddAdapters(Adapters):
        def all_tools(self) -> Mapping[str, Tool[Any]]:
            return {**super().all_tools(), **odd_tools(done)}

    async with AsyncExitStack() as stack:
        parts = await OddAdapters.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield parts


@pytest.mark.usefixtures("working")
async def test_a_write_in_doubt_is_settled_by_a_word(
    cli: Cli, platform: Platform, stub: StubModel, done: Calls
) -> None:
    stub.script = [calls(("doubtful", {"text": "eighteen weeks"})), answer()]
    run = await platform.start_agent("Write.", agent="tester")
    [step] = await waits(platform, run)
    wrong = await cli("approve", run, step.step, "--yes")
    assert wrong.code == 2
    assert "use perdure answer with --did-happen, --did-not-happen or --retry" in wrong.err
    said = await cli("answer", run, "--did-happen", "It stands in the book.", "--by", "ada", "--yes")
    assert said.code == 0, said.err
    assert "the line went dead" in said.err
    assert (await platform.result(run)).outcome.kind == "answered"
    assert done.made == ["eighteen weeks"]
    assert "It stands in the book." in tool_messages(stub.requests[-1])[0]
