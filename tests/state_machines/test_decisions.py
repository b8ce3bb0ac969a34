"""The steps of a run that wait for a person, and the decisions about them that are rejected."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from perdure.contracts.agents.agent import AgentRun, CallStage, RequestedCall
from perdure.contracts.tool_calls.decisions import (
    REASON,
    RULINGS,
    DecisionReply,
    PendingStep,
    Ruling,
    StepDecision,
    Waiting,
)
from perdure.contracts.tool_calls.outcome import Happened
from tests.state_machines.trials.agent_states import GUARDED, NOW, SPEC, call, outcome, run_of
from workflows.state_machines import tool_call
from workflows.state_machines.decisions import (
    accepted,
    bound_to,
    earlier_reply,
    objection,
    pending,
    recorded,
    rejected,
)

ASKED = call("pay", 1)
APPROVAL = tool_call.awaiting_approval(ASKED, GUARDED, ASKED.arguments, NOW)
DOUBT = tool_call.lost(call("send", 2, tries=SPEC.tool_attempts, attempts=3), SPEC.tool("send"), "lost", SPEC, NOW)
RUN = run_of(APPROVAL, DOUBT, call(number=3), tool_call.answered(call(number=4), outcome(happened=Happened.YES)))

rulings = st.sampled_from(Ruling)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)


def decide(step: PendingStep, ruling: Ruling, **more: str) -> StepDecision:
    fields = {"step": step.step, "digest": step.digest, **more}
    result = "It stands in the book." if ruling is Ruling.DID_HAPPEN else None
    answer = "It does." if ruling is Ruling.ANSWER else None
    named = {"decision_id": "1", "by": "ada", "ruling": ruling, "result": result, "answer": answer}
    return StepDecision.model_validate({**named, **fields})


def test_pending_steps_are_listed_in_the_order_in_which_they_were_asked_for() -> None:
    first, second = pending(RUN)
    assert (first.step, first.waiting, first.tool) == ("call-1-1", Waiting.APPROVAL, "pay")
    assert (second.step, second.waiting, second.reason) == ("call-1-2", Waiting.OUTCOME, "lost")
    assert first.arguments.body == '{"n": 1}'


@pytest.mark.parametrize("stage", [CallStage.ASKED, CallStage.ALLOWED, CallStage.ANSWERED])
def test_a_call_in_another_stage_waits_for_nobody(stage: CallStage) -> None:
    assert pending(run_of(APPROVAL.model_copy(update={"stage": stage}))) == ()


def test_every_ruling_is_an_answer_to_one_question_and_a_no_to_two() -> None:
    rulings = [ruling for allowed in RULINGS.values() for ruling in allowed]
    assert sorted(rulings) == sorted([*Ruling, Ruling.DENY])


@given(st.sampled_from(pending(RUN)), rulings)
def test_a_ruling_is_taken_where_it_answers_what_is_asked_and_nowhere_else(step: PendingStep, ruling: Ruling) -> None:
    reason = objection(RUN, decide(step, ruling))
    if ruling in RULINGS[step.waiting]:
        assert reason is None
    else:
        assert reason is not None
        assert reason.startswith(f"{ruling.value} is no answer")


@given(st.sampled_from(pending(RUN)), rulings, digests)
def test_a_decision_with_another_digest_is_always_objected_to(step: PendingStep, ruling: Ruling, digest: str) -> None:
    assume(digest != step.digest)
    assert "look at it again" in (objection(RUN, decide(step, ruling, digest=digest)) or "")


@given(rulings)
def test_a_decision_on_a_call_that_has_moved_on_is_objected_to(ruling: Ruling) -> None:
    [step, _] = pending(RUN)
    moved: list[RequestedCall] = [
        tool_call.allowed(APPROVAL),
        tool_call.answered(APPROVAL, outcome()),
        tool_call.lost(APPROVAL.model_copy(update={"tries": 3, "attempts": 3}), GUARDED, "lost", SPEC, NOW),
    ]
    for now in moved:
        run: AgentRun = run_of(now)
        assert objection(run, decide(step, ruling)) is not None


def test_a_step_that_does_not_wait_is_answered_with_those_that_do() -> None:
    [step, _] = pending(RUN)
    assert objection(RUN, decide(step.model_copy(update={"step": "call-9-9"}), Ruling.APPROVE)) == (
        "the step 'call-9-9' does not wait for a person: it has not been asked for yet: "
        "what waits is call-1-1, call-1-2"
    )
    assert (objection(run_of(), decide(step, Ruling.APPROVE)) or "").endswith("what waits is nothing")


def test_a_reason_that_is_too_long_is_objected_to() -> None:
    [step, _] = pending(RUN)
    assert objection(RUN, decide(step, Ruling.DENY, reason="x" * REASON)) is None
    assert "2,001 characters" in (objection(RUN, decide(step, Ruling.DENY, reason="x" * (REASON + 1))) or "")


BOUND = bound_to(RUN, "acme", "first")


def test_all_that_waits_in_a_run_is_bound_to_it_at_once_and_says_so() -> None:
    assert [step.run for step in pending(BOUND)] == ["first", "first"]
    assert {step.digest for step in pending(BOUND)}.isdisjoint({step.digest for step in pending(RUN)})
    assert [call for call in BOUND.calls if call.binding is None] == [
        call for call in RUN.calls if call.binding is None
    ]


@given(st.sampled_from(pending(RUN)), rulings)
def test_a_decision_that_names_no_run_is_objected_to_in_one_that_is_bound(step: PendingStep, ruling: Ruling) -> None:
    assert "look at it again" in (objection(BOUND, decide(step, ruling)) or "")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(Ruling), st.booleans()), max_size=12))
def test_a_run_remembers_what_it_accepted_and_nothing_else(events: list[tuple[str, Ruling, bool]]) -> None:
    run, [step, _] = BOUND, pending(BOUND)
    recorded_replies: dict[str, tuple[str, DecisionReply]] = {}
    for name, ruling, holds in events:
        decision = decide(step, ruling).model_copy(update={"decision_id": name})
        earlier = earlier_reply(run, decision)
        if name not in recorded_replies:
            assert earlier is None
            reply = accepted(decision, verified=True) if holds else rejected(decision, "no")
            run = recorded(run, decision, reply)
            if holds:
                recorded_replies[name] = decision.content, reply
            continue
        content, reply = recorded_replies[name]
        assert earlier is not None
        assert (earlier == reply) == (content == decision.content)


def test_a_run_that_an_older_version_has_asked_goes_on_to_remember_rejections() -> None:
    [step, _] = pending(RUN)
    decision = decide(step, Ruling.DENY)
    run = recorded(RUN, decision, rejected(decision, "no"))
    assert earlier_reply(run, decision) == rejected(decision, "no")
