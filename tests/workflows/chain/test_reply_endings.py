"""Why a reply ended decides what becomes of a chain and an extraction, and a reply is read where it has one meaning."""

from typing import Any

import pytest

from perdure.client import Platform
from perdure.contracts.budget import Budget
from perdure.contracts.guards import Ended
from perdure.contracts.runs.run import Abstained, Answered, Extracted, Refused
from tests.replay.scenarios import INVOICE, reading
from tests.support.runs.agent_runs import refuses
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

QUESTION = "How many weeks of parental leave are there?"
PASSWORD = "hunter2hunter2"  # noqa: S105 - a made-up one
CUT = {"content": '{"1": {"source": 1, "answer": "Eight', "finish_reason": "length"}
FILTERED = {
    "status": 400,
    "body": {"error": {"code": "content_filter", "message": "The prompt triggered our content policy."}},
}
SOURCE = '{"1": {"source": 1, "answer": ""}}'


async def test_a_reply_that_was_cut_is_bought_once_more_and_never_repaired(platform: Platform, stub: StubModel) -> None:
    stub.script = [CUT, "answer"]
    result = await platform.ask(QUESTION)
    assert isinstance(result.outcome, Answered)
    first, longer = stub.requests
    assert longer["messages"] == first["messages"]
    assert longer["max_tokens"] == 2 * first["max_tokens"]
    assert result.spent.steps == 2


async def test_a_reply_that_is_cut_twice_names_the_key_that_raises_the_limit(
    platform: Platform, stub: StubModel
) -> None:
    stub.script = [CUT, CUT, "answer"]
    result = await platform.ask(QUESTION)
    assert isinstance(result.outcome, Abstained)
    assert "max_output_tokens = 160, and again at 320" in result.outcome.reason
    assert "'handbook'" in result.outcome.reason
    assert stub.calls == 2


async def test_a_repair_that_is_cut_is_bought_once_more_as_well(platform: Platform, stub: StubModel) -> None:
    stub.script = ["malformed", CUT, "answer"]
    result = await platform.ask(QUESTION)
    assert isinstance(result.outcome, Answered)
    assert [len(request["messages"]) for request in stub.requests[1:]] == [len(stub.requests[1]["messages"])] * 2


async def test_a_longer_reply_stays_within_the_budget(platform: Platform, stub: StubModel) -> None:
    stub.script = [CUT, "answer"]
    result = await platform.ask(QUESTION, budget=Budget(output_tokens=12 + 200))
    assert isinstance(result.outcome, Answered)
    assert stub.requests[1]["max_tokens"] == 200


@pytest.mark.parametrize(
    ("item", "by", "words"),
    [
        ({"content": "I beg", "finish_reason": "content_filter"}, "provider", "content_filter"),
        (FILTERED, "provider", "refused the prompt: The prompt triggered our content policy."),
        (refuses("I cannot help with that."), "model", "I cannot help with that."),
    ],
    ids=["filter", "filter of the prompt", "refusal"],
)
async def test_a_refusal_is_an_outcome_with_its_words_and_costs_one_call(
    platform: Platform, stub: StubModel, item: dict[str, Any], by: str, words: str
) -> None:
    stub.script = [item, "answer"]
    result = await platform.ask(QUESTION)
    assert isinstance(result.outcome, Refused)
    assert (result.outcome.by, words in result.outcome.reason) == (by, True)
    assert (stub.calls, result.spent.steps) == (1, 1)


async def test_the_words_of_a_refusal_pass_the_guards_of_answers_before_they_are_shown(
    platform: Platform, stub: StubModel
) -> None:
    stub.script = [refuses(f'I refuse. password = "{PASSWORD}"')]
    result = await platform.ask(QUESTION)
    assert isinstance(result.outcome, Refused)
    assert (result.outcome.by, PASSWORD in str(result)) == ("model", False)
    assert result.outcome.reason.startswith("The model refused. Its words are not shown: it holds what looks like a")
    ended = {verdict.guard: (verdict.ended, verdict.passed) for verdict in result.verdicts}
    assert ended["secrets_present"] == (Ended.COMPLETED, False)
    assert ended["citations_verbatim"] == (Ended.SKIPPED, True)


async def test_a_prompt_that_the_providers_filter_refuses_extracts_nothing_and_is_asked_once(
    platform: Platform, stub: StubModel
) -> None:
    stub.script = [FILTERED, {"content": reading()}]
    result = await platform.extract(INVOICE, name="invoice.txt", schema="invoice")
    assert isinstance(result.outcome, Refused)
    assert (result.outcome.by, stub.calls, result.spent.output_tokens) == ("provider", 1, 0)
    assert result.spent.input_tokens > 0, "what the provider charges for the prompt is not known"
    assert "did not report the input tokens" in result.notices[0]


@pytest.mark.parametrize(
    "frame",
    ["```json\n{}\n```", "Of course:\n{}\nAsk me more.", "[{}]", "\ufeff {}\n"],
    ids=["fence", "prose", "list", "mark"],
)
async def test_a_reply_that_can_mean_only_one_thing_needs_no_repair(
    platform: Platform, stub: StubModel, frame: str
) -> None:
    stub.script = [{"content": frame.replace("{}", SOURCE.replace('"answer": ""', '"answer": "Eighteen weeks.",'))}]
    result = await platform.ask(QUESTION)
    assert isinstance(result.outcome, Answered | Abstained)
    assert "could be used" not in getattr(result.outcome, "reason", "")
    assert stub.calls == 1


async def test_the_first_repair_says_what_was_wrong_with_a_reply_of_two_meanings(
    platform: Platform, stub: StubModel
) -> None:
    stub.script = [{"content": f"{SOURCE}\n{SOURCE}"}, "answer"]
    result = await platform.ask(QUESTION)
    assert isinstance(result.outcome, Answered)
    assert "it holds more than one value" in stub.requests[1]["messages"][-1]["content"]


async def test_an_empty_reply_is_shown_again_as_a_message_that_servers_take(
    platform: Platform, stub: StubModel
) -> None:
    stub.script = [{"content": ""}, "answer"]
    result = await platform.ask(QUESTION)
    assert isinstance(result.outcome, Answered)
    assert "it is empty" in stub.requests[1]["messages"][-1]["content"]


async def test_a_record_that_was_cut_is_read_once_more_and_one_in_a_fence_at_once(
    platform: Platform, stub: StubModel
) -> None:
    cut = {"content": reading()[:60], "finish_reason": "length"}
    stub.script = [cut, {"content": f"Here:\n```json\n{reading()[:-1]},}}\n```"}]
    result = await platform.extract(INVOICE, name="invoice.txt", schema="invoice")
    assert isinstance(result.outcome, Extracted)
    assert result.outcome.record.values()["total"] == "120.00"
    assert [request["max_tokens"] for request in stub.requests] == [420, 840]


async def test_a_record_that_is_cut_twice_is_no_record(platform: Platform, stub: StubModel) -> None:
    cut = {"content": reading()[:60], "finish_reason": "length"}
    stub.script = [cut, cut, {"content": reading()}]
    result = await platform.extract(INVOICE, name="invoice.txt", schema="invoice")
    assert isinstance(result.outcome, Abstained)
    assert "max_output_tokens = 420, and again at 840" in result.outcome.reason
    assert stub.calls == 2
