"""A run with a long history continues in a new execution and loses nothing of its state."""

import asyncio
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.adapters.tokens.open import open_token_log
from activities.settings import Settings
from deploy.local.stack.desk import Desk
from perdure.client import Platform
from perdure.contracts.budget import Spend
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.runs.run import Answered, Cancelled, Exhausted, RunResult
from perdure.contracts.runs.timeline import EntryState
from perdure.contracts.temporal.search_attributes import AGENT, AWAITING_APPROVAL, COST_MICROS, PHASE, STEPS, TENANT
from perdure.contracts.tool_calls.decisions import Accepted, Ruling
from perdure.errors import RunConflict
from perdure.runs import workflow_id
from tests.support.processes.token_reader import Reader
from tests.support.runs.agent_runs import MESSAGE, SUM, TICKET, answer, calls, says, waits
from tests.support.runs.continued import BUDGET, executions, handed_over
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("working")

in_real_time = pytest.mark.usefixtures("real_time")


async def grow_to_execution(handle: WorkflowHandle[object, object], platform: Platform, run: str, count: int) -> None:
    """Send malformed decisions until the run is in execution `count`: each signal adds four events to the history."""

    async def has_grown() -> bool:
        await handle.signal("decide", {"nonsense": "of a chatty client"})
        return await executions(platform, run) >= count

    await until(has_grown, what=f"the run goes on in execution {count}")


@pytest.fixture
def run() -> str:
    """Return a run's business id."""
    return uuid.uuid4().hex


@pytest.fixture
def handle(client: Client, run: str) -> WorkflowHandle[object, object]:
    return client.get_workflow_handle(workflow_id("default", run))


@pytest.fixture
def real_time(environment: WorkflowEnvironment) -> Iterator[None]:
    """Stop time skipping: it would let the policy of a waiting run decide at once."""
    with environment.with_time_skipping_disabled():
        yield


async def test_a_long_run_ends_as_a_short_one_would(
    platform: Platform, client: Client, stub: StubModel, received: Desk
) -> None:
    turns = [calls(TICKET if turn % 3 == 0 else SUM) for turn in range(18)]
    stub.script = [*turns, answer("All is done.")]
    result = await platform.run_agent("Do much.", agent="tester", business_id="much", budget=BUDGET)
    assert isinstance(result.outcome, Answered)
    assert result.outcome.answer.body == "All is done."
    histories = await platform.executions("much")
    assert len(histories) >= 3
    assert result.spent.steps == 19
    assert result.spent.tool_calls == 18
    assert result.unsettled == Spend()
    assert list(received.received()["tickets"].values()) == [1] * 6
    assert len(stub.requests[-1]["messages"]) == 2 + 2 * 18, "the model is shown the whole conversation"
    description = await client.get_workflow_handle(workflow_id("default", "much")).describe()
    labels = description.typed_search_attributes
    assert (labels[TENANT], labels[AGENT], labels[STEPS]) == ("default", "tester", 19)
    assert labels[COST_MICROS] == result.spent.micro_dollars
    stages = [timing.stage for timing in result.timings]
    assert stages == ["pinning", "thinking", "acting"]


async def test_a_continued_run_is_still_known_by_its_request(platform: Platform, stub: StubModel) -> None:
    stub.script = [*(calls(SUM) for _ in range(8)), answer()]
    await platform.run_agent("Do much.", agent="tester", business_id="known", budget=BUDGET)
    assert await executions(platform, "known") >= 2
    assert await platform.start_agent("Do much.", agent="tester", business_id="known", budget=BUDGET) == "known"
    with pytest.raises(RunConflict):
        await platform.start_agent("Do other things.", agent="tester", business_id="known", budget=BUDGET)


@in_real_time
async def test_what_waits_for_a_person_goes_on_waiting_under_the_same_digest(
    platform: Platform,
    handle: WorkflowHandle[object, object],
    run: str,
    stub: StubModel,
    received: Desk,
) -> None:
    stub.script = [calls(MESSAGE, TICKET, MESSAGE), answer()]
    await platform.start_agent("Tell them.", agent="tester", business_id=run)
    first, second = await waits(platform, run, 2)
    approval = says(first, Ruling.APPROVE)
    await grow_to_execution(handle, platform, run, 2)
    assert await waits(platform, run, 2) == (first, second)
    attributes = (await handle.describe()).typed_search_attributes
    assert (attributes[PHASE], attributes[AWAITING_APPROVAL]) == ("awaiting_approval", True)
    assert isinstance((await platform.decide(run, approval)).came, Accepted)
    await grow_to_execution(handle, platform, run, 3)
    reply = await platform.decide(run, approval)
    assert isinstance(reply.came, Accepted), "the same decision is answered as it was two executions before"
    await platform.decide(run, says(second, Ruling.DENY))
    result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    assert list(received.received()["messages"].values()) == [1]
    assert list(received.received()["tickets"].values()) == [1]
    assert result.spent.tool_calls == 2


async def test_the_times_at_which_a_policy_speaks_stay_as_they_were(
    platform: Platform, client: Client, run: str, stub: StubModel, received: Desk
) -> None:
    stub.script = [*(calls(SUM) for _ in range(3)), calls(MESSAGE), answer()]
    await platform.start_agent("Tell them.", agent="reminded", business_id=run)
    result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    [waiting] = [call for call in (await handed_over(client, platform, run)).run.calls if call.tool == "send_message"]
    assert 0 < waiting.reminders < 6, "it went on anew between two reminders"
    metadata = str(await client.get_workflow_handle(workflow_id("default", run)).query("__temporal_workflow_metadata"))
    assert metadata.count("still waits for a person") == 6
    stages = {timing.stage: timedelta(milliseconds=timing.milliseconds) for timing in result.timings}
    assert abs(stages["awaiting_approval"] - timedelta(days=7)) < timedelta(minutes=5)
    assert received.received()["messages"] == {}


