"""A tool call as a state machine: each move as one test, and the rules that hold whatever its attempts end with."""

import dataclasses
import inspect
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.contracts.agents.agent import CallStage, RequestedCall
from perdure.contracts.agents.steps import Acted, Again, AskPerson, CallAnswered, Unproven
from perdure.contracts.budget import Spend
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.outcome import Happened, ToolEnded
from perdure.contracts.tool_calls.tools import AllowedAmount, Approval, ToolEffect, ToolSpec
from tests.state_machines.trials.agent_states import GUARDED, NOW, ONCE, READ, SPEC, call, outcome
from workflows.state_machines import tool_call
from workflows.state_machines.tool_call import Await, Finished, GiveUp, ScreenFirst, Try, binding, next_move

READ_ONLY_NAMES = {READ.name, "no_such_tool"}

WHATEVER = st.lists(st.sampled_from(["lost", "again", "ask", "answered", "approved", "once more"]), max_size=16)
"""Events that may happen to a call, one after the other."""


def happens(requested: RequestedCall, what: str) -> RequestedCall:
    """Return the call after one event; an event that cannot happen now changes nothing."""
    tool, move = SPEC.tool(requested.tool), next_move(requested, SPEC)
    match move, what:
        case ScreenFirst(), "approved" if tool is not None:
            return tool_call.awaiting_approval(requested, tool, requested.arguments, NOW)
        case Await(), "approved" | "once more":
            return tool_call.allowed(requested)
        case Await(), "answered":
            return tool_call.answered(requested, outcome())
        case Try(attempt=attempt), "lost":
            return tool_call.lost(tool_call.tried(requested, attempt), tool, "nobody told", SPEC, NOW)
        case Try(attempt=attempt), "again" | "ask" | "answered":
            answer = {
                "again": Again(reason="not yet"),
                "ask": AskPerson(attempt=attempt, intended_at=NOW, reason="the line went dead"),
                "answered": CallAnswered(outcome=outcome()),
            }[what]
            return tool_call.acted(tool_call.tried(requested, attempt), tool, Acted(came=answer), SPEC, NOW)
        case _:
            return requested


calls_of_all_tools = st.sampled_from([*(tool.name for tool in SPEC.tools), "no_such_tool"]).map(call)


def test_a_call_that_nobody_has_to_agree_to_is_tried_at_once() -> None:
    assert next_move(call(), SPEC) == Try(1, Spend(tool_calls=1), timedelta(0))


def test_a_call_that_a_person_has_to_agree_to_is_looked_at_first_and_then_waits() -> None:
    first = call("pay")
    assert next_move(first, SPEC) == ScreenFirst()
    waiting = tool_call.awaiting_approval(first, GUARDED, first.arguments, NOW)
    assert next_move(waiting, SPEC) == Await()
    assert next_move(tool_call.allowed(waiting), SPEC) == Try(1, Spend(tool_calls=1, micro_dollars=700), timedelta(0))


def test_a_call_that_reads_is_given_up_after_its_last_try() -> None:
    tired = call(tries=SPEC.tool_attempts, attempts=3, failure="nobody told")
    assert next_move(tired, SPEC) == GiveUp("gave up after 3 attempts, the last of which failed: nobody told")


def test_an_attempt_that_found_away_what_it_needs_is_no_try_and_has_a_number_of_its_own() -> None:
    tired = call(tries=SPEC.tool_attempts - 1, attempts=7)
    spared = tool_call.spared(tool_call.tried(tired, 8), "the disk is full")
    assert (spared.tries, spared.attempts, spared.failure) == (SPEC.tool_attempts - 1, 8, "the disk is full")
    again = next_move(spared, SPEC)
    assert isinstance(again, Try)
    assert again.attempt == 9


def test_a_call_that_is_answered_is_finished() -> None:
    assert next_move(tool_call.answered(call(), outcome()), SPEC) == Finished()


def test_every_move_is_tested_above() -> None:
    moves = inspect.getmembers(tool_call, dataclasses.is_dataclass)
    assert {one for _, one in moves if one.__module__ == tool_call.__name__} == {
        ScreenFirst,
        Await,
        Try,
        GiveUp,
        Finished,
    }


