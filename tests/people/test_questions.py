"""An agent asks a person what it does not know, and reads an answer of the kind that it asked for."""

import json
from datetime import timedelta
from typing import Any

import pytest

from perdure.client import Platform
from perdure.contracts.agents.agent import AgentPhase
from perdure.contracts.budget import Budget
from perdure.contracts.runs.run import Answered, Exhausted
from perdure.contracts.tool_calls.approvals import ApprovalPolicy
from perdure.contracts.tool_calls.decisions import Accepted, Rejected, Ruling, Waiting
from tests.support.runs.people import Grants, calls, decision, waiting
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("working")

DONE = {"content": "Done."}


def asks(question: str = "Which team?", **fields: Any) -> dict[str, Any]:
    return calls(("ask_person", {"question": question, **fields}))


def last_request(stub: StubModel) -> str:
    """Return the messages of the newest request to the model, as JSON."""
    return json.dumps(stub.requests[-1]["messages"])


async def test_the_answer_is_what_the_model_reads_next(platform: Platform, stub: StubModel) -> None:
    stub.script = [asks(), DONE]
    run = await platform.start_agent("Write to the team.", agent="clerk", started_by="sam")
    [step] = await waiting(platform, run)
    assert (step.waiting, step.tool, step.barred) == (Waiting.ANSWER, "ask_person", "")
    assert "Which team?" in (step.arguments.body or "")

    async def visible() -> bool:
        return (await platform.status(run)).phase is AgentPhase.AWAITING_ANSWER

    await until(visible, what="the run is found by its phase")
    # The person who started the run may answer.
    reply = (await platform.decide(run, decision(step, "sam", Ruling.ANSWER, answer="the night shift"))).came
    assert isinstance(reply, Accepted)
    result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    assert "the night shift" in last_request(stub)
    assert result.spent.tool_calls == 1, "a question is a call of a tool"


@pytest.mark.parametrize(
    ("question_fields", "rejected_answers", "accepted_answer", "expected"),
    [
        ({"answer": "number"}, [True, "12", None], 12.5, "12.5"),
        ({"answer": "yes_no"}, ["yes", 1], False, "no"),
        ({"answer": "date"}, ["tomorrow", 20261124], "2026-11-24", "2026-11-24"),
        ({"choices": ["red", "blue"]}, ["green", ["red"]], "blue", "blue"),
        ({}, ["", 7, "x" * 4001], "a word", "a word"),
    ],
    ids=["number", "yes_no", "date", "choices", "text"],
)
async def test_an_answer_of_another_kind_is_refused_and_the_question_stays(  # noqa: PLR0917 - a row of a table
    platform: Platform,
    stub: StubModel,
    question_fields: dict[str, Any],
    rejected_answers: list[Any],
    accepted_answer: Any,
    expected: str,
) -> None:
    stub.script = [asks(**question_fields), DONE]
    run = await platform.start_agent("Ask.", agent="clerk")
    [step] = await waiting(platform, run)
    for answer in rejected_answers:
        if answer is None:
            continue
        reply = (await platform.decide(run, decision(step, ruling=Ruling.ANSWER, answer=answer))).came
        assert isinstance(reply, Rejected)
        assert reply.reason.startswith("answer: ")
    assert list(await platform.pending(run)) == [step]
    await platform.decide(run, decision(step, ruling=Ruling.ANSWER, answer=accepted_answer))
    await platform.result(run)
    assert expected in last_request(stub)


async def test_a_question_that_nobody_answers_is_told_to_the_model(
    platform: Platform, stub: StubModel, grants: Grants
) -> None:
    grants.policies["ask_person"] = ApprovalPolicy(timeout=timedelta(days=2), on_timeout="approve")
    stub.script = [asks(), DONE]
    run = await platform.start_agent("Ask.", agent="clerk")
    assert isinstance((await platform.result(run)).outcome, Answered)
    assert "There is no answer: nobody has spoken within 2 days" in last_request(stub)


async def test_a_person_may_decline_and_the_model_is_told_why(platform: Platform, stub: StubModel) -> None:
    stub.script = [asks(), DONE]
    run = await platform.start_agent("Ask.", agent="clerk")
    [step] = await waiting(platform, run)
    approve = (await platform.decide(run, decision(step))).came
    assert isinstance(approve, Rejected)
    assert "say one of answer, deny" in approve.reason
    await platform.decide(run, decision(step, ruling=Ruling.DENY, reason="look it up"))
    await platform.result(run)
    assert "eve said no: look it up" in last_request(stub)


async def test_a_question_that_cannot_be_asked_takes_nobodys_time(platform: Platform, stub: StubModel) -> None:
    stub.script = [asks(""), DONE]
    run = await platform.start_agent("Ask.", agent="clerk")
    assert isinstance((await platform.result(run)).outcome, Answered)
    assert "question" in last_request(stub)


async def test_questions_are_paid_from_the_budget(platform: Platform, stub: StubModel) -> None:
    stub.script = [asks(), asks()]
    run = await platform.start_agent("Ask.", agent="clerk", budget=Budget(steps=9, tool_calls=1))
    [step] = await waiting(platform, run)
    await platform.decide(run, decision(step, ruling=Ruling.ANSWER, answer="so"))
    outcome = (await platform.result(run)).outcome
    assert isinstance(outcome, Exhausted)
    assert outcome.limit == "tool_calls"
