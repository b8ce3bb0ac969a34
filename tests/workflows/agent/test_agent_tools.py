"""A tool that misbehaves never harms the run: its failure goes to the model, is reconciled, or is left to a person."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client

from activities.adapters.sql.effect_ledger import SqlEffectLedger
from activities.composition import Adapters, WorkerRole
from activities.settings import Settings
from perdure.client import Platform
from perdure.contracts.runs.run import Answered, Cancelled
from perdure.contracts.temporal.search_attributes import AWAITING_APPROVAL
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.decisions import Accepted, Rejected, Ruling, Waiting
from perdure.contracts.tool_calls.ledger import Succeeded
from perdure.runs import workflow_id
from tests.support.runs.agent_runs import answer, calls, says, tool_messages, waits, with_agents, write_agent
from tests.support.servers.stub_model import StubModel
from tests.support.tool_calls.odd_tools import Calls, odd_tools
from tests.support.waiting import until
from tools.base import Tool
from tools.evidence import CannotTellYet, DidHappen
from worker import workers

pytestmark = pytest.mark.usefixtures("working")

NOTE = {"text": "eighteen weeks"}


class OddAdapters(Adapters):
    """The platform's own adapters, with tools that misbehave."""

    odd_calls: Calls

    def all_tools(self) -> Mapping[str, Tool[Any]]:
        return {**super().all_tools(), **odd_tools(self.odd_calls)}


@pytest.fixture
def odd_calls() -> Calls:
    return Calls()


@pytest.fixture
def settings(settings: Settings, tmp_path: Path, odd_calls: Calls) -> Settings:
    write_agent(tmp_path, tools=tuple(odd_tools(odd_calls)))
    return with_agents(settings, tmp_path)


@pytest_asyncio.fixture(loop_scope="session")
async def working(client: Client, settings: Settings, odd_calls: Calls) -> AsyncIterator[Adapters]:
    class TestAdapters(OddAdapters):
        pass

    TestAdapters.odd_calls = odd_calls
    async with AsyncExitStack() as stack:
        parts = await TestAdapters.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield parts


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("raises", "its code broke (RuntimeError)"),
        ("hangs", "it did not end within 0.3 s"),
        ("is_binary", "it returned bytes, not text"),
        ("is_large", "of 5,000,000 bytes are cut off"),
    ],
)
async def test_a_tool_that_misbehaves_is_told_to_the_model(
    platform: Platform, stub: StubModel, tool: str, expected: str
) -> None:
    stub.script = [calls((tool, {})), answer("I went on.")]
    result = await platform.run_agent("Do it.", agent="tester")
    assert isinstance(result.outcome, Answered)
    [message] = tool_messages(stub.requests[-1])
    assert expected in message
    assert "kept back" not in message
    assert len(message) < 20_000


async def test_a_write_in_doubt_waits_for_a_person_and_is_never_made_again_by_itself(
    platform: Platform, stub: StubModel, odd_calls: Calls
) -> None:
    stub.script = [calls(("doubtful", NOTE)), answer()]
    run = await platform.start_agent("Write.", agent="tester")
    [step] = await waits(platform, run)
    assert step.waiting is Waiting.OUTCOME
    assert "the line went dead" in step.reason
    assert step.arguments.body == '{"text": "eighteen weeks"}'
    reply = await platform.decide(run, says(step, Ruling.DID_HAPPEN, result="It stands in the book."))
    assert isinstance(reply.came, Accepted)
    assert isinstance((await platform.result(run)).outcome, Answered)
    assert odd_calls.made == ["eighteen weeks"]
    assert "It stands in the book." in tool_messages(stub.requests[-1])[0]


