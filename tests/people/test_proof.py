"""An approval counts only in the run that the person saw; it is recorded, and asked for again without a record."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from temporalio.client import Client, WorkflowHistory
from temporalio.common import WorkflowIDReusePolicy

from activities.authorization.proof import not_proven
from activities.effects.acting import Acting
from deploy.local.stack.desk import Desk
from perdure.client import Platform
from perdure.contracts.agents.steps import Act, Acted
from perdure.contracts.runs.run import AgentRequest, Answered
from perdure.contracts.temporal.queues import Queue
from perdure.contracts.tool_calls.approvals import ApprovalPolicy, Trust
from perdure.contracts.tool_calls.decisions import Accepted, DecisionReply, Rejected, Ruling
from perdure.runs import workflow_id
from tests.people.conftest import DatabaseTime
from tests.support.runs.people import Grants, calls, decision, message, signed, waiting
from tests.support.servers.stub_model import StubModel
from workflows.effects import ACT

DONE = {"content": "Done."}
SIGNED = ApprovalPolicy(trust=Trust.SIGNED)


def reason(reply: DecisionReply) -> str:
    assert isinstance(reply.came, Rejected)
    return reply.came.reason


async def history(client: Client, run: str) -> WorkflowHistory:
    return await client.get_workflow_handle(workflow_id("default", run)).fetch_history()


def effects(history: WorkflowHistory) -> list[str]:
    """Return the effects that were scheduled, in order."""
    scheduled = [event.activity_task_scheduled_event_attributes for event in history.events]
    return [attributes.activity_type.name for attributes in scheduled if attributes.activity_type.name]


@pytest.mark.usefixtures("working")
async def test_a_credential_from_a_run_is_refused_by_the_next_one_of_the_same_id(
    client: Client, platform: Platform, stub: StubModel, desk: Desk, grants: Grants
) -> None:
    grants.policies["send_message"] = SIGNED
    stub.script = [calls(message()), DONE, calls(message()), DONE]
    run = uuid.uuid4().hex

    async def start() -> None:
        await client.start_workflow(
            "agent",
            AgentRequest.model_validate({"task": "Write to bob.", "agent": "clerk", "started_by": "sam"}),
            id=workflow_id("default", run),
            task_queue=Queue.AGENTS,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        )

    await start()
    [step] = await waiting(platform, run)
    approval = signed(decision(step), run)
    assert isinstance((await platform.decide(run, approval)).came, Accepted)
    await platform.result(run)
    await start()
    [next_step] = await waiting(platform, run)
    assert (next_step.step, next_step.arguments) == (step.step, step.arguments)
    assert next_step.run != step.run
    assert next_step.digest != step.digest
    assert "another one by now" in reason(await platform.decide(run, approval))
    # The credential does not cover what the new run asks either.
    forged = approval.model_copy(update={"digest": next_step.digest})
    assert "for another decision: digest, said differ" in reason(await platform.decide(run, forged))
    await platform.decide(run, signed(decision(next_step, ruling=Ruling.DENY), run))
    await platform.result(run)
    assert list(desk.received()["messages"].values()) == [1]


@pytest.mark.usefixtures("working")
async def test_a_decision_that_was_rejected_without_a_credential_is_taken_with_one(
    platform: Platform, stub: StubModel, desk: Desk, grants: Grants
) -> None:
    grants.policies["send_message"] = SIGNED
    stub.script = [calls(message()), DONE]
    run = await platform.start_agent("Write to bob.", agent="clerk", started_by="sam")
    [step] = await waiting(platform, run)
    unsigned = decision(step)
    assert "takes only signed decisions" in reason(await platform.decide(run, unsigned))
    assert isinstance((await platform.decide(run, signed(unsigned, run))).came, Accepted)
    assert isinstance((await platform.decide(run, signed(unsigned, run, exp=0))).came, Accepted), "as before"
    await platform.result(run)
    assert list(desk.received()["messages"].values()) == [1]


@pytest.mark.usefixtures("working")
async def test_a_credential_expires_by_the_clock_of_the_database_whatever_a_workers_own_one_shows(
    platform: Platform, stub: StubModel, grants: Grants, database_time: DatabaseTime
) -> None:
    grants.policies["send_message"] = SIGNED
    stub.script = [calls(message()), DONE]
    run = await platform.start_agent("Write to bob.", agent="clerk", started_by="sam")
    [step] = await waiting(platform, run)
    database_time.ahead = timedelta(hours=2)
    assert "it has expired" in reason(await platform.decide(run, signed(decision(step), run)))
    later = datetime.now(UTC) + database_time.ahead
    assert isinstance((await platform.decide(run, signed(decision(step), run, now=later))).came, Accepted)
    await platform.result(run)


@pytest.mark.usefixtures("working")
@pytest.mark.parametrize("ruling", [Ruling.APPROVE, Ruling.DENY])
async def test_an_unsigned_decision_is_recorded_by_an_effect_as_a_signed_one_is(
    client: Client, platform: Platform, stub: StubModel, ruling: Ruling
) -> None:
    stub.script = [calls(message()), DONE]
    run = await platform.start_agent("Write to bob.", agent="clerk", started_by="sam")
    [step] = await waiting(platform, run)
    await platform.decide(run, decision(step, ruling=ruling))
    await platform.result(run)
    scheduled = effects(await history(client, run))
    assert scheduled.index("check_decision") < scheduled.index("act" if ruling is Ruling.APPROVE else "settle_call")


class OnceUnproven(Acting):
    """The acting effect, whose first call of each tool finds no proof of an approval."""

    found: ClassVar[set[str]] = set()

    @ACT.activity
    async def act(self, ask: Act) -> Acted:
        if ask.tool in self.found:
            return await super().act(ask)
        self.found.add(ask.tool)
        unproven = not_proven(ask, "nothing is recorded that allows it in this run")
        return await self._store_and_settle(ask, unproven)


@pytest.fixture
def unproven(monkeypatch: pytest.MonkeyPatch) -> None:
    OnceUnproven.found.clear()
    monkeypatch.setattr("activities.effects.acting.Acting", OnceUnproven)


@pytest.mark.usefixtures("unproven", "working")
async def test_a_call_whose_approval_is_not_recorded_waits_for_it_again_and_the_page_says_so(
    client: Client, platform: Platform, stub: StubModel, desk: Desk
) -> None:
    stub.script = [calls(message()), DONE]
    run = await platform.start_agent("Write to bob.", agent="clerk")
    [step] = await waiting(platform, run)
    await platform.decide(run, decision(step))
    [asked_again] = await waiting(platform, run)
    assert asked_again.digest == step.digest, "it is the same call of the same run"
    assert asked_again.arguments == step.arguments
    assert desk.received()["messages"] == {}
    page = str(await client.get_workflow_handle(workflow_id("default", run)).query("__temporal_workflow_metadata"))
    assert "its approval is not recorded: it is asked again" in page
    assert isinstance((await platform.decide(run, decision(asked_again))).came, Accepted)
    await platform.result(run)
    assert list(desk.received()["messages"].values()) == [1]


@pytest.mark.usefixtures("unproven", "working")
async def test_a_call_that_needs_nobody_is_rejected_where_there_is_no_proof_and_the_model_is_told_why(
    platform: Platform, stub: StubModel
) -> None:
    stub.script = [calls(("create_ticket", {"title": "Leave", "text": "Soon."})), DONE]
    run = await platform.start_agent("Open a ticket.", agent="clerk")
    result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    assert "create_ticket was not called: nothing is recorded that allows it" in str(stub.requests[-1]["messages"])