@pytest.mark.parametrize(("tries", "waits"), [(0, 0), (1, 1), (2, 2), (9, 60)])
def test_the_wait_doubles_from_the_second_try_on_up_to_a_limit(tries: int, waits: int) -> None:
    patient = SPEC.model_copy(update={"tool_attempts": 20})
    move = next_move(call(tries=tries, attempts=tries), patient)
    assert isinstance(move, Try)
    assert move.wait == timedelta(seconds=waits)


@given(calls_of_all_tools, WHATEVER)
def test_a_call_that_may_change_the_world_is_never_given_up_but_left_to_a_person(
    requested: RequestedCall, what_happens: list[str]
) -> None:
    for what in what_happens:
        requested = happens(requested, what)
        if requested.tool not in READ_ONLY_NAMES:
            assert not isinstance(next_move(requested, SPEC), GiveUp)


@given(st.sampled_from([tool for tool in SPEC.tools if tool.effect is not ToolEffect.READ_ONLY]))
def test_a_write_whose_every_attempt_is_lost_waits_for_a_person(tool: ToolSpec) -> None:
    requested = tool_call.allowed(call(tool.name))
    for _ in range(SPEC.tool_attempts):
        requested = happens(requested, "lost")
    assert (requested.stage, requested.unknown_attempt, requested.since) == (CallStage.UNKNOWN, SPEC.tool_attempts, NOW)
    assert requested.binding == binding(requested, tool)


@given(calls_of_all_tools, WHATEVER)
def test_attempts_only_rise_and_each_has_a_number_of_its_own(requested: RequestedCall, what_happens: list[str]) -> None:
    begun: list[int] = []
    for what in what_happens:
        move, before = next_move(requested, SPEC), requested.attempts
        requested = happens(requested, what)
        assert requested.attempts >= before
        if isinstance(move, Try) and requested.attempts > before:
            assert requested.attempts == move.attempt
            begun.append(move.attempt)
    assert begun == list(range(1, len(begun) + 1))
    assert requested.tries <= SPEC.tool_attempts


@given(calls_of_all_tools, WHATEVER)
def test_what_waits_has_a_binding_and_what_does_not_has_none(requested: RequestedCall, what_happens: list[str]) -> None:
    for what in what_happens:
        requested = happens(requested, what)
        tool = SPEC.tool(requested.tool)
        waits = next_move(requested, SPEC) == Await()
        assert (requested.since is not None) == waits
        assert requested.binding == (binding(requested, tool) if waits and tool is not None else None)


@given(calls_of_all_tools, WHATEVER, WHATEVER)
def test_an_answer_is_the_end(requested: RequestedCall, before: list[str], after: list[str]) -> None:
    for what in before:
        requested = happens(requested, what)
    finished = tool_call.answered(requested, outcome())
    for what in after:
        assert happens(finished, what) == finished
    assert (finished.ended, finished.happened) == (ToolEnded.RETURNED, Happened.YES)
    assert finished.result is not None
    assert finished.result.body is None


def test_a_persons_word_counts_the_tries_anew_and_the_attempts_on() -> None:
    requested = tool_call.allowed(call("send"))
    for _ in range(SPEC.tool_attempts):
        requested = happens(requested, "lost")
    again = tool_call.allowed(requested)
    assert (again.tries, again.attempts) == (0, SPEC.tool_attempts)
    assert next_move(again, SPEC) == Try(SPEC.tool_attempts + 1, Spend(tool_calls=1), timedelta(0))