async def test_what_an_attempt_tells_late_counts_and_not_what_a_person_says_after_it(
    platform: Platform, stub: StubModel, odd_calls: Calls, working: Adapters
) -> None:
    stub.script = [calls(("doubtful", NOTE)), answer()]
    run = await platform.start_agent("Write.", agent="tester")
    [step] = await waits(platform, run)
    ledger = SqlEffectLedger(working.database)
    [doubt] = [one for one in await ledger.unknowns("default") if one.key.workflow_id == f"default:{run}"]
    await ledger.record(doubt.key, doubt.attempt, Succeeded(result=Text.of("It was written after all.")))
    reply = await platform.decide(run, says(step, Ruling.RETRY))
    assert isinstance(reply.came, Rejected)
    assert "outcome_came_first" in reply.came.reason
    assert isinstance((await platform.result(run)).outcome, Answered)
    assert odd_calls.made == ["eighteen weeks"]
    assert "It was written after all." in tool_messages(stub.requests[-1])[0]


@pytest.mark.parametrize("ruling", [Ruling.DID_NOT_HAPPEN, Ruling.RETRY])
async def test_a_person_may_have_it_made_once_more(
    platform: Platform, stub: StubModel, odd_calls: Calls, ruling: Ruling
) -> None:
    stub.script = [calls(("doubtful", NOTE)), answer()]
    run = await platform.start_agent("Write.", agent="tester")
    [step] = await waits(platform, run)
    await platform.decide(run, says(step, ruling))
    assert isinstance((await platform.result(run)).outcome, Answered)
    assert odd_calls.made == ["eighteen weeks", "eighteen weeks"]
    assert "written as number 2" in tool_messages(stub.requests[-1])[0]


async def test_a_word_that_does_not_fit_the_question_is_rejected(platform: Platform, stub: StubModel) -> None:
    stub.script = [calls(("doubtful", NOTE)), answer()]
    run = await platform.start_agent("Write.", agent="tester")
    [step] = await waits(platform, run)
    reply = await platform.decide(run, says(step, Ruling.APPROVE))
    assert isinstance(reply.came, Rejected)
    assert "did_happen, did_not_happen, retry" in reply.came.reason
    await platform.cancel(run)
    result = await platform.result(run)
    assert isinstance(result.outcome, Cancelled)
    assert result.outcome.unknown == ("call-1-1 (doubtful) may have happened: nobody knows",)


async def test_a_run_that_is_over_is_not_found_among_those_that_wait_for_a_person(
    platform: Platform, client: Client, stub: StubModel
) -> None:
    stub.script = [calls(("doubtful", NOTE)), answer()]
    run = await platform.start_agent("Write.", agent="tester")
    await waits(platform, run)
    handle = client.get_workflow_handle(workflow_id("default", run))
    assert (await handle.describe()).typed_search_attributes[AWAITING_APPROVAL] is True
    await platform.cancel(run)
    await platform.result(run)
    assert (await handle.describe()).typed_search_attributes[AWAITING_APPROVAL] is False


async def test_what_a_tool_can_find_out_needs_no_person(platform: Platform, stub: StubModel, odd_calls: Calls) -> None:
    odd_calls.reconciled = DidHappen("number 7")
    stub.script = [calls(("can_be_asked", NOTE)), answer()]
    assert isinstance((await platform.run_agent("Write.", agent="tester")).outcome, Answered)
    assert odd_calls.made == ["eighteen weeks"]
    assert "number 7" in tool_messages(stub.requests[-1])[0]


async def test_what_is_found_not_to_have_happened_is_made_once_more(
    platform: Platform, stub: StubModel, odd_calls: Calls
) -> None:
    stub.script = [calls(("can_be_asked", NOTE)), answer()]
    assert isinstance((await platform.run_agent("Write.", agent="tester")).outcome, Answered)
    assert odd_calls.made == ["eighteen weeks", "eighteen weeks"]
    assert "written as number 2" in tool_messages(stub.requests[-1])[0]


