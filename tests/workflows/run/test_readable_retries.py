"""Attempts that fail can be read in the Temporal UI, each with its reason, while the run tries again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from activities.settings import Settings, Tools
from perdure.client import Platform
from perdure.runs import workflow_id
from tests.support.runs.agent_runs import SUM, TICKET, answer, calls, with_agents, write_agent
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("working")


@pytest.fixture
def broken() -> Iterator[StubModel]:
    """Start a desk that always answers that it is overloaded."""
    with StubModel(0) as server:
        server.script = ["503"] * 20
        yield server


@pytest.fixture
def settings(settings: Settings, broken: StubModel, tmp_path: Path) -> Settings:
    write_agent(tmp_path)
    return with_agents(settings, tmp_path, tools=Tools(services={"desk": broken.url}))


async def test_every_attempt_that_fails_has_a_line_with_its_reason(
    platform: Platform, client: Client, stub: StubModel
) -> None:
    stub.script = ["503", calls(SUM, TICKET), answer()]
    run = await platform.start_agent("Open it.", agent="tester")
    handle = client.get_workflow_handle(workflow_id("default", run))
    text = ""

    async def both_shown() -> bool:
        nonlocal text
        text = str((await handle.query("__temporal_workflow_metadata")).current_details)
        return "attempt 2 told nothing: create_ticket gave no result" in text

    await until(both_shown, what="the page shows two failed attempts of the tool")
    head, table = text.split("| time (UTC)")
    assert "the last to fail: create_ticket gave no result" in head
    assert "attempt 1 told nothing: create_ticket gave no result" in table
    assert "think-1, attempt 1: fast: the server is overloaded" in table
    lines = [entry.summary async for entry in platform.timeline(run)]
    named = (
        "think-1 at fast",
        "think-1 at fast, attempt 2",
        "call-1-2 create_ticket",
        "call-1-2 create_ticket, attempt 2",
    )
    assert [name for name in named if name not in lines] == [], "only a second attempt says which one it is"
    await platform.cancel(run)
    await platform.result(run)
