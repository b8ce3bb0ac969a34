"""A finding that guards repeat in a long run is recorded once, in the result and in the search attribute."""

from pathlib import Path

import pytest
from temporalio.client import Client

from activities.settings import Settings
from perdure.client import Platform, workflow_id
from perdure.contracts.runs.run import Answered
from perdure.contracts.temporal.search_attributes import GUARD_TRIGGERED
from tests.support.runs.agent_runs import READS, SUM, answer, calls, with_agents, write_agent
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

LEAK = ("search_knowledge", {"query": "parental leave"})
GUARD = 'results = []\n[[arguments]]\nguard = "valid_length"\naction = "flag"\narguments = { max = 4 }\n'


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    write_agent(tmp_path, "watched", READS, GUARD)
    write_agent(tmp_path, "reader", READS)
    return with_agents(settings, tmp_path)


async def test_a_guard_that_finds_the_same_again_is_told_of_once(
    platform: Platform, client: Client, stub: StubModel
) -> None:
    stub.script = [calls(LEAK), calls(LEAK), calls(LEAK), answer()]
    run = await platform.start_agent("Look.", agent="watched")
    result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    assert [verdict.guard for verdict in result.verdicts if not verdict.passed] == ["valid_length"]
    handle = client.get_workflow_handle(workflow_id("default", run))
    assert (await handle.describe()).typed_search_attributes[GUARD_TRIGGERED] == ["valid_length"]
    upserts = [
        event
        for event in (await handle.fetch_history()).events
        if GUARD_TRIGGERED.name
        in event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
    ]
    assert len(upserts) == 1, "each write costs the server as much as an activity"


async def test_guards_that_find_nothing_are_told_of_once_however_long_they_took(
    platform: Platform, stub: StubModel
) -> None:
    stub.script = [calls(SUM, SUM), calls(SUM, SUM), answer()]
    result = await platform.run_agent("Add.", agent="reader")
    assert [verdict.guard for verdict in result.verdicts] == ["injection", "secrets_present"]