CHANGES = {
    "another tool's digest": (call("send"), ONCE.model_copy(update={"digest": "9" * 64})),
    "other arguments": (call("send", arguments=Text.of('{"n": 2}')), ONCE),
    "another stage": (call("send", stage=CallStage.UNKNOWN), ONCE),
    "another unknown attempt": (call("send", unknown_attempt=2), ONCE),
    "another approval": (call("send"), ONCE.model_copy(update={"approval": Approval.ALWAYS})),
    "another constraint": (
        call("send"),
        ONCE.model_copy(update={"constraints": {"amount": AllowedAmount(most=5)}}),  # pyright: ignore[reportArgumentType] - pydantic reads it
    ),
    "another step": (call("send").model_copy(update={"id": "call-2-1"}), ONCE),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_decision_is_bound_to_all_that_it_was_about(change: str) -> None:
    assert binding(*CHANGES[change]) != binding(call("send"), ONCE)


@pytest.mark.parametrize("other", [("acme", "2"), ("globex", "1"), ("acme", ""), ("", "")])
def test_a_decision_is_bound_to_its_run_and_tenant(other: tuple[str, str]) -> None:
    assert binding(call("send"), ONCE, *other) != binding(call("send"), ONCE, "acme", "1")


def test_what_waits_can_be_bound_to_its_run_and_what_does_not_stays_as_it_is() -> None:
    waits = tool_call.awaiting_approval(call("pay"), GUARDED, call("pay").arguments, NOW)
    assert tool_call.bound(waits, GUARDED, "acme", "1").binding == binding(waits, GUARDED, "acme", "1")
    assert tool_call.bound(call("pay"), GUARDED, "acme", "1") == call("pay")


def unproven(requested: RequestedCall, tool: ToolSpec) -> RequestedCall:
    rejected = outcome(happened=Happened.NO).model_copy(update={"ended": ToolEnded.REJECTED})
    reply = Acted(came=Unproven(reason="nobody has agreed", outcome=rejected))
    return tool_call.acted(tool_call.tried(requested, requested.attempts + 1), tool, reply, SPEC, NOW)


def test_a_call_without_proof_is_looked_at_and_asked_about_again() -> None:
    approved = tool_call.allowed(tool_call.awaiting_approval(call("pay"), GUARDED, call("pay").arguments, NOW))
    again = unproven(approved, GUARDED)
    assert (again.stage, again.unproven, again.attempts, again.tries) == (CallStage.ASKED, True, 1, 0)
    assert next_move(again, SPEC) == ScreenFirst()
    assert again.arguments == approved.arguments


@pytest.mark.parametrize("tool", [READ, ONCE])
def test_a_call_that_needs_nobody_and_has_no_proof_is_answered_by_that(tool: ToolSpec) -> None:
    ended = unproven(call(tool.name), tool)
    assert (ended.stage, ended.ended, ended.happened) == (CallStage.ANSWERED, ToolEnded.REJECTED, Happened.NO)


def test_what_lapsed_too_early_lapses_once_the_rest_is_over() -> None:
    waits = tool_call.awaiting_approval(call("pay"), GUARDED, call("pay").arguments, NOW)
    hour = timedelta(hours=1)
    later = tool_call.postponed(waits, hour, hour / 4, NOW + hour)
    assert later.since is not None
    assert later.since + hour == NOW + hour + hour / 4
    assert later.binding == waits.binding


def test_a_decision_is_bound_to_nothing_that_it_was_not_about() -> None:
    same = call("send", failure="nobody told", since=NOW, tries=2)
    described = ONCE.model_copy(update={"timeout": timedelta(seconds=9)})
    assert binding(same, described) == binding(call("send"), ONCE)


@pytest.mark.parametrize(
    ("requested", "off", "doubt"),
    [
        (call("send"), False, False),
        (call("send", attempts=1), True, False),
        (call("send", attempts=1, stage=CallStage.ALLOWED), True, False),
        (call("send", attempts=1, stage=CallStage.UNKNOWN), False, True),
        (tool_call.answered(call("send", attempts=1), outcome()), False, False),
        (tool_call.answered(call("send", attempts=1), outcome(happened=Happened.UNKNOWN)), False, True),
    ],
)
def test_a_cancelled_run_calls_off_open_calls_and_names_those_in_doubt(
    *, requested: RequestedCall, off: bool, doubt: bool
) -> None:
    assert tool_call.may_be_in_flight(requested) == off
    assert tool_call.may_have_happened(requested) == doubt
