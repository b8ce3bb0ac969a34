"""A policy's timeout, and a person's word about an unknown call, count only as recorded and not before their time."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from perdure.contracts.agents.agent import CallStage, RequestedCall
from perdure.contracts.tool_calls.approvals import ApprovalPolicy
from perdure.contracts.tool_calls.decisions import Ruling, StepDecision
from tests.activities.authorization.proof_decisions import ARGUMENTS, ONE, OTHER, agreed, yes
from tests.activities.authorization.proof_world import Run, World
from workflows.state_machines.tool_call import binding


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


LAPSES = ApprovalPolicy(timeout=timedelta(hours=1), on_timeout="approve")


def lapse(run: Run, ruling: Ruling = Ruling.APPROVE) -> StepDecision:
    return yes(run, "the policy", decision_id="call-1-1/timeout", ruling=ruling)


async def test_a_policy_agrees_only_once_people_were_asked_for_long_enough_by_the_databases_clock(
    world: World,
) -> None:
    run = await world.run("r", LAPSES)
    await run.ask_people(ARGUMENTS)
    world.now += timedelta(minutes=20)
    early = await run.check(lapse(run), ARGUMENTS, lapsed=True)
    assert early.wait == timedelta(minutes=40)
    assert await run.act(ARGUMENTS) is not None
    world.now += timedelta(minutes=40)
    assert (await run.check(lapse(run), ARGUMENTS, lapsed=True)).refused == ""
    assert await run.act(ARGUMENTS) is None
    assert await run.act(OTHER) is not None


async def test_a_policy_waits_its_whole_time_if_no_question_is_recorded(world: World) -> None:
    run = await world.run("r", LAPSES)
    world.now += timedelta(days=9)
    assert (await run.check(lapse(run), ARGUMENTS, lapsed=True)).wait == timedelta(hours=1)


async def test_after_a_no_a_policy_agrees_only_once_people_were_asked_anew(world: World) -> None:
    run = await world.run("r", LAPSES)
    await run.ask_people(ARGUMENTS)
    world.now += timedelta(hours=2)
    assert (await run.check(lapse(run), ARGUMENTS, lapsed=True)).refused == ""
    assert (await run.check(yes(run, "ann", ruling=Ruling.DENY), ARGUMENTS)).refused == ""
    assert (await run.check(lapse(run), ARGUMENTS, lapsed=True)).wait == timedelta(hours=1)
    assert await run.act(ARGUMENTS) is not None
    world.now += timedelta(hours=1)
    assert (await run.check(lapse(run), ARGUMENTS, lapsed=True)).refused == ""
    assert await run.act(ARGUMENTS) is None


async def test_a_policy_approves_or_denies_only_as_its_on_timeout_says(world: World) -> None:
    silent = await world.run("silent", ApprovalPolicy())
    assert "no policy decides" in (await silent.check(lapse(silent), ARGUMENTS, lapsed=True)).refused
    denies = await world.run("denies", ApprovalPolicy(timeout=timedelta(hours=1)))
    assert "does not say approve" in (await denies.check(lapse(denies), ARGUMENTS, lapsed=True)).refused
    assert (await denies.check(lapse(denies, Ruling.DENY), ARGUMENTS, lapsed=True)).refused == ""


def doubt(run: Run, ruling: Ruling, attempt: int = 1, **fields: Any) -> StepDecision:
    """Return a decision about a call with an unknown outcome."""
    spec = run.spec.tool("write")
    assert spec is not None
    call = RequestedCall(
        id="call-1-1", tool="write", arguments=ARGUMENTS, stage=CallStage.UNKNOWN, unknown_attempt=attempt
    )
    digest = binding(call, spec, run.registered.tenant, run.registered.run_id)
    return StepDecision(decision_id="d", step="call-1-1", digest=digest, ruling=ruling, by="ann", **fields)


@pytest.mark.parametrize(
    ("ruling", "fields"), [(Ruling.DID_HAPPEN, {"result": "sent"}), (Ruling.DID_NOT_HAPPEN, {}), (Ruling.RETRY, {})]
)
async def test_what_became_of_a_call_is_taken_only_as_it_is_recorded(
    world: World, ruling: Ruling, fields: dict[str, Any]
) -> None:
    run = await world.run("r", ONE, started_by="sam")
    decision = doubt(run, ruling, **fields)
    unknown: dict[str, Any] = {"unknown_attempt": 1}
    assert "is recorded" in (await run.settle(decision, ARGUMENTS, **unknown) or "")
    unsigned = await run.check(decision, ARGUMENTS, stage=CallStage.UNKNOWN, **unknown)
    assert "takes only signed decisions" in unsigned.refused
    assert (await run.check(run.signed(decision), ARGUMENTS, stage=CallStage.UNKNOWN, **unknown)).refused == ""
    assert await run.settle(decision, ARGUMENTS, **unknown) is None
    assert await run.settle(decision, ARGUMENTS, unknown_attempt=2) is not None
    assert await run.settle(decision.model_copy(update={"by": "ben"}), ARGUMENTS, **unknown) is not None
    assert await run.act(ARGUMENTS) is not None, "it is no approval"


async def test_a_no_is_told_the_model_only_where_it_is_recorded(world: World) -> None:
    run = await world.run("r", ONE, started_by="sam")
    no = yes(run, ruling=Ruling.DENY)
    assert await run.settle(no, ARGUMENTS) is not None
    assert (await run.check(run.signed(no), ARGUMENTS)).refused == ""
    assert await run.settle(no, ARGUMENTS) is None
    assert await run.settle(no, ARGUMENTS, lapsed=True) is not None, "nobody is told that a person was silent"


async def test_after_did_not_happen_the_call_may_be_made_again(world: World) -> None:
    run = await world.run("r", ONE, started_by="sam")
    await agreed(run, "ann")
    decision = run.signed(doubt(run, Ruling.DID_NOT_HAPPEN))
    assert (await run.check(decision, ARGUMENTS, stage=CallStage.UNKNOWN, unknown_attempt=1)).refused == ""
    assert await run.act(ARGUMENTS) is None
