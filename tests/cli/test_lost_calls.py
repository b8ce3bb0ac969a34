"""A person tells from the command line what became of a call with an unknown outcome."""

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
def odd_calls() -> Calls:
    return Calls()


@pytest.fixture
def settings(settings: Settings, tmp_path: Path, odd_calls: Calls) -> Settings:
    write_agent(tmp_path, tools=tuple(odd_tools(odd_calls)))
    return with_agents(settings, tmp_path)


@pytest_asyncio.fixture(loop_scope="session")
async def working(client: Client, settings: Settings, odd_calls: Calls) -> AsyncIterator[Adapters]:
    class OddAdapters(Adapters):
        def all_tools(self) -> Mapping[str, Tool[Any]]:
            return {**super().all_tools(), **odd_tools(odd_calls)}

    async with AsyncExitStack() as stack:
        parts = await OddAdapters.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield parts


@pytest.mark.usefixtures("working")
async def test_a_write_in_doubt_is_settled_by_a_word(
    cli: Cli, platform: Platform, stub: StubModel, odd_calls: Calls
) -> None:
    stub.script = [calls(("doubtful", {"text": "eighteen weeks"})), answer()]
    run = await platform.start_agent("Write.", agent="tester")
    [step] = await waits(platform, run)
    refused = await cli("approve", run, step.step, "--yes")
    assert refused.code == 2
    assert "use perdure answer with --did-happen, --did-not-happen or --retry" in refused.err
    result = await cli("answer", run, "--did-happen", "It stands in the book.", "--by", "ada", "--yes")
    assert result.code == 0, result.err
    assert "the line went dead" in result.err
    assert (await platform.result(run)).outcome.kind == "answered"
    assert odd_calls.made == ["eighteen weeks"]
    assert "It stands in the book." in tool_messages(stub.requests[-1])[0]
