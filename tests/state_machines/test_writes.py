"""Done or not: a result lists what became of each write, and a run without its required write is never answered."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.contracts.agents.agent import AgentRun, CallStage, RequestedCall
from perdure.contracts.agents.loops import Loops
from perdure.contracts.agents.steps import AskedCall, Thought
from perdure.contracts.agents.transcript import Role
from perdure.contracts.runs.run import Unfinished
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded, ToolOutcome
from perdure.contracts.tool_calls.writes import WriteState
from tests.state_machines.trials.agent_states import SPEC, call, run_of
from workflows.state_machines import agent, tool_call, writes
from workflows.state_machines.agent import Abstain, Check, Remind, Think, next_step

DONE = (ToolEnded.RETURNED, Happened.YES)
DENIED = (ToolEnded.DENIED, Happened.NO)
FAILED = (ToolEnded.FAILED, Happened.NO)
UNKNOWN = (ToolEnded.FAILED, Happened.UNKNOWN)


def begun(*requires: str, reminders: int = 1) -> AgentRun:
    spec = SPEC.model_copy(update={"loops": Loops(), "requires": requires, "reminders": reminders})
    return run_of(spec=spec)


def after(run: AgentRun, *endings: tuple[str, tuple[ToolEnded, Happened]], by: str = "") -> AgentRun:
    """Return the run after a turn with these calls, each with its tool and ending."""
    number = run.turn + 1
    calls = [call(name, place) for place, (name, _) in enumerate(endings, start=1)]
    answered = [
        tool_call.answered(
            one.model_copy(update={"id": f"call-{number}-{place}", "brief": "{}"}),
            ToolOutcome(tool=one.tool, ended=ended, happened=happened, result=Text.of("r"), shown="It says so."),
            by=by,
        )
        for place, (one, (_, (ended, happened))) in enumerate(zip(calls, endings, strict=True), start=1)
    ]
    return agent.observed(run.model_copy(update={"calls": tuple(answered), "turn": number}))


def answered(run: AgentRun, words: str | None = "It is done.") -> AgentRun:
    reply = Thought(
        said=Text.of("said"),
        answer=None if words is None else Text.of(words),
        model="m",
        finish_reason="stop",
        charges={},
        prompt_digest="1" * 64,
    )
    return agent.thought(run, reply)


def ended(run: AgentRun) -> Unfinished:
    outcome = writes.unfinished(run, run.answer)
    assert isinstance(outcome, Unfinished)
    return outcome


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"stage": CallStage.ASKED}, WriteState.NOT_ATTEMPTED),
        ({"stage": CallStage.AWAITING_APPROVAL}, WriteState.NOT_ATTEMPTED),
        ({"stage": CallStage.UNKNOWN}, WriteState.UNKNOWN),
        ({"stage": CallStage.ANSWERED, "ended": ToolEnded.RETURNED, "happened": Happened.YES}, WriteState.DONE),
        ({"stage": CallStage.ANSWERED, "ended": ToolEnded.BLOCKED, "happened": Happened.YES}, WriteState.DONE),
        ({"stage": CallStage.ANSWERED, "ended": ToolEnded.TIMED_OUT, "happened": Happened.UNKNOWN}, WriteState.UNKNOWN),
        ({"stage": CallStage.ANSWERED, "ended": ToolEnded.DENIED, "happened": Happened.NO}, WriteState.DENIED),
        ({"stage": CallStage.ANSWERED, "ended": ToolEnded.DENIED, "happened": Happened.UNKNOWN}, WriteState.UNKNOWN),
        ({"stage": CallStage.ANSWERED, "ended": ToolEnded.REJECTED, "happened": Happened.NO}, WriteState.FAILED),
        ({"stage": CallStage.ANSWERED, "ended": ToolEnded.SUPERSEDED, "happened": Happened.YES}, WriteState.FAILED),
        (
            {"stage": CallStage.ANSWERED, "ended": ToolEnded.CALLED_OFF, "happened": Happened.NO},
            WriteState.NOT_ATTEMPTED,
        ),
    ],
)
def test_what_became_of_a_write_follows_from_its_call(fields: dict[str, Any], state: WriteState) -> None:
    assert writes.state_of(call("send", **fields)) is state


@given(
    st.sampled_from(CallStage),
    st.sampled_from([None, *ToolEnded]),
    st.sampled_from([None, *Happened]),
)
def test_no_write_counts_as_done_unless_it_happened_and_none_that_may_have_is_called_undone(
    stage: CallStage, ended: ToolEnded | None, happened: Happened | None
) -> None:
    state = writes.state_of(call("send", stage=stage, ended=ended, happened=happened))
    if state is WriteState.DONE:
        assert (stage, happened) == (CallStage.ANSWERED, Happened.YES)
    if happened is Happened.UNKNOWN:
        assert state is WriteState.UNKNOWN


def test_the_list_has_each_write_with_its_call_and_leaves_reads_out() -> None:
    run = after(begun("pay"), ("search", (ToolEnded.RETURNED, Happened.NO)), ("send", DONE), ("file", DENIED), by="ada")
    found, more = writes.listed(run)
    assert [(one.tool, one.step, one.state, one.required) for one in found] == [
        ("send", "call-1-2", WriteState.DONE, False),
        ("file", "call-1-3", WriteState.DENIED, False),
        ("pay", None, WriteState.NOT_ATTEMPTED, True),
    ]
    assert (found[1].by, found[0].arguments, found[0].came, more) == ("ada", "{}", "It says so.", 0)
    assert found[0].arguments_digest == call("send", 2).arguments.digest


def test_a_write_that_is_still_open_when_the_run_ends_is_listed() -> None:
    run = begun("send").model_copy(update={"calls": (call("send", stage=CallStage.UNKNOWN),)})
    assert [one.state for one in writes.listed(run)[0]] == [WriteState.UNKNOWN]


def test_the_list_stays_short_and_says_how_many_it_leaves_out() -> None:
    run = begun("pay")
    for _ in range(writes.KEPT // 2 + 3):
        run = after(run, ("send", DONE), ("file", FAILED))
    found, more = writes.listed(run)
    assert (len(found) - 1, more) == (writes.KEPT, 6)
    assert found[-1].tool == "pay"


def test_a_run_from_before_there_were_lists_lists_nothing() -> None:
    run = begun().model_copy(update={"spec": SPEC})
    assert writes.listed(after(run, ("send", DONE))) == ((), 0)


def test_the_model_is_told_once_what_is_missing_and_then_the_run_is_unfinished_with_its_words() -> None:
    run = answered(begun("send"))
    step = next_step(run)
    assert isinstance(step, Remind)
    run = agent.reminded(run, step.missing)
    assert next_step(run) == Think("think-2")
    assert [turn.role for turn in run.transcript.fresh][-1] is Role.NOTE
    assert "it needs send" in (run.transcript.fresh[-1].body.body or "")
    run = answered(run, "I cannot send anything.")
    assert next_step(run) == Check(Text.of("I cannot send anything."))
    outcome = ended(run)
    assert outcome.answer == Text.of("I cannot send anything.")
    assert outcome.reason == "Required: send was never tried."


def test_a_model_that_says_nothing_is_told_too_and_then_unfinished() -> None:
    run = answered(begun("send"), None)
    step = next_step(run)
    assert isinstance(step, Remind)
    run = answered(agent.reminded(run, step.missing), None)
    assert next_step(run) == Abstain()
    assert isinstance(agent.outcome_of(run, Abstain()), Unfinished)


def test_a_run_that_did_what_is_required_is_answered() -> None:
    for run in (
        after(begun("send"), ("send", DONE)),
        after(after(begun("send"), ("send", DONE)), ("send", FAILED)),
        after(after(begun("send"), ("send", DENIED)), ("send", DONE)),
    ):
        assert isinstance(next_step(answered(run)), Check)
        assert writes.missing(run) == ()


@pytest.mark.parametrize(
    ("ending", "words"),
    [(DENIED, "send (call-1-1) was denied by ada"), (UNKNOWN, "send (call-1-1) may have been done: nobody knows")],
)
def test_what_was_denied_or_may_have_happened_is_not_asked_for_again(
    ending: tuple[ToolEnded, Happened], words: str
) -> None:
    run = answered(after(begun("send"), ("send", ending), by="ada"))
    assert isinstance(next_step(run), Check)
    assert ended(run).reason == f"Required: {words}."


def test_a_write_that_may_have_happened_stays_so_whatever_failed_after_it() -> None:
    run = answered(after(after(begun("send"), ("send", UNKNOWN)), ("send", FAILED)))
    assert isinstance(next_step(run), Check)
    assert ended(run).missing[0].state is WriteState.UNKNOWN


def test_what_failed_is_asked_for_again_and_reported_by_how_it_ended() -> None:
    run = answered(after(begun("send"), ("send", FAILED)))
    step = next_step(run)
    assert isinstance(step, Remind)
    assert ended(run).reason == "Required: send (call-1-1) was not done: failed."


def test_words_that_a_guard_keeps_back_are_not_in_the_outcome() -> None:
    outcome = writes.unfinished(answered(begun("send")), Text.of("a key"), blocked="it holds a key")
    assert outcome.answer is None
    assert "kept back: it holds a key" in outcome.reason


@given(
    st.lists(
        st.tuples(st.sampled_from(["send", "file"]), st.sampled_from([DONE, DENIED, FAILED, UNKNOWN])), max_size=8
    ),
    st.integers(min_value=0, max_value=3),
)
def test_a_run_whose_required_write_is_missing_is_never_answered_and_is_reminded_at_most_so_often(
    endings: list[tuple[str, tuple[ToolEnded, Happened]]], reminders: int
) -> None:
    run, told = begun("send", reminders=reminders), 0
    for ending in endings:
        run = after(run, ending)
    while isinstance(step := next_step(answered(run)), Remind):
        run, told = agent.reminded(answered(run), step.missing), told + 1
    run = answered(run)
    assert told <= reminders
    assert isinstance(next_step(run), Check)
    done = ("send", DONE) in endings
    assert (writes.missing(run) == ()) == done


def test_a_budget_without_another_thought_ends_with_the_words_that_are_there() -> None:
    assert isinstance(next_step(agent.not_reminded(answered(begun("send")))), Check)


def test_requested_calls_of_older_runs_have_no_short_arguments() -> None:
    old = RequestedCall(id="call-1-1", tool="send", arguments=Text.of("{}"))
    assert (old.brief, old.same, old.came, old.by) == ("", "", "", "")


def test_calls_keep_the_beginning_of_their_arguments() -> None:
    asked = AskedCall(id="call-1-1", tool="send", arguments=Text.of("{}"), brief="{}")
    reply = Thought(
        said=Text.of("said"), calls=(asked,), model="m", finish_reason="stop", charges={}, prompt_digest="1" * 64
    )
    assert agent.thought(begun(), reply).calls[0].brief == "{}"
