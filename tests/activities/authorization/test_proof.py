"""A call is made only if an approval of it is recorded in its own run; any other approval is refused with a reason."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.ports import NotThisRun
from perdure.contracts.agents.agent import CallStage, RequestedCall
from perdure.contracts.agents.steps import CheckedDecision
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.approvals import ApprovalPolicy, Trust
from perdure.contracts.tool_calls.decisions import Ruling
from tests.activities.authorization.proof_book import Broken
from tests.activities.authorization.proof_decisions import ARGUMENTS, ONE, OTHER, agreed, yes
from tests.activities.authorization.proof_trial import run_trials
from tests.activities.authorization.proof_world import BEGAN, World, digest_of
from workflows.state_machines.tool_call import binding

ATTEMPTS = 900
SIGNED = ApprovalPolicy(trust=Trust.SIGNED, names=("ann", "ben"), quorum=2)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_in_hundreds_of_attempts_nothing_is_allowed_that_nobody_agreed_to_and_all_that_people_did(
    world: World,
) -> None:
    counts = await run_trials(world, ATTEMPTS)
    assert counts.allowed > ATTEMPTS / 20
    assert counts.refused > ATTEMPTS / 2
    assert len(counts.kinds) == 15


def anything(*_: object, **__: object) -> None:
    """Stands in for the check of the digest: no decision is objected to."""


def forgotten(entries: Any) -> Any:
    """Stands in for the ledger's rule about denials: a denial changes nothing."""
    return tuple(entries)


def always(*_: object) -> bool:
    return True


def exactly(one: str, other: str) -> bool:
    return one == other


async def believed(*_: object) -> CheckedDecision:
    """Stands in for the check of credentials: each one is believed."""
    return CheckedDecision(groups=("leads", "board"), verified=True)


PLANTED: dict[str, tuple[str, object]] = {
    "a decision about another call or run": ("activities.authorization.judged_call.JudgedCall.objection", anything),
    "a word that does not count": ("activities.authorization.judged_call.JudgedCall.unheard", anything),
    "other arguments": ("activities.authorization.judged_call.JudgedCall._is_about_this", always),
    "a yes from before a no": ("activities.authorization.judged_call.standing", forgotten),
    "one person who is written in two ways": ("activities.authorization.judged_call.same_person", exactly),
    "the starter, who is written otherwise": ("workflows.state_machines.approvals.same_person", exactly),
    "a credential that nobody has signed": ("activities.effects.deciding.Deciding._verify", believed),
}


@pytest.mark.parametrize("fault", PLANTED)
async def test_the_trial_sees_a_proof_that_takes(fault: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*PLANTED[fault])
    with pytest.raises(Broken):
        await run_trials(world, 10 * ATTEMPTS)


async def test_without_a_decision_a_call_that_needs_one_is_refused(world: World) -> None:
    run = await world.run("r", SIGNED, started_by="sam")
    await run.ask_people(ARGUMENTS)
    assert await run.act(ARGUMENTS) == "no approval of call-1-1 of write is recorded in this run"


async def test_as_many_as_the_registered_policy_asks_have_to_agree(world: World) -> None:
    run = await world.run("r", SIGNED, started_by="sam")
    await agreed(run, "ann")
    assert "1 of the 2 people" in (await run.act(ARGUMENTS) or "")
    await agreed(run, "ben")
    assert await run.act(ARGUMENTS) is None
    assert "for another call only" in (await run.act(OTHER) or "")
    assert "no approval of call-1-2" in (await run.act(ARGUMENTS, "call-1-2") or "")


async def test_an_approval_holds_for_no_other_run_of_the_same_id_and_no_other_tenant(world: World) -> None:
    first = await world.run("one", ONE, id="k1", started_by="sam")
    second = await world.run("two", ONE, id="k1", started_by="sam")
    foreign = await world.run("one", ONE, id="k1", tenant="globex", started_by="sam")
    decision = first.signed(yes(first))
    assert (await first.check(decision, ARGUMENTS)).refused == ""
    for other in (second, foreign):
        assert "another run" in (await other.check(decision, ARGUMENTS)).refused
        assert "no approval" in (await other.act(ARGUMENTS) or "")


async def test_only_the_runs_own_workflow_has_its_effects_done(world: World) -> None:
    run = await world.run("r", ONE, started_by="sam")
    other = await world.run("other", ONE, started_by="sam")
    with pytest.raises(NotThisRun, match="asks: nothing was done"):
        await run.check(run.signed(yes(run)), ARGUMENTS, asker=other)
    with pytest.raises(NotThisRun):
        await run.act(ARGUMENTS, asker=other)


async def test_the_same_decision_again_is_answered_as_before_also_once_its_credential_has_expired(
    world: World,
) -> None:
    run = await world.run("r", ONE, started_by="sam")
    decision = yes(run)
    first = await run.check(run.signed(decision, "staff"), ARGUMENTS)
    expired = run.signed(decision, iat=0, exp=1)
    assert await run.check(expired, ARGUMENTS) == first == CheckedDecision(groups=("staff",), verified=True)
    assert len((await world.ledger.look(run.key())).entries) == 1
    late = run.signed(yes(run, decision_id="late"), iat=0, exp=1)
    assert "it has expired" in (await run.check(late, ARGUMENTS)).refused


