"""A run that only repeats a call ends as stuck, one without its required write as unfinished; results list writes."""

from pathlib import Path

import pytest
from temporalio.client import Client

from activities.settings import Settings, Tools
from deploy.local.stack.desk import DeskServer
from deploy.prompts.show_prompt import rebuilt
from perdure.client import Platform
from perdure.contracts.budget import Budget
from perdure.contracts.runs.run import Answered, Cancelled, Exhausted, RunResult, Stuck, Unfinished
from perdure.contracts.temporal.search_attributes import OUTCOME
from perdure.contracts.tool_calls.decisions import Ruling
from perdure.contracts.tool_calls.writes import WriteState
from perdure.errors import RunFailed
from perdure.runs import workflow_id
from tests.support.runs.agent_runs import (
    MESSAGE,
    SUM,
    TICKET,
    answer,
    calls,
    last_words,
    says,
    waits,
    with_agents,
    write_agent,
)
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

SEARCH = ("search_knowledge", {"query": "parental leave"})
UNGUARDED = "results = []\n"


@pytest.fixture
def settings(settings: Settings, desk: DeskServer, tmp_path: Path) -> Settings:
    write_agent(tmp_path, "kitchen", ("search_knowledge", "calculator", "send_message"), UNGUARDED, loops="")
    write_agent(tmp_path, "clerk", ("calculator", "create_ticket", "send_message"), UNGUARDED, loops="")
    return with_agents(settings, tmp_path, tools=Tools(services={"desk": desk.url}))


def states(result: RunResult) -> list[tuple[str, str | None, WriteState, str]]:
    return [(write.tool, write.step, write.state, write.by) for write in result.writes]


