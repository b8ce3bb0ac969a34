"""An agent's run as a state machine: each step as one test, and the rules that hold for every run."""

import dataclasses
import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.contracts.agents.agent import AgentPhase, CallStage, RequestedCall, Shortfall
from perdure.contracts.agents.steps import AskedCall, Thought
from perdure.contracts.agents.transcript import Role, Transcript, Turn
from perdure.contracts.budget import Spend
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.outcome import ToolEnded
from tests.state_machines.trials.agent_states import NEAR, SPEC, call, names, outcome, run_of
from tests.state_machines.trials.agent_states import stages as any_stage
from workflows.state_machines import agent, tool_call
from workflows.state_machines.agent import (
    Abstain,
    Check,
    Circle,
    Compact,
    Exhaust,
    Hold,
    Observe,
    Remind,
    Stop,
    Think,
    Work,
    next_step,
)

turns_of_calls = st.lists(st.tuples(names, any_stage), max_size=6).map(
    lambda pairs: tuple(call(name, number, stage=stage) for number, (name, stage) in enumerate(pairs, start=1))
)
TASK = Turn(role=Role.USER, body=Text.of("Do it."))
STORED = Transcript().add(TASK).kept()
numbers_in_any_order = st.integers(min_value=1, max_value=6).flatmap(lambda most: st.permutations(range(1, most + 1)))


def thought(*calls: AskedCall, **more: Any) -> Thought:
    fields: dict[str, Any] = {"said": Text.of("said"), "model": "m", "finish_reason": "stop", "charges": {}, **more}
    return Thought(calls=calls, prompt_digest="1" * 64, **fields)


def asked_call(number: int, of: str = "search") -> AskedCall:
    return AskedCall(id=f"call-1-{number}", tool=of, arguments=Text.of("{}"))


def test_a_run_that_has_just_begun_thinks() -> None:
    assert next_step(agent.begun(run_of(), Text.of("Do it."))) == Think("think-1")


def test_a_run_that_somebody_holds_begins_nothing() -> None:
    assert next_step(run_of(call(), paused="ada")) == Hold()


def test_calls_that_are_not_answered_are_seen_to_and_the_others_are_left() -> None:
    answered_call = call(number=1, stage=CallStage.ANSWERED)
    assert next_step(run_of(answered_call, call(number=2), call("pay", 3))) == Work(("call-1-2", "call-1-3"))


def test_a_turn_whose_calls_are_all_answered_is_observed_before_the_next_thought() -> None:
    run = run_of(tool_call.answered(call(), outcome()), turn=1)
    assert next_step(run) == Observe()
    assert next_step(agent.observed(run)) == Think("think-2")


def test_the_only_answer_of_a_turn_that_is_stored_with_its_place_is_not_told_again() -> None:
    answered_call = tool_call.answered(call(), outcome())
    fresh = agent.observed(run_of(answered_call, transcript=STORED)).transcript
    stored = agent.observed(run_of(answered_call.model_copy(update={"kept": True}), transcript=STORED)).transcript
    assert (stored.stored, stored.fresh) == (fresh.head, ())
    assert (stored.tokens, stored.turns) == (fresh.tokens, fresh.turns)


@given(
    st.lists(st.booleans(), min_size=1, max_size=3), st.sampled_from([STORED, STORED.add(TASK), Transcript().add(TASK)])
)
def test_an_answer_whose_place_was_not_known_before_is_told(flags: list[bool], before: Transcript) -> None:
    run = run_of(
        *(
            tool_call.answered(call(number=number), outcome()).model_copy(update={"kept": flag})
            for number, flag in enumerate(flags, start=1)
        ),
        transcript=before,
    )
    after, place_known = agent.observed(run).transcript, len(flags) == 1 and before == STORED
    assert (after.fresh == ()) == (place_known and flags == [True])
    assert agent.place_of_answer(run) == (STORED.head if place_known else None)


def test_an_answer_is_checked() -> None:
    answer = Text.of("Forty-two.")
    assert next_step(agent.thought(run_of(), thought(answer=answer))) == Check(answer)


def test_a_model_that_asks_for_nothing_and_says_nothing_abstains() -> None:
    assert next_step(agent.thought(run_of(), thought())) == Abstain()


def test_a_thought_with_calls_and_words_is_no_answer_yet() -> None:
    after = agent.thought(run_of(), thought(asked_call(1), answer=Text.of("I will look.")))
    assert next_step(after) == Work(("call-1-1",))


def test_a_budget_that_is_short_ends_the_run_whatever_is_open() -> None:
    short = Shortfall(limit="tool_calls", needed=Spend(tool_calls=1))
    assert next_step(run_of(call(), short=short)) == Exhaust(short)


def test_a_reply_that_was_cut_is_bought_once_more_with_more_room_and_then_ends_the_run() -> None:
    cut = thought(asked_call(1), finish_reason="length", charges={1: Spend(steps=1, input_tokens=50)})
    begun = agent.begun(run_of(turn=2), Text.of("Do it."))
    again = agent.thought(begun, cut)
    assert (next_step(again), again.calls, again.transcript.head) == (
        Think("think-3-longer"),
        (),
        begun.transcript.head,
    )
    assert agent.worst_thought(again, NEAR).output_tokens == 2 * SPEC.max_output_tokens
    step = next_step(agent.thought(again, cut))
    assert isinstance(step, Stop)
    assert "max_output_tokens = 100, and again at 200" in step.unusable.reason
    whole = agent.thought(again, thought(answer=Text.of("Forty-two.")))
    assert (next_step(whole), whole.longer) == (Check(Text.of("Forty-two.")), 0)