@in_real_time
async def test_a_paused_run_is_still_paused_in_its_next_execution(
    platform: Platform,
    handle: WorkflowHandle[object, object],
    run: str,
    stub: StubModel,
) -> None:
    stub.script = [calls(MESSAGE), answer()]
    await platform.start_agent("Tell them.", agent="tester", business_id=run)
    [step] = await waits(platform, run)
    await platform.pause(run, by="ada", reason="the desk is closed")
    await platform.decide(run, says(step, Ruling.DENY))
    await grow_to_execution(handle, platform, run, 3)
    assert (await handle.describe()).typed_search_attributes[PHASE] == "paused"
    assert stub.calls == 1
    await platform.resume(run, by="ada")
    assert isinstance((await platform.result(run)).outcome, Answered)


@in_real_time
async def test_a_cancelled_run_says_what_all_of_its_executions_have_spent(
    platform: Platform,
    handle: WorkflowHandle[object, object],
    run: str,
    stub: StubModel,
) -> None:
    stub.script = [calls(SUM), calls(MESSAGE)]
    await platform.start_agent("Tell them.", agent="tester", business_id=run)
    await waits(platform, run)
    await grow_to_execution(handle, platform, run, 2)
    await platform.cancel(run)
    result = await platform.result(run)
    assert isinstance(result.outcome, Cancelled)
    assert (result.spent.steps, result.spent.tool_calls) == (2, 1)


@in_real_time
async def test_what_an_attempt_of_unknown_outcome_holds_stays_reserved(
    platform: Platform,
    handle: WorkflowHandle[object, object],
    run: str,
    stub: StubModel,
) -> None:
    stub.script = ["cut", calls(MESSAGE), calls(SUM)]
    budget = BUDGET.model_copy(update={"steps": 2})
    await platform.start_agent("Tell them.", agent="tester", business_id=run, budget=budget)
    [step] = await waits(platform, run)
    await grow_to_execution(handle, platform, run, 2)
    await platform.decide(run, says(step, Ruling.DENY))
    result = await platform.result(run)
    assert isinstance(result.outcome, Exhausted)
    assert result.outcome.limit == "steps"
    assert result.spent.steps == 1
    assert result.unsettled.steps == 1, "the lost attempt of the first execution"


@in_real_time
async def test_no_decision_is_lost_while_a_run_goes_on_anew(
    platform: Platform,
    handle: WorkflowHandle[object, object],
    run: str,
    stub: StubModel,
    received: Desk,
) -> None:
    rounds = 12
    stub.script = [*(calls(MESSAGE, TICKET) for _ in range(rounds)), answer()]
    await platform.start_agent("Tell them.", agent="tester", business_id=run, budget=BUDGET)
    for number in range(rounds):
        [step] = await waits(platform, run)
        decisions = [says(step, Ruling.APPROVE, decision_id=f"{number}-{who}", by=who) for who in ("ada", "bob", "eve")]
        noise = [handle.signal("decide", {"nonsense": number}) for _ in range(10)]
        sending = asyncio.gather(*noise)
        replies = await asyncio.gather(*(platform.decide(run, outcome) for outcome in decisions))
        await sending
        outcomes = [reply.came for reply in replies]
        assert sum(isinstance(outcome, Accepted) for outcome in outcomes) == 1, (
            "each is answered, and one of them holds"
        )
    result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    assert await executions(platform, run) >= 5
    assert list(received.received()["messages"].values()) == [1] * rounds
    assert list(received.received()["tickets"].values()) == [1] * rounds
    assert len([notice for notice in result.notices if "no decision" in notice]) == 20, (
        "only the first of many are reported"
    )


async def test_what_a_step_says_is_read_where_it_was_before(
    platform: Platform, settings: Settings, stub: StubModel
) -> None:
    stub.script = [*(calls(SUM) for _ in range(8)), answer("At last.")]
    await platform.run_agent("Do much.", agent="tester", business_id="said", budget=BUDGET)
    first, *_ = await platform.executions("said")
    original = first.events[0].workflow_execution_started_event_attributes.original_execution_run_id
    key = StepKey(tenant="default", workflow_id=workflow_id("default", "said"), run_id=original, step="think-9")
    async with open_token_log(settings) as log:
        reader = Reader(log, key)
        await asyncio.wait_for(reader.to_the_end(), 10)
    assert reader.text == "At last."


async def test_a_timeline_tells_a_long_run_as_one(platform: Platform, client: Client, stub: StubModel) -> None:
    stub.script = [*(calls(SUM) for _ in range(8)), answer()]
    await platform.run_agent("Do much.", agent="tester", business_id="told", budget=BUDGET)
    entries = [entry async for entry in platform.timeline("told")]
    thoughts = [entry.summary for entry in entries if entry.name == "think" and entry.state is EntryState.DONE]
    assert len(thoughts) == 9, thoughts
    handle: WorkflowHandle[object, RunResult] = client.get_workflow_handle(workflow_id("default", "told"))
    metadata = str(await handle.query("__temporal_workflow_metadata"))
    assert "| think-1" in metadata
    assert "the run goes on in its execution 2" in metadata