async def test_what_nobody_can_tell_is_asked_again_and_then_left_to_a_person(
    platform: Platform, stub: StubModel, odd_calls: Calls
) -> None:
    odd_calls.reconciled = CannotTellYet("the desk has\nno record of it")
    stub.script = [calls(("can_be_asked", NOTE)), answer()]
    run = await platform.start_agent("Write.", agent="tester")
    [step] = await waits(platform, run)
    assert step.waiting is Waiting.OUTCOME
    assert step.reason.endswith("is not known yet: the desk has no record of it")
    assert odd_calls.made == ["eighteen weeks"]
    await platform.decide(run, says(step, Ruling.DID_NOT_HAPPEN))
    assert isinstance((await platform.result(run)).outcome, Answered)
    assert odd_calls.made == ["eighteen weeks", "eighteen weeks"]


async def test_an_idempotent_write_in_doubt_is_made_again_under_its_key(
    platform: Platform, stub: StubModel, odd_calls: Calls
) -> None:
    odd_calls.doubts = 2
    stub.script = [calls(("repeatable", NOTE)), answer()]
    result = await platform.run_agent("Write.", agent="tester")
    assert isinstance(result.outcome, Answered)
    assert len(odd_calls.made) == 3
    assert result.spent.tool_calls == 3


async def test_an_idempotent_write_that_stays_in_doubt_is_left_to_a_person(
    platform: Platform, stub: StubModel, odd_calls: Calls
) -> None:
    odd_calls.doubts = 99
    stub.script = [calls(("repeatable", NOTE)), answer()]
    run = await platform.start_agent("Write.", agent="tester")
    [step] = await waits(platform, run)
    assert len(odd_calls.made) == 5
    reply = await platform.decide(run, says(step, Ruling.DID_HAPPEN, result="It stands in the book."))
    assert isinstance(reply.came, Accepted)
    assert isinstance((await platform.result(run)).outcome, Answered)


async def test_cancelling_stops_a_tool_that_reads(platform: Platform, stub: StubModel, odd_calls: Calls) -> None:
    stub.script = [calls(("takes_long", {}))]
    run = await platform.start_agent("Read.", agent="tester")
    await until(odd_calls.began.is_set, what="the tool runs")
    await platform.cancel(run)
    result = await platform.result(run)
    assert isinstance(result.outcome, Cancelled)
    assert odd_calls.stopped.is_set()
    assert result.outcome.unknown == ()
    assert result.spent.tool_calls == 1


async def test_cancelling_a_write_says_that_nobody_knows_whether_it_happened(
    platform: Platform, stub: StubModel, odd_calls: Calls, working: Adapters
) -> None:
    stub.script = [calls(("writes_slowly", NOTE))]
    run = await platform.start_agent("Write.", agent="tester")
    await until(odd_calls.began.is_set, what="the tool runs")
    await platform.cancel(run)
    result = await platform.result(run)
    assert isinstance(result.outcome, Cancelled)
    assert result.outcome.unknown == ("call-1-1 (writes_slowly) may have happened: nobody knows",)
    unknown = await SqlEffectLedger(working.database).unknowns("default")
    assert [record.key.step for record in unknown if record.key.workflow_id == f"default:{run}"] == ["call-1-1"]


async def test_a_tool_that_was_changed_since_the_run_began_is_not_called(
    platform: Platform, stub: StubModel, odd_calls: Calls, working: Adapters
) -> None:
    stub.script = ["503", calls(("repeatable", NOTE)), answer("Without it.")]
    run = await platform.start_agent("Write.", agent="tester")
    await until(lambda: stub.calls == 1, what="the run has pinned its tools")
    original = working.toolbox["repeatable"]
    changed = Tool(original.name, "Another description.", original.effect, original.arguments, original.call)
    working.toolbox["repeatable"] = changed  # pyright: ignore[reportIndexIssue] - the platform only reads it
    assert isinstance((await platform.result(run)).outcome, Answered)
    assert odd_calls.made == []
    assert "it was changed since the run began" in tool_messages(stub.requests[-1])[0]