@pytest.mark.parametrize(("reason", "by"), [("content_filter", "provider"), ("refusal", "model")])
def test_a_reply_that_was_withheld_or_refused_ends_the_run_with_its_words(reason: str, by: str) -> None:
    run = agent.thought(run_of(), thought(asked_call(1), finish_reason=reason, refusal="I cannot help with that."))
    step = next_step(run)
    assert isinstance(step, Stop)
    assert (step.unusable.by, step.unusable.words, run.calls) == (by, "I cannot help with that.", ())


def test_every_step_is_tested_above_or_in_the_tests_of_compaction_repeats_and_writes() -> None:
    covered = {Hold, Think, Work, Observe, Check, Abstain, Exhaust, Compact, Stop, Circle, Remind}
    steps = {one for _, one in inspect.getmembers(agent, dataclasses.is_dataclass) if one.__module__ == agent.__name__}
    assert steps == covered


@given(calls=turns_of_calls, silent=st.booleans(), answer=st.sampled_from([None, Text.of("Forty-two.")]))
def test_it_never_thinks_while_a_call_is_open(
    *, calls: tuple[RequestedCall, ...], silent: bool, answer: Text | None
) -> None:
    step = next_step(run_of(*calls, silent=silent, answer=answer))
    open_calls = tuple(each.id for each in calls if each.stage is not CallStage.ANSWERED)
    if open_calls:
        assert step == Work(open_calls)
    elif calls:
        assert step == Observe()
    else:
        assert not isinstance(step, Work | Observe)


@given(turns_of_calls)
def test_nothing_but_holding_comes_next_while_a_run_is_held(calls: tuple[RequestedCall, ...]) -> None:
    assert next_step(run_of(*calls, paused="ada: wait")) == Hold()


@given(numbers_in_any_order)
def test_turns_join_in_the_order_of_their_calls_whichever_is_answered_first(order: list[int]) -> None:
    run = agent.thought(agent.begun(run_of(), Text.of("Do it.")), thought(*map(asked_call, sorted(order))))
    for number in order:
        run = run.with_call(tool_call.answered(run.call(f"call-1-{number}"), outcome(f"result {number}")))
    after = agent.observed(run)
    results = [turn for turn in after.transcript.fresh if turn.role is Role.TOOL]
    assert [turn.call for turn in results] == [f"call-1-{number}" for number in sorted(order)]
    assert [turn.body.digest for turn in results] == [Text.of(f"result {number}").digest for number in sorted(order)]
    assert all(turn.body.body is None for turn in after.transcript.fresh)
    assert after.calls == ()


def test_a_tool_waits_for_those_that_its_grant_names_to_return_in_an_earlier_turn() -> None:
    tool = SPEC.tools[0].model_copy(update={"after": ("search", "look")})
    run = run_of(tool_call.answered(call("search", 1), outcome()), call("pay", 2), turn=1)
    assert tool_call.missing(tool, run.returned) == ("search", "look")
    refused = tool_call.answered(call("look", 3), outcome().model_copy(update={"ended": ToolEnded.FAILED}))
    after = agent.observed(run_of(run.calls[0], refused, turn=1))
    assert after.returned == ("search",)
    assert tool_call.missing(tool, after.returned) == ("look",)
    assert tool_call.missing(None, after.returned) == ()


@given(numbers_in_any_order)
def test_the_conversation_has_one_name_whichever_call_is_answered_first(order: list[int]) -> None:
    begun = agent.thought(run_of(), thought(*map(asked_call, sorted(order))))
    heads: set[str | None] = set()
    for each in (order, sorted(order)):
        run = begun
        for number in each:
            run = run.with_call(tool_call.answered(run.call(f"call-1-{number}"), outcome(f"result {number}")))
        heads.add(agent.observed(run).transcript.head)
    assert len(heads) == 1


def test_a_thought_makes_all_before_it_one_link_and_counts_the_turn() -> None:
    run = agent.begun(run_of(), Text.of("Do it."))
    after = agent.thought(run, thought(asked_call(1)))
    assert after.transcript.stored == run.transcript.head
    assert [turn.role for turn in after.transcript.fresh] == [Role.ASSISTANT]
    assert after.turn == 1


@given(st.lists(st.text(max_size=200), max_size=6))
def test_the_worst_thought_grows_with_the_conversation_and_never_beyond_the_window(texts: list[str]) -> None:
    run, before = run_of(), Spend()
    for text in texts:
        worst = agent.worst_thought(run, NEAR)
        assert before.input_tokens <= worst.input_tokens <= NEAR.context_window - SPEC.max_output_tokens
        assert (worst.steps, worst.output_tokens) == (1, SPEC.max_output_tokens)
        before = worst
        turn = Turn(role=Role.TOOL, body=Text.of(text))
        run = run.model_copy(update={"transcript": run.transcript.add(turn)})


@pytest.mark.parametrize(
    ("stages", "phase", "waiting"),
    [
        ([], None, False),
        ([CallStage.ANSWERED], None, False),
        ([CallStage.ASKED, CallStage.AWAITING_APPROVAL], AgentPhase.ACTING, True),
        ([CallStage.ALLOWED], AgentPhase.ACTING, False),
        ([CallStage.AWAITING_APPROVAL, CallStage.ANSWERED], AgentPhase.AWAITING_APPROVAL, True),
        ([CallStage.AWAITING_APPROVAL, CallStage.UNKNOWN], AgentPhase.AWAITING_DECISION, True),
    ],
)
def test_what_a_run_is_doing_follows_from_its_calls(
    *, stages: list[CallStage], phase: AgentPhase | None, waiting: bool
) -> None:
    run = run_of(*(call(number=number, stage=stage) for number, stage in enumerate(stages, start=1)))
    assert agent.phase_of(run) == (phase, waiting)
    assert agent.phase_of(run.model_copy(update={"paused": "ada"})) == (AgentPhase.PAUSED, waiting)
