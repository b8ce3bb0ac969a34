"""Why a model's reply ended decides what becomes of it: nothing that was cut is called, and nothing is shown for it."""

from pathlib import Path
from typing import Any

import pytest

from activities.settings import Settings, Tools
from deploy.local.stack.desk import DeskServer
from perdure.client import Platform
from perdure.contracts.budget import Budget
from perdure.contracts.runs.run import Abstained, Answered, Refused
from tests.support.runs.agent_runs import (
    BRIEF,
    LONG,
    READS,
    SUM,
    TICKET,
    answer,
    calls,
    refuses,
    with_agents,
    write_agent,
)
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

CUT_ANSWER = {"content": "The depth is 40 met", "finish_reason": "length"}
CUT_CALL = {"tool_calls": [{"name": "calculator", "arguments": '{"expression": "6*'}], "finish_reason": "length"}


def withheld(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "finish_reason": "content_filter"}


@pytest.fixture
def settings(settings: Settings, desk: DeskServer, tmp_path: Path) -> Settings:
    write_agent(tmp_path)
    write_agent(tmp_path, "brief", READS, more="max_output_tokens = 100", after=BRIEF)
    return with_agents(settings, tmp_path, tools=Tools(services={"desk": desk.url}))


@pytest.mark.parametrize("cut", [CUT_ANSWER, CUT_CALL, {"content": "", "finish_reason": "length"}])
async def test_a_reply_that_was_cut_is_bought_once_more_with_more_room(
    platform: Platform, stub: StubModel, cut: dict[str, Any]
) -> None:
    stub.script = [cut, calls(SUM), answer("The depth is 42 metres.")]
    result = await platform.run_agent("How deep?", agent="tester")
    assert isinstance(result.outcome, Answered)
    assert result.outcome.answer.body == "The depth is 42 metres."
    assert (result.spent.steps, result.spent.tool_calls) == (3, 1)
    first, longer, _ = stub.requests
    assert longer["messages"] == first["messages"]
    assert (first["max_tokens"], longer["max_tokens"]) == (300, 600)
    assert result.spent.output_tokens == 3 * 12


@pytest.mark.parametrize("cut", [CUT_ANSWER, CUT_CALL, {"content": "", "finish_reason": "length"}])
async def test_a_reply_that_is_cut_twice_is_no_answer_and_the_outcome_names_the_key(
    platform: Platform, stub: StubModel, cut: dict[str, Any]
) -> None:
    stub.script = [cut, cut, answer()]
    result = await platform.run_agent("How deep?", agent="tester")
    assert isinstance(result.outcome, Abstained)
    assert "max_output_tokens = 300, and again at 600" in result.outcome.reason
    assert "40 met" not in result.outcome.reason
    assert (stub.calls, result.spent.steps, result.spent.tool_calls) == (2, 2, 0)


@pytest.mark.parametrize("budget", [Budget(steps=1, tool_calls=5), Budget(output_tokens=312, tool_calls=5)])
async def test_a_longer_reply_that_the_budget_does_not_cover_is_not_bought(
    platform: Platform, stub: StubModel, budget: Budget
) -> None:
    stub.script = [CUT_ANSWER, answer()]
    result = await platform.run_agent("How deep?", agent="tester", budget=budget)
    assert isinstance(result.outcome, Abstained)
    assert "max_output_tokens = 300, and the budget does not cover a longer one" in result.outcome.reason
    assert stub.calls == 1


async def test_a_longer_reply_that_its_server_refuses_ends_as_the_cut_reply_does(
    platform: Platform, stub: StubModel
) -> None:
    stub.script = [CUT_ANSWER, "400"]
    result = await platform.run_agent("How deep?", agent="tester")
    assert isinstance(result.outcome, Abstained)
    assert "max_output_tokens = 300, and a longer one could not be bought" in result.outcome.reason


@pytest.mark.parametrize("item", [answer("I beg"), calls(TICKET)])
async def test_what_the_providers_filter_cut_is_a_refusal_and_none_of_its_calls_is_made(
    platform: Platform, stub: StubModel, desk: DeskServer, item: dict[str, Any]
) -> None:
    stub.script = [withheld(item), answer()]
    result = await platform.run_agent("Open a ticket.", agent="tester")
    assert isinstance(result.outcome, Refused)
    assert (result.outcome.by, "content_filter" in result.outcome.reason) == ("provider", True)
    assert "beg" not in result.outcome.reason
    assert desk.desk.received()["tickets"] == {}
    assert (stub.calls, result.spent.steps) == (1, 1)


async def test_a_prompt_that_the_providers_filter_refuses_is_an_outcome_and_never_sent_again(
    platform: Platform, stub: StubModel
) -> None:
    words = "The prompt triggered our content policy."
    stub.script = [{"status": 400, "body": {"error": {"code": "content_filter", "message": words}}}, answer()]
    result = await platform.run_agent("Break in.", agent="tester")
    assert isinstance(result.outcome, Refused)
    assert (result.outcome.by, result.outcome.reason) == (
        "provider",
        f"The content filter of the model's provider refused the prompt: {words}",
    )
    assert (stub.calls, result.spent.steps, result.spent.output_tokens) == (1, 1, 0)


async def test_a_models_refusal_is_an_outcome_with_its_words(platform: Platform, stub: StubModel) -> None:
    stub.script = [refuses("I cannot help with that."), answer()]
    result = await platform.run_agent("Break in.", agent="tester")
    assert isinstance(result.outcome, Refused)
    assert (result.outcome.by, result.outcome.reason) == ("model", "The model refused: I cannot help with that.")
    assert (stub.calls, result.spent.steps) == (1, 1)


async def test_a_write_in_a_reply_that_was_cut_is_made_only_once_it_is_whole(
    platform: Platform, stub: StubModel, desk: DeskServer
) -> None:
    cut = {**calls(TICKET, TICKET), "finish_reason": "length"}
    stub.script = [cut, calls(TICKET), answer()]
    result = await platform.run_agent("Open a ticket.", agent="tester")
    assert isinstance(result.outcome, Answered)
    assert list(desk.desk.received()["tickets"].values()) == [1]


async def test_a_summary_that_is_cut_twice_replaces_nothing_and_the_notice_names_its_key(
    platform: Platform, stub: StubModel
) -> None:
    cut = {"content": "They asked for", "finish_reason": "length"}
    stub.script = [calls(SUM), calls(SUM) | LONG, cut, cut, answer("42.")]
    result = await platform.run_agent("Count.", agent="brief")
    assert isinstance(result.outcome, Answered)
    [notice] = result.notices
    assert "it was cut at compaction.tokens = 50, and again at 100: raise it" in notice
    before, after = stub.requests[1]["messages"], stub.requests[-1]["messages"]
    assert after[: len(before)] == before


async def test_a_summary_that_was_cut_is_bought_once_more(platform: Platform, stub: StubModel) -> None:
    cut = {"content": "They asked for", "finish_reason": "length"}
    stub.script = [calls(SUM), calls(SUM) | LONG, cut, answer("They counted to 42."), answer("42.")]
    result = await platform.run_agent("Count.", agent="brief")
    assert isinstance(result.outcome, Answered)
    assert (result.notices, stub.requests[3]["max_tokens"]) == ((), 100)
    assert "They counted to 42." in str(stub.requests[-1]["messages"])
    assert "They asked for" not in str(stub.requests[-1]["messages"])