async def test_a_model_that_only_searches_the_same_is_told_and_then_stuck(
    platform: Platform, client: Client, settings: Settings, stub: StubModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.script = [calls(SUM), *[calls(SEARCH) for _ in range(22)], answer()]
    run = await platform.start_agent("Plan Sunday.", agent="kitchen")
    result = await platform.result(run)
    assert isinstance(result.outcome, Stuck)
    repeated = result.outcome.repeated
    assert (repeated.tool, repeated.arguments) == ("search_knowledge", '{"query": "parental leave"}')
    assert (repeated.times, repeated.steps, repeated.made) == (3, ("call-2-1", "call-3-1", "call-4-1"), True)
    assert (result.spent.steps, result.spent.tool_calls) == (4, 4)
    assert "called search_knowledge with exactly these arguments 2 times" in last_words(stub.requests[-1])
    description = await client.get_workflow_handle(workflow_id("default", run)).describe()
    assert description.typed_search_attributes[OUTCOME] == "stuck"
    monkeypatch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
    prompt = await rebuilt(settings, run, "think-4", "default")
    assert prompt.recorded == prompt.digest, "what the model was told is in the prompt that is rebuilt"


async def test_a_call_that_somebody_denied_twice_is_not_put_to_anybody_again(
    platform: Platform, stub: StubModel, desk: DeskServer
) -> None:
    stub.script = [calls(MESSAGE), calls(MESSAGE), calls(MESSAGE), answer()]
    run = await platform.start_agent("Tell them.", agent="clerk")
    for reason in ("not now", "I said no"):
        [step] = await waits(platform, run)
        await platform.decide(run, says(step, Ruling.DENY, reason=reason))
    result = await platform.result(run)
    assert isinstance(result.outcome, Stuck)
    assert (result.outcome.repeated.made, result.outcome.repeated.times) == (False, 3)
    assert states(result) == [
        ("send_message", "call-1-1", WriteState.DENIED, "ada"),
        ("send_message", "call-2-1", WriteState.DENIED, "ada"),
    ]
    assert desk.desk.received()["messages"] == {}


async def test_a_run_that_only_says_that_it_opened_a_ticket_is_told_and_then_unfinished(
    platform: Platform, stub: StubModel, client: Client
) -> None:
    stub.script = [answer("The building is the ground floor."), answer("The ticket is open.")]
    run = await platform.start_agent("Open a ticket: the printer is broken.", agent="clerk", requires=["create_ticket"])
    result = await platform.result(run)
    assert isinstance(result.outcome, Unfinished)
    assert result.outcome.answer is not None
    assert result.outcome.answer.body == "The ticket is open."
    assert result.outcome.reason == "Required: create_ticket was never tried."
    assert states(result) == [("create_ticket", None, WriteState.NOT_ATTEMPTED, "")]
    assert "it needs create_ticket" in last_words(stub.requests[-1])
    description = await client.get_workflow_handle(workflow_id("default", run)).describe()
    assert description.typed_search_attributes[OUTCOME] == "unfinished"


async def test_a_run_that_does_what_it_is_told_is_missing_is_answered(
    platform: Platform, stub: StubModel, desk: DeskServer
) -> None:
    stub.script = [answer("Eighteen weeks."), calls(TICKET), answer("Ticket T-1 is open.")]
    result = await platform.run_agent("Open a ticket.", agent="clerk", requires=["create_ticket"])
    assert isinstance(result.outcome, Answered)
    [write] = result.writes
    assert (write.state, write.step, write.required) == (WriteState.DONE, "call-2-1", True)
    assert write.arguments.startswith('{"title": "Leave"')
    assert "T-1" in write.came
    assert list(desk.desk.received()["tickets"].values()) == [1]


async def test_a_denied_write_is_unfinished_where_it_is_required_and_listed_where_it_is_not(
    platform: Platform, stub: StubModel
) -> None:
    for requires in ([], ["send_message"]):
        stub.script = [*stub.script[: stub.calls], calls(MESSAGE), answer("I was not allowed to.")]
        run = await platform.start_agent("Tell them.", agent="clerk", requires=requires)
        [step] = await waits(platform, run)
        await platform.decide(run, says(step, Ruling.DENY))
        result = await platform.result(run)
        assert states(result) == [("send_message", "call-1-1", WriteState.DENIED, "ada")]
        if not requires:
            assert isinstance(result.outcome, Answered)
        else:
            assert isinstance(result.outcome, Unfinished)
            assert result.outcome.reason == "Required: send_message (call-1-1) was denied by ada."
            assert result.outcome.missing == result.writes


async def test_a_budget_without_another_thought_is_unfinished_and_not_exhausted(
    platform: Platform, stub: StubModel
) -> None:
    stub.script = [answer("Eighteen weeks.")]
    budget = Budget(steps=1, tool_calls=1)
    result = await platform.run_agent("Open one.", agent="clerk", requires=["create_ticket"], budget=budget)
    assert isinstance(result.outcome, Unfinished)
    assert (stub.calls, result.outcome.answer is not None) == (1, True)


async def test_other_endings_list_the_writes_too(platform: Platform, stub: StubModel) -> None:
    stub.script = [calls(TICKET, SUM), answer()]
    budget = Budget(steps=1, tool_calls=9)
    result = await platform.run_agent("Open one.", agent="clerk", requires=["send_message"], budget=budget)
    assert isinstance(result.outcome, Exhausted)
    assert [(write.tool, write.state) for write in result.writes] == [
        ("create_ticket", WriteState.DONE),
        ("send_message", WriteState.NOT_ATTEMPTED),
    ]
    stub.calls, stub.script = 0, [calls(MESSAGE), answer()]
    run = await platform.start_agent("Tell them.", agent="clerk")
    await waits(platform, run)
    await platform.cancel(run)
    cancelled = await platform.result(run)
    assert isinstance(cancelled.outcome, Cancelled)
    assert states(cancelled) == [("send_message", "call-1-1", WriteState.NOT_ATTEMPTED, "")]
    stub.calls, stub.script = 0, [calls(TICKET), "400"]
    with pytest.raises(RunFailed) as failed:
        await platform.run_agent("Open one.", agent="clerk")
    assert failed.value.how is not None
    assert [(write.tool, write.state) for write in failed.value.how.writes] == [("create_ticket", WriteState.DONE)]


@pytest.mark.parametrize(
    ("tool", "complaint"),
    [
        ("open_ticket", "'open_ticket' is not granted: name one of the granted tools that write, create_ticket"),
        ("calculator", "'calculator' only reads, so nothing is done by it: name one that writes, create_ticket"),
    ],
)
async def test_a_tool_that_cannot_be_required_fails_the_run_in_a_line(
    platform: Platform, stub: StubModel, tool: str, complaint: str
) -> None:
    with pytest.raises(RunFailed) as failed:
        await platform.run_agent("Open one.", agent="clerk", requires=[tool])
    assert complaint in str(failed.value)
    assert stub.calls == 0
