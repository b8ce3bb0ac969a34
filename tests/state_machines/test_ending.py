"""Why a reply ended decides what becomes of it, whatever else it holds: rules for replies of any shape."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.contracts.agents.compaction import Mark, Window
from perdure.contracts.agents.steps import AskedCall, Thought
from perdure.contracts.budget import Allowance, Budget, Spend
from perdure.contracts.chains.steps import Generated, Unusable
from perdure.contracts.runs.run import Abstained, Refused
from perdure.contracts.text import Text
from tests.state_machines.trials.agent_states import NEAR, NOW, SPEC, run_of
from workflows.state_machines import agent, ending
from workflows.state_machines.agent import Check, Stop, Think, Work, next_step
from workflows.state_machines.ending import BuyLonger, Limit

reasons = st.sampled_from(["stop", "tool_calls", "length", "content_filter", "refusal"])
calls = st.lists(
    st.builds(
        AskedCall,
        id=st.sampled_from(["call-1-1", "call-1-2"]),
        tool=st.sampled_from(["search", "pay", "no_such_tool"]),
        arguments=st.sampled_from([Text.of("{}"), Text.of('{"expression": "6*')]),
    ),
    max_size=2,
    unique_by=lambda call: call.id,
).map(tuple)
charges = st.sampled_from([{}, {1: Spend(steps=1, input_tokens=50)}, {1: Spend(steps=1, input_tokens=8100)}])
thoughts = st.builds(
    Thought,
    said=st.just(Text.of("said")),
    calls=calls,
    answer=st.sampled_from([None, Text.of("I beg")]),
    model=st.just("m"),
    finish_reason=reasons,
    refusal=st.sampled_from(["", "", "I cannot help with that."]),
    prompt_digest=st.just("1" * 64),
    charges=charges,
)
"""Replies that end for any reason, with any calls and any text."""

WHOLE = ("stop", "tool_calls")


@given(st.lists(thoughts, min_size=1, max_size=4))
def test_only_what_the_model_ended_itself_is_called_or_shown(replies: list[Thought]) -> None:
    run = run_of()
    for reply in replies:
        before, run = run, agent.thought(run, reply)
        step = next_step(run)
        whole = reply.finish_reason in WHOLE and not reply.refusal
        assert isinstance(step, Work | Check) <= whole
        if not whole:
            assert (run.calls, run.answer, run.turn) == ((), None, before.turn)
            assert isinstance(step, Think | Stop)
        if not isinstance(step, Think):
            return


@given(thoughts, thoughts)
def test_a_thought_is_bought_at_most_twice_and_then_used_or_the_run_ends(first: Thought, second: Thought) -> None:
    step = next_step(agent.thought(run_of(), first))
    if isinstance(step, Think):
        assert (first.finish_reason, step.step) == ("length", "think-1-longer")
        assert not isinstance(next_step(agent.thought(agent.thought(run_of(), first), second)), Think)


def reply(**more: Any) -> Generated:
    fields: dict[str, Any] = {"answer": None, "citations": (), "model": "m", "prompt_digest": "1" * 64, "charges": {}}
    return Generated(**{**fields, **more})


def limit(tokens: int = 100) -> Limit:
    return Limit("handbook", tokens, NEAR, lambda size: NEAR.worst_case(input_tokens=10, output_tokens=size))


@given(st.integers(1, 10_000), st.integers(0, 9000), st.integers(0, 30_000))
def test_a_longer_reply_has_more_room_and_stays_within_window_and_budget(tokens: int, prompt: int, budget: int) -> None:
    cut = reply(finish_reason="length", charges={1: Spend(steps=1, input_tokens=prompt)})
    allowance = Allowance(budget=Budget(output_tokens=budget))
    match ending.after(cut, limit(tokens), allowance, NOW):
        case BuyLonger(more):
            assert tokens < more <= min(2 * tokens, NEAR.context_window - prompt, budget)
        case unusable:
            assert isinstance(unusable, Unusable)
            assert f"max_output_tokens = {tokens}" in unusable.reason
            outcome = ending.outcome_of(unusable)
            assert isinstance(outcome, Abstained)


@pytest.mark.parametrize(
    ("fields", "by", "word"),
    [
        ({"finish_reason": "content_filter"}, "provider", "content_filter"),
        ({"finish_reason": "content_filter", "refusal": "No."}, "provider", "content_filter"),
        ({"finish_reason": "refusal"}, "model", "it gave no reason"),
        ({"finish_reason": "refusal", "refusal": "I cannot."}, "model", "I cannot."),
        ({"finish_reason": "stop", "refusal": "I cannot."}, "model", "I cannot."),
        ({"finish_reason": "length", "refusal": "I cann"}, "model", "I cann"),
    ],
)
def test_a_refusal_is_an_outcome_with_its_words_and_with_who_refused(
    fields: dict[str, Any], by: str, word: str
) -> None:
    unusable = ending.after(reply(**fields), limit(), Allowance(budget=Budget()), NOW)
    assert isinstance(unusable, Unusable)
    outcome = ending.outcome_of(unusable)
    assert isinstance(outcome, Refused)
    assert (outcome.by, word in outcome.reason) == (by, True)
    assert fields.get("refusal", "") in outcome.reason


def test_a_second_reply_that_is_cut_is_not_bought_a_third_time() -> None:
    unusable = ending.after(reply(finish_reason="length"), limit(), Allowance(budget=Budget()), NOW, longer=200)
    assert isinstance(unusable, Unusable)
    assert "max_output_tokens = 100, and again at 200" in unusable.reason


def test_a_thought_whose_prompt_fills_the_window_gets_no_second_reply() -> None:
    place = Mark(link="2" * 64, tokens=10, turns=1, prompt=8000)
    cut = Thought(
        said=Text.of(""), model="m", finish_reason="length", prompt_digest="1" * 64,
        charges={1: Spend(steps=1, input_tokens=NEAR.context_window - SPEC.max_output_tokens)},
    )  # fmt: skip
    step = next_step(agent.thought(run_of(window=Window(opening=place, floor=place)), cut))
    assert isinstance(step, Stop)
    assert "leaves no room" in step.unusable.reason