async def test_a_no_takes_back_every_yes_before_it_and_those_are_not_heard_again(world: World) -> None:
    run = await world.run("r", ONE, started_by="sam")
    before = run.signed(yes(run))
    assert (await run.check(before, ARGUMENTS)).refused == ""
    no = run.signed(yes(run, "ben", ruling=Ruling.DENY))
    assert (await run.check(no, ARGUMENTS)).refused == ""
    assert "was denied" in (await run.act(ARGUMENTS) or "")
    assert "denied since" in (await run.check(before, ARGUMENTS)).refused
    assert "was denied" in (await run.act(ARGUMENTS) or "")
    # After a reset the run asks again; the same denial, sent once more, denies the call once more.
    assert (await run.check(run.signed(yes(run, decision_id="anew")), ARGUMENTS)).refused == ""
    assert await run.act(ARGUMENTS) is None
    assert (await run.check(no, ARGUMENTS)).refused == ""
    assert "was denied" in (await run.act(ARGUMENTS) or "")


async def test_what_was_edited_may_be_called_and_what_it_was_before_may_not(world: World) -> None:
    run = await world.run("r", ONE, started_by="sam")
    decision = run.signed(yes(run, arguments=ARGUMENTS).model_copy(update={"arguments": {"n": 2}}))
    assert (await run.check(decision, ARGUMENTS)).refused == ""
    assert await run.act(OTHER) is None
    assert await run.act(ARGUMENTS) is not None


async def test_who_a_token_says_has_started_the_run_is_barred_whatever_the_starter_says(world: World) -> None:
    run = await world.run("r", ONE, started_by="sam", subject="ann")
    assert "started the run" in (await run.check(run.signed(yes(run, "ann")), ARGUMENTS)).refused
    assert (await run.check(run.signed(yes(run, "ben")), ARGUMENTS)).refused == ""


async def test_a_call_that_needs_nobody_has_to_stand_in_a_saved_thought_of_its_run(world: World) -> None:
    run = await world.run("r", ONE)
    other = await world.run("other", ONE)
    await run.thought(3, ("call-3-1", "note", ARGUMENTS))
    await run.thought(3, ("call-3-1", "note", Text.of('{"n": 3}')), attempt=2)
    assert await run.act(ARGUMENTS, "call-3-1", "note") is None
    assert await run.act(Text.of('{"n": 3}'), "call-3-1", "note") is None, "a reset may have asked again"
    for refused in (
        await run.act(OTHER, "call-3-1", "note"),
        await run.act(ARGUMENTS, "call-3-2", "note"),
        await run.act(ARGUMENTS, "call-4-1", "note"),
        await run.act(ARGUMENTS, "evil", "note"),
        await other.act(ARGUMENTS, "call-3-1", "note"),
    ):
        assert "the model has asked for no call" in (refused or "")


async def test_that_a_thought_asks_for_a_call_is_no_approval_of_it(world: World) -> None:
    run = await world.run("r", ONE)
    await run.thought(1, ("call-1-1", "write", ARGUMENTS))
    assert "no approval" in (await run.act(ARGUMENTS) or "")


async def test_a_question_is_never_called(world: World) -> None:
    run = await world.run("r", ONE)
    await run.thought(1, ("call-1-1", "ask", ARGUMENTS))
    assert "never called" in (await run.act(ARGUMENTS, tool="ask") or "")


@pytest.mark.parametrize("stage", list(CallStage))
async def test_an_approval_is_taken_only_while_the_call_awaits_it(world: World, stage: CallStage) -> None:
    run = await world.run("r", ONE, started_by="sam")
    spec = run.spec.tool("write")
    assert spec is not None
    call = RequestedCall(id="call-1-1", tool="write", arguments=ARGUMENTS, stage=stage)
    decision = yes(run).model_copy(update={"digest": binding(call, spec, "acme", "r")})
    checked = await run.check(run.signed(decision), ARGUMENTS, stage=stage)
    assert (checked.refused == "") == (stage is CallStage.AWAITING_APPROVAL)


async def test_all_that_is_decided_is_written_down_with_its_time(world: World) -> None:
    run = await world.run("r", ONE, started_by="sam")
    await run.ask_people(ARGUMENTS)
    await run.ask_people(ARGUMENTS)
    world.now += timedelta(minutes=1)
    await agreed(run, "ann")
    question, approval = (await world.ledger.look(run.key())).entries
    assert (question.ruling, question.at) == (None, BEGAN)
    assert (approval.ruling, approval.by, approval.verified, approval.at) == (
        Ruling.APPROVE,
        "ann",
        True,
        BEGAN + timedelta(minutes=1),
    )
    assert approval.arguments == ARGUMENTS.digest
    assert approval.binding == digest_of(run, "call-1-1", ARGUMENTS)
