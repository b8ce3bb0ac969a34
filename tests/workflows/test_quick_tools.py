"""A quick tool is called within the workflow's own task, and no other is."""

from collections import Counter
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from activities.settings import Settings
from perdure.client import Platform, workflow_id
from perdure.contracts.run import Answered
from tests.support.agent_runs import READS, SUM, answer, calls, tool_messages, with_agents, write_agent
from tests.support.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

SEARCH = ("search_knowledge", {"query": "parental leave"})


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    write_agent(tmp_path, "unguarded", READS, "results = []\n")
    write_agent(tmp_path, "guarded", READS)
    return with_agents(settings, tmp_path)


async def made(client: Client, run: str) -> Counter[str]:
    """How often a run called a tool remotely, and within its own task."""
    history = await client.get_workflow_handle(workflow_id("default", run)).fetch_history()
    found: Counter[str] = Counter()
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            found[event.activity_task_scheduled_event_attributes.activity_type.name] += 1
        elif event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            found["local"] += 1
    return found


async def test_a_quick_call_that_no_guard_is_run_for_costs_no_activity(
    platform: Platform, stub: StubModel, client: Client
) -> None:
    stub.script = [calls(SUM, SEARCH), answer()]
    run = await platform.start_agent("Count.", agent="unguarded")
    result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    assert result.spent.tool_calls == 2
    assert "42" in tool_messages(stub.requests[-1])[0]
    seen = await made(client, run)
    # The agent is pinned within the first task too.
    assert (seen["local"], seen["act"]) == (2, 1)


async def test_a_quick_call_whose_result_is_screened_is_an_activity(
    platform: Platform, stub: StubModel, client: Client
) -> None:
    stub.script = [calls(SUM), answer()]
    run = await platform.start_agent("Count.", agent="guarded")
    assert isinstance((await platform.result(run)).outcome, Answered)
    seen = await made(client, run)
    assert (seen["local"], seen["act"]) == (1, 1)
