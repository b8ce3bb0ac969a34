"""Without a decision people are reminded, others are asked, and at last the policy decides; time is skipped."""

import time
from datetime import timedelta

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from deploy.local.stack.desk import Desk
from perdure.client import Platform
from perdure.contracts.runs.run import Answered
from perdure.contracts.tool_calls.approvals import ApprovalPolicy, Escalation
from perdure.contracts.tool_calls.decisions import Accepted, Rejected, Ruling
from perdure.runs import workflow_id
from tests.people.conftest import DatabaseTime
from tests.support.runs.people import Grants, calls, decision, message, waiting
from tests.support.servers.stub_model import StubModel

pytestmark = pytest.mark.usefixtures("working")

DONE = {"content": "Done."}
DAY = timedelta(days=1)
WEEK = ApprovalPolicy(
    names=("ann",),
    remind=DAY,
    escalate=(Escalation(after=2 * DAY, groups=("leads",)), Escalation(after=5 * DAY, names=("boss",))),
    members={"leads": ("lea",)},
    timeout=7 * DAY,
)


async def timeline(client: Client, run: str) -> str:
    return str(await client.get_workflow_handle(workflow_id("default", run)).query("__temporal_workflow_metadata"))


async def test_seven_days_of_silence_remind_escalate_and_deny(
    platform: Platform,
    client: Client,
    stub: StubModel,
    desk: Desk,
    grants: Grants,
) -> None:
    grants.policies["send_message"] = WEEK
    stub.script = [calls(message()), DONE]
    start = time.monotonic()
    run = await platform.start_agent("Write to bob.", agent="clerk")
    result = await platform.result(run)
    seconds = time.monotonic() - start
    assert isinstance(result.outcome, Answered)
    assert desk.received()["messages"] == {}
    entries = await timeline(client, run)
    assert entries.count("still waits for a person") == 6
    assert (
        entries.index("leads may decide too")
        < entries.index("boss may decide too")
        < entries.index("nobody has spoken")
    )
    assert "nobody has spoken within 7 days" in entries
    stages = {stage.stage: stage.milliseconds for stage in result.timings}
    assert stages["awaiting_approval"] == pytest.approx(7 * DAY.total_seconds() * 1000, rel=0.001)
    assert seconds < 60, "days in seconds"


async def test_a_policy_may_approve_what_nobody_has_spoken_about(
    platform: Platform, stub: StubModel, desk: Desk, grants: Grants, database_time: DatabaseTime
) -> None:
    grants.policies["send_message"] = ApprovalPolicy(timeout=DAY, on_timeout="approve")
    database_time.leap = DAY / 2  # it lags behind: the run has to wait more than once
    stub.script = [calls(message()), DONE]
    run = await platform.start_agent("Write to bob.", agent="clerk")
    await platform.result(run)
    assert list(desk.received()["messages"].values()) == [1]


async def test_whom_a_step_escalates_to_may_decide_from_then_on_and_not_before(
    environment: WorkflowEnvironment,
    platform: Platform,
    stub: StubModel,
    grants: Grants,
    database_time: DatabaseTime,
) -> None:
    grants.policies["send_message"] = WEEK
    stub.script = [calls(message()), DONE]
    with environment.with_time_skipping_disabled():
        run = await platform.start_agent("Write to bob.", agent="clerk")
        [step] = await waiting(platform, run)
        handle = environment.client.get_workflow_handle(workflow_id("default", run))
        assert step.names == ("ann",)
        assert step.on_timeout is Ruling.DENY
        assert step.until == step.since + 7 * DAY
        early_reply = (await platform.decide(run, decision(step, by="lea"))).came
        assert isinstance(early_reply, Rejected)
        assert await environment.fast_forward(handle, 2 * DAY + timedelta(hours=1))
        [later] = await waiting(platform, run)
        reply_by_clock = (await platform.decide(run, decision(later, by="lea"))).came
        assert isinstance(reply_by_clock, Rejected), "the run's own clock is not the one that counts"
        database_time.ahead = 2 * DAY + timedelta(hours=1)
        assert (later.names, later.groups, later.reminders, later.escalations) == (("ann",), ("leads",), 2, 1)
        assert later.digest == step.digest, "it is the same call"
        assert isinstance((await platform.decide(run, decision(later, by="lea"))).came, Accepted)
        await platform.result(run)
