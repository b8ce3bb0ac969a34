"""A quick tool runs as a local activity, within the workflow task; every other tool runs as an activity."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from activities.adapters.databases.open import FILE
from activities.settings import Settings
from deploy.prompts.paid_steps import paid_steps
from deploy.prompts.show_prompt import rebuilt
from perdure.client import Platform, workflow_id
from perdure.contracts.agents.steps import Think
from perdure.contracts.runs.run import Answered
from tests.support.runs.agent_runs import READS, SUM, answer, calls, tool_messages, with_agents, write_agent
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

BROKEN = ("calculator", {"expression": "1 / 0"})
SEARCH = ("search_knowledge", {"query": "parental leave"})


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    write_agent(tmp_path, "unguarded", READS, "results = []\n")
    write_agent(tmp_path, "guarded", READS)
    return with_agents(settings, tmp_path)


async def activity_counts(client: Client, run: str) -> Counter[str]:
    """Count the activities of a run by type; `local` counts its local activities."""
    history = await client.get_workflow_handle(workflow_id("default", run)).fetch_history()
    counts: Counter[str] = Counter()
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            counts[event.activity_task_scheduled_event_attributes.activity_type.name] += 1
        elif event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            counts["local"] += 1
    return counts


async def test_a_quick_call_that_no_guard_is_run_for_costs_no_activity(
    platform: Platform, stub: StubModel, client: Client
) -> None:
    stub.script = [calls(SUM, SEARCH), answer()]
    run = await platform.start_agent("Count.", agent="unguarded")
    result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    assert result.spent.tool_calls == 2
    assert "42" in tool_messages(stub.requests[-1])[0]
    counts = await activity_counts(client, run)
    # The agent is pinned within the first task too.
    assert (counts["local"], counts["act"]) == (2, 1)


async def test_the_only_answer_of_a_turn_is_kept_with_its_place_and_those_of_several_are_told(
    platform: Platform, stub: StubModel, client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.script = [calls(SUM), calls(BROKEN), calls(SUM, SUM), calls(SEARCH), calls(SUM), answer()]
    run = await platform.start_agent("Count.", agent="unguarded")
    assert isinstance((await platform.result(run)).outcome, Answered)
    history = await client.get_workflow_handle(workflow_id("default", run)).fetch_history()
    steps = await paid_steps(history.events, client.data_converter)
    requests = [attempt.ask for attempts in steps.values() for attempt in attempts if isinstance(attempt.ask, Think)]
    assert [[turn.call for turn in request.transcript.fresh] for request in requests] == [
        [None],  # the task
        [],
        [],
        ["call-3-1", "call-3-2"],
        ["call-4-1"],  # the result of a tool that is not quick
        [],
    ]
    assert len(tool_messages(stub.requests[-1])) == 6
    # The rebuilt prompts equal the sent ones, also after the store has lost the links that no request names.
    monkeypatch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
    for lost_links in ([], unnamed_links(requests)):
        forget(settings, lost_links)
        for number in range(1, 7):
            prompt = await rebuilt(settings, run, f"think-{number}", "default")
            assert prompt.digest == prompt.recorded


def unnamed_links(requests: Sequence[Think]) -> list[str]:
    """Return the links of answers that no request names."""
    return [
        request.transcript.stored for request in requests if request.transcript.stored and not request.transcript.fresh
    ]


def forget(settings: Settings, links: Sequence[str]) -> None:
    with closing(sqlite3.connect(settings.paths.state / FILE)) as database, database:
        for link in links:
            assert database.execute("delete from bodies where digest = ?", (link,)).rowcount == 1


async def test_a_quick_call_whose_result_is_screened_is_an_activity(
    platform: Platform, stub: StubModel, client: Client
) -> None:
    stub.script = [calls(SUM), answer()]
    run = await platform.start_agent("Count.", agent="guarded")
    assert isinstance((await platform.result(run)).outcome, Answered)
    counts = await activity_counts(client, run)
    assert (counts["local"], counts["act"]) == (1, 1)
