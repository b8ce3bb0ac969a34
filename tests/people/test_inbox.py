"""All waiting steps are in one inbox, and a decision about a run that is over or unknown is recorded."""

import uuid
from datetime import timedelta

import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from activities.adapters.databases.open import open_database
from activities.adapters.sql.audit import SqlAudit
from activities.settings import Settings
from perdure.client import Platform
from perdure.contracts.contract import BadInput
from perdure.contracts.temporal.search_attributes import AWAITING_APPROVAL, TENANT
from perdure.contracts.tool_calls.approvals import ApprovalPolicy, Trust
from perdure.contracts.tool_calls.decisions import PendingStep, Rejected, Ruling, StepDecision, Waiting
from perdure.errors import UnknownRun
from perdure.runs import workflow_id
from tests.support.runs.people import Grants, calls, decision, message, signed, waiting
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until

DONE = {"content": "Done."}


async def audit_entries(settings: Settings, tenant: str, run: str) -> list[tuple[StepDecision, str]]:
    """Return the audit entries of a run once there are any."""
    entries: list[tuple[StepDecision, str]] = []
    async with open_database(settings) as database:
        audit = SqlAudit(database)

        async def any_entry() -> bool:
            entries[:] = await audit.read(tenant, run)
            return bool(entries)

        await until(any_entry, what="the decision is written down")
    return entries


async def in_inbox(platform: Platform, tenant: str, count: int) -> list[PendingStep]:
    """Return the waiting steps of a tenant once there are `count` of them."""
    steps: list[PendingStep] = []

    async def all_listed() -> bool:
        entries = await platform.inbox(tenant)
        assert {entry.tenant for entry in entries} <= {tenant}
        steps[:] = [entry.step for entry in entries if entry.step is not None]
        return len(steps) == count

    await until(all_listed, what=f"{count} steps are in the inbox of {tenant}")
    return steps


@pytest.mark.usefixtures("working")
async def test_the_inbox_says_what_waits_since_when_and_who_may_decide(
    platform: Platform, stub: StubModel, grants: Grants
) -> None:
    grants.policies["send_message"] = ApprovalPolicy(trust=Trust.SIGNED, names=("ann",), groups=("leads",))
    tenants = [f"t-{uuid.uuid4().hex[:8]}" for _ in range(2)]
    stub.script = [calls(message("one"), message("two"))]
    first = await platform.start_agent("Write.", agent="clerk", tenant=tenants[0], started_by="sam")
    await waiting(platform, first, 2, tenants[0])
    stub.script = [calls(message("three"))]
    second = await platform.start_agent("Write.", agent="clerk", tenant=tenants[1])
    await waiting(platform, second, 1, tenants[1])

    one, two = await in_inbox(platform, tenants[0], 2)
    assert [step.arguments.body for step in (one, two)] == [
        '{"to": "bob", "text": "one"}',
        '{"to": "bob", "text": "two"}',
    ]
    assert one.waiting is Waiting.APPROVAL
    assert (one.names, one.groups, one.trust, one.barred) == (("ann",), ("leads",), Trust.SIGNED, "sam")
    assert one.since <= two.since
    [entry] = await platform.inbox(tenants[1])
    assert (entry.business_id, entry.tenant, entry.agent, entry.problem) == (second, tenants[1], "clerk", "")
    everybody = {one.business_id for one in await platform.inbox()}
    assert {first, second} <= everybody

    for tenant, run in zip(tenants, (first, second), strict=True):
        await platform.cancel(run, tenant=tenant)
        await platform.result(run, tenant=tenant)
        await in_inbox(platform, tenant, 0)


async def test_an_inbox_of_no_tenant_is_refused(platform: Platform) -> None:
    with pytest.raises(BadInput, match=r"tenant: .*String should match"):
        await platform.inbox("a' OR Tenant = 'b")


@pytest.mark.usefixtures("working")
async def test_a_decision_for_a_run_that_is_over_is_answered_and_written_down(
    platform: Platform, settings: Settings, stub: StubModel
) -> None:
    stub.script = [calls(message()), DONE]
    run = await platform.start_agent("Write to bob.", agent="clerk")
    [step] = await waiting(platform, run)
    await platform.decide(run, decision(step, ruling=Ruling.DENY))
    await platform.result(run)
    late = signed(decision(step, reason="too late"), run)
    for _ in range(2):
        reply = (await platform.decide(run, late)).came
        assert isinstance(reply, Rejected)
        assert reply.reason == f"run {run!r} is over (completed): nothing waits in it any more"
    [(decided, reason)] = await audit_entries(settings, "default", run)
    assert (decided.reason, decided.by, decided.credential) == ("too late", "eve", None)
    assert "is over" in reason


@pytest.mark.usefixtures("working")
async def test_a_decision_for_an_unknown_run_is_answered_and_written_down(
    platform: Platform, settings: Settings
) -> None:
    run = uuid.uuid4().hex
    decided = StepDecision(decision_id="1", step="call-1-1", digest="1" * 64, ruling=Ruling.APPROVE, by="eve")
    with pytest.raises(UnknownRun, match=f"tenant 'default' has no run '{run}'$"):
        await platform.decide(run, decided)
    assert [one for one, _ in await audit_entries(settings, "default", run)] == [decided]


async def test_a_run_whose_worker_is_gone_is_in_the_inbox_all_the_same(
    platform: Platform, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perdure.run_control.ANSWERS_WITHIN", timedelta(seconds=1))
    tenant = f"t-{uuid.uuid4().hex[:8]}"
    waits = SearchAttributePair(key=AWAITING_APPROVAL, value=True)
    labels = TypedSearchAttributes([SearchAttributePair(TENANT, tenant), waits])
    handle = await client.start_workflow(
        "agent", id=workflow_id(tenant, "lost"), task_queue="nobody", search_attributes=labels
    )
    try:

        async def listed() -> bool:
            return bool(await platform.inbox(tenant))

        await until(listed, what="the run is in the inbox")
        [entry] = await platform.inbox(tenant)
        assert (entry.business_id, entry.step) == ("lost", None)
        assert "is one running?" in entry.problem
    finally:
        await handle.terminate()
