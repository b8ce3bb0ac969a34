"""A decision about a call counts once, for exactly what the person saw; any other is rejected with a reason."""

import json
from typing import Any

import pytest
from temporalio.client import Client

from deploy.local.stack.desk import Desk
from perdure.client import Platform
from perdure.contracts.runs.run import Answered
from perdure.contracts.tool_calls.approvals import ApprovalPolicy
from perdure.contracts.tool_calls.decisions import Accepted, DecisionReply, Rejected, Ruling
from perdure.runs import workflow_id
from tests.support.runs.people import Grants, calls, decision, message, waiting
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("working")

DONE = {"content": "Done."}


def reason(reply: DecisionReply) -> str:
    assert isinstance(reply.came, Rejected)
    return reply.came.reason


def sent(desk: Desk) -> list[int]:
    """Return how often each message was received."""
    return list(desk.received()["messages"].values())


async def test_the_same_decision_again_is_answered_as_before(platform: Platform, stub: StubModel, desk: Desk) -> None:
    stub.script = [calls(message("one"), message("two")), DONE]
    run = await platform.start_agent("Write to bob.", agent="clerk")
    first, second = await waiting(platform, run, 2)
    approval = decision(first)
    replies = [await platform.decide(run, approval) for _ in range(3)]
    assert {reply.model_dump_json() for reply in replies} == {replies[0].model_dump_json()}
    assert isinstance(replies[0].came, Accepted)
    await platform.decide(run, decision(second, ruling=Ruling.DENY, reason="bob is away"))
    result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    assert sent(desk) == [1]
    assert (await platform.decide(run, approval)).model_dump_json() == replies[0].model_dump_json(), (
        "also when it is over"
    )
    assert "eve said no: bob is away" in json.dumps(stub.requests[-1]["messages"]), "the model is told why"


async def test_an_id_that_was_used_for_another_decision_is_rejected(
    platform: Platform, stub: StubModel, desk: Desk, grants: Grants
) -> None:
    grants.policies["send_message"] = ApprovalPolicy(quorum=2)
    stub.script = [calls(message()), DONE]
    run = await platform.start_agent("Write to bob.", agent="clerk")
    [step] = await waiting(platform, run)
    assert isinstance((await platform.decide(run, decision(step, decision_id="mine"))).came, Accepted)
    other_decision = decision(step, "ann", decision_id="mine")
    assert "was used for another decision" in reason(await platform.decide(run, other_decision))
    assert sent(desk) == []
    assert isinstance((await platform.decide(run, decision(step, "ann"))).came, Accepted)
    await platform.result(run)
    assert sent(desk) == [1]


async def test_a_decision_that_was_rejected_is_looked_at_anew_and_its_id_is_free(
    platform: Platform, stub: StubModel, desk: Desk
) -> None:
    stub.script = [calls(message()), DONE]
    run = await platform.start_agent("Write to bob.", agent="clerk")
    [step] = await waiting(platform, run)
    no = decision(step, decision_id="mine", ruling=Ruling.APPROVE, arguments={"to": "", "text": ""})
    assert "to: " in reason(await platform.decide(run, no)), "the tool's schema rejects the argument"
    assert sent(desk) == []
    assert isinstance((await platform.decide(run, decision(step, decision_id="mine"))).came, Accepted)
    await platform.result(run)
    assert sent(desk) == [1]


REFUSED: dict[str, dict[str, Any]] = {
    "another one by now": {"digest": "1" * 64},
    "does not wait for a person: it has not been asked for yet: what waits is call-1-1": {"step": "call-9-9"},
    "say one of approve, deny": {"ruling": Ruling.RETRY},
    "the reason has 102,400 characters: say it in 2,000": {"reason": "x" * 100 * 1024},
    "over the limit of 65,536": {"arguments": {"to": "bob", "text": "x" * 70_000}},
    "txt": {"arguments": {"to": "bob", "txt": "hi"}},
    "at most 4000": {"arguments": {"to": "bob", "text": "x" * 5000}},
}


async def test_what_cannot_be_taken_is_rejected_with_the_reason_and_recorded(
    platform: Platform, client: Client, stub: StubModel, desk: Desk
) -> None:
    stub.script = [calls(message()), DONE]
    run = await platform.start_agent("Write to bob.", agent="clerk")
    [step] = await waiting(platform, run)
    for cause, change in REFUSED.items():
        assert cause in reason(await platform.decide(run, decision(step).model_copy(update=change)))
    handle = client.get_workflow_handle(workflow_id("default", run))
    events = [event async for event in handle.fetch_history_events()]
    kinds = [event.HasField("workflow_execution_update_completed_event_attributes") for event in events]
    assert sum(kinds) == len(REFUSED)
    [still_waiting] = await waiting(platform, run)
    assert still_waiting == step, "nothing has changed"
    await platform.decide(run, decision(step, ruling=Ruling.DENY))
    await platform.result(run)
    assert sent(desk) == []


async def test_what_was_edited_is_what_is_called(platform: Platform, stub: StubModel, desk: Desk) -> None:
    stub.script = [calls(message("hi")), DONE]
    run = await platform.start_agent("Write to bob.", agent="clerk")
    [step] = await waiting(platform, run)
    await platform.decide(run, decision(step, arguments={"to": "alice", "text": "hello"}))
    await platform.result(run)
    [key] = desk.received()["messages"]
    assert [(message["to"], message["text"]) for message in desk.became("messages", key)["messages"]] == [
        ("alice", "hello")
    ]


async def test_a_late_decision_is_rejected(platform: Platform, stub: StubModel, desk: Desk) -> None:
    stub.script = [calls(message()), calls(message("again")), DONE]
    run = await platform.start_agent("Write to bob.", agent="clerk")
    [step] = await waiting(platform, run)
    await platform.decide(run, decision(step, ruling=Ruling.DENY))
    await until(lambda: stub.calls >= 2, what="the model is asked again")
    [next_step] = await waiting(platform, run)
    assert next_step.step != step.step
    assert "does not wait" in reason(await platform.decide(run, decision(step)))
    await platform.cancel(run)
    await platform.result(run)
    assert sent(desk) == []
