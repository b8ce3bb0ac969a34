"""Loops of an agent: the same call with the same result is told, then ends the run; anything else is no loop."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.contracts.agents.agent import AgentRun, RequestedCall
from perdure.contracts.agents.loops import Loops
from perdure.contracts.agents.steps import AskedCall, Thought
from perdure.contracts.agents.transcript import Role
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded, ToolOutcome
from tests.state_machines.trials.agent_states import SPEC, run_of, tool
from workflows.state_machines import agent, repeats, tool_call
from workflows.state_machines.agent import Circle, Think, next_step

LIMITS = Loops()
PERSON = tool("ask_person", asks=True)
POLL = tool("poll", polled=True)


def begun(loops: Loops | None = LIMITS) -> AgentRun:
    spec = SPEC.model_copy(update={"loops": loops, "tools": (*SPEC.tools, PERSON, POLL)})
    return agent.begun(run_of(spec=spec), Text.of("Do it."))


def came(result: str, ended: ToolEnded = ToolEnded.RETURNED, happened: Happened = Happened.NO) -> ToolOutcome:
    came = "" if happened is not Happened.NO else Text.of(result).digest[:16]
    return ToolOutcome(tool="search", ended=ended, happened=happened, result=Text.of(result), came=came)


def turn(run: AgentRun, *asked: tuple[str, str, ToolOutcome]) -> AgentRun:
    """Have the model ask for calls, each with its tool, its arguments and its outcome; observe those that are made."""
    number = run.turn + 1
    calls = tuple(
        AskedCall(id=f"call-{number}-{place}", tool=name, arguments=Text.of(arguments), brief=arguments)
        for place, (name, arguments, _) in enumerate(asked, start=1)
    )
    reply = Thought(
        said=Text.of("said"), calls=calls, model="m", finish_reason="stop", charges={}, prompt_digest="1" * 64
    )
    run = agent.thought(run, reply)
    for call, (_, _, outcome) in zip(run.calls, asked, strict=False):
        run = run.with_call(tool_call.answered(call, outcome))
    return agent.observed(run) if run.calls else run


def notes(run: AgentRun) -> list[str]:
    """Return what the model is told with its next thought."""
    return [turn.body.body or "" for turn in run.transcript.fresh if turn.role is Role.NOTE]


def again(run: AgentRun, times: int, name: str = "search", outcome: ToolOutcome | None = None) -> AgentRun:
    for _ in range(times):
        run = turn(run, (name, "{}", outcome or came("nothing found")))
    return run


def test_the_second_time_is_told_and_the_third_ends_the_run() -> None:
    once, twice, thrice = (again(begun(), times) for times in (1, 2, 3))
    assert (notes(once), next_step(once)) == ([], Think("think-2"))
    assert next_step(twice) == Think("think-3")
    assert "called search with exactly these arguments 2 times" in notes(twice)[0]
    step = next_step(thrice)
    assert isinstance(step, Circle)
    assert (step.repeated.tool, step.repeated.arguments, step.repeated.times) == ("search", "{}", 3)
    assert step.repeated.steps == ("call-1-1", "call-2-1", "call-3-1")
    assert "3 times" in repeats.reason(step.repeated)


def test_calls_that_alternate_are_a_loop_of_each() -> None:
    run = begun()
    for _ in range(2):
        run = turn(run, ("search", "{}", came("A")))
        run = turn(run, ("search", '{"n": 2}', came("B")))
    assert notes(run)
    assert isinstance(next_step(turn(run, ("search", "{}", came("A")))), Circle)


@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=12))
def test_a_call_is_stuck_only_when_it_came_to_the_same_three_times_in_a_row(results: Sequence[str]) -> None:
    run, in_a_row = begun(), 0
    for place, result in enumerate(results):
        run = turn(run, ("search", "{}", came(result)))
        in_a_row = in_a_row + 1 if place and result == results[place - 1] else 1
        assert bool(notes(run)) == (in_a_row >= LIMITS.told)
        assert isinstance(next_step(run), Circle) == (in_a_row >= LIMITS.stuck)
        if in_a_row >= LIMITS.stuck:
            return


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("send", came("The message M-1 is sent.", happened=Happened.YES)),
        ("send", came("nobody knows", ToolEnded.FAILED, Happened.UNKNOWN)),
        ("pay", came("ada said no", ToolEnded.DENIED)),
        ("search", came("ada said no", ToolEnded.DENIED)),
        ("ask_person", came("Monday.")),
    ],
)
def test_what_was_written_denied_or_asked_of_a_person_twice_is_not_put_forward_a_third_time(
    name: str, outcome: ToolOutcome
) -> None:
    run = again(begun(), 2, name, outcome)
    assert notes(run)
    run = turn(run, (name, "{}", outcome))
    step = next_step(run)
    assert isinstance(step, Circle)
    assert (step.repeated.made, step.repeated.times, run.calls) == (False, 3, ())


def test_a_write_is_the_same_whatever_its_receipt_and_a_denial_whatever_its_reason() -> None:
    run = begun()
    for name, ended, happened in (
        ("send", ToolEnded.RETURNED, Happened.YES),
        ("pay", ToolEnded.DENIED, Happened.NO),
    ):
        for number in (1, 2):
            run = turn(run, (name, "{}", came(f"receipt {number}", ended, happened)))
        assert len(notes(run)) == 1


def test_a_call_that_was_refused_for_its_arguments_or_came_too_early_counts_like_any_other() -> None:
    for ended in (ToolEnded.REJECTED, ToolEnded.TOO_EARLY, ToolEnded.UNKNOWN_TOOL, ToolEnded.FAILED):
        assert isinstance(next_step(again(begun(), 3, "file", came("not like that", ended))), Circle)


def test_a_write_that_came_too_early_twice_may_be_made_once_it_is_no_longer_too_early() -> None:
    run = again(begun(), 2, "send", came("search first", ToolEnded.TOO_EARLY))
    run = turn(run, ("search", "{}", came("found")))
    run = turn(run, ("send", "{}", came("sent", happened=Happened.YES)))
    assert next_step(run) == Think("think-5")


def test_equal_calls_side_by_side_are_told_and_count_once() -> None:
    same = ("search", "{}", came("found"))
    run = turn(begun(), same, same, same, same)
    assert "4 times" in notes(run)[0]
    assert next_step(run) == Think("think-2")
    assert isinstance(next_step(turn(turn(run, same, same), same)), Circle)


def test_a_tool_that_is_polled_and_a_run_without_limits_are_never_stuck() -> None:
    for run in (again(begun(), 9, "poll"), again(begun(None), 9), again(begun(Loops(told=0, stuck=0)), 9)):
        assert (notes(run), run.stuck) == ([], None)


@given(st.lists(st.integers(min_value=0, max_value=200), max_size=120))
def test_what_a_run_remembers_of_its_calls_stays_small(numbers: list[int]) -> None:
    run = begun(Loops(told=2, stuck=0))
    for number in numbers:
        run = turn(run, ("search", f'{{"n": {number}}}', came("found")))
    newest = list(dict.fromkeys(reversed(numbers)))[: repeats.SEEN]
    assert len(run.seen) == len(newest)
    assert all(len(seen.steps) <= repeats.LISTED for seen in run.seen)
    assert len(run.model_copy(update={"transcript": begun().transcript}).model_dump_json(include={"seen"})) < 20_000


def test_a_run_that_is_handed_over_counts_on() -> None:
    run = again(begun(), 2)
    handed = AgentRun.model_validate_json(run.model_dump_json())
    assert notes(handed) == notes(run)
    assert isinstance(next_step(again(handed, 1)), Circle)


def test_arguments_that_were_refused_are_not_shown_in_the_outcome() -> None:
    step = next_step(again(begun(), 3, "file", came("they hold a key", ToolEnded.REJECTED)))
    assert isinstance(step, Circle)
    assert step.repeated.arguments == ""


def test_a_name_that_a_model_made_up_is_told_without_its_odd_characters() -> None:
    run = again(begun(), 2, "search\nIgnore <this>", came("no such tool", ToolEnded.UNKNOWN_TOOL))
    assert "called search?Ignore??this? with" in notes(run)[0]


def test_the_call_is_the_models_own_also_where_a_person_edited_it() -> None:
    asked = AskedCall(id="call-1-1", tool="send", arguments=Text.of("{}"))
    call = RequestedCall(id="call-1-1", tool="send", arguments=asked.arguments, same=repeats.same_of(asked))
    assert tool_call.allowed(call, Text.of('{"edited": 1}')).same == repeats.same_of(asked)
