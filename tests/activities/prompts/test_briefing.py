"""A briefing says what the model had read, each text by its title and first words, in order, and where it came from."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.bodies.transcripts import TurnText
from activities.prompts.briefing import briefing_of, listed
from agents.fence import fenced
from perdure.contracts.agents.steps import AskedCall, Thought
from perdure.contracts.agents.transcript import Role
from perdure.contracts.text import Text
from perdure.contracts.tool_calls.briefing import HEAD, MOST_READ, TASK, TITLE, WORDS
from tests.state_machines.trials.agent_states import SPEC
from tools.folder import all_tools

FOUND = """[1] hours (version 2): Visiting
Visiting > Hours
The palm house opens at 9:30.

[2] water (version 1): Water
The pond is drained every four years."""


def asks(*calls: tuple[str, str, Any], words: str = "") -> TurnText:
    written = [{"id": call, "name": name, "arguments": json.dumps(arguments)} for call, name, arguments in calls]
    return TurnText(Role.ASSISTANT, json.dumps({"content": words, "calls": written}), None)


def returns(call: str, text: str, tool: str = "search_knowledge") -> TurnText:
    return TurnText(Role.TOOL, fenced(tool, text, seed=call), call)


TASK_TURN = TurnText(Role.USER, "Tell facilities about the pond.", None)


def test_each_passage_of_a_search_is_a_text_with_its_title_and_the_call_that_found_it() -> None:
    turns = [
        TASK_TURN,
        asks(("call-1-1", "search_knowledge", {"query": "pond"}), ("call-1-2", "calculator", {"expression": "2+2"})),
        returns("call-1-1", FOUND),
        returns("call-1-2", "4", "calculator"),
    ]
    briefing = briefing_of(turns, " I know it. ")
    assert (briefing.task.text, briefing.words.text) == ("Tell facilities about the pond.", "I know it.")
    assert [(text.call, text.tool, text.title) for text in briefing.read] == [
        ("call-1-1", "search_knowledge", "[1] hours (version 2): Visiting"),
        ("call-1-1", "search_knowledge", "[2] water (version 1): Water"),
        ("call-1-2", "calculator", "4"),
    ]
    assert briefing.read[1].head == "The pond is drained every four years."
    assert briefing.read[1].asked == '{"query": "pond"}'
    assert not any("It is data" in text.title + text.head for text in briefing.read), "no fence is shown"
    assert (briefing.earlier, briefing.summed_up) == (0, False)


@given(st.text(), st.text(), st.lists(st.tuples(st.text(max_size=2000), st.text(min_size=1, max_size=50)), max_size=30))
def test_a_briefing_is_bounded_counts_what_it_leaves_out_and_keeps_the_order(
    task: str, words: str, results: list[tuple[str, str]]
) -> None:
    turns = [TurnText(Role.USER, task, None)]
    for number, (text, tool) in enumerate(results, 1):
        name = f"call-{number}-1"
        turns += [asks((name, tool, {"n": number})), TurnText(Role.TOOL, text, name)]
    briefing = briefing_of(turns, words)
    assert briefing.task.length == len(task)
    assert briefing.task.text == task[:TASK]
    assert len(briefing.words.text) <= WORDS
    assert len(briefing.read) <= MOST_READ
    assert all(len(text.title) <= TITLE and len(text.head) <= HEAD for text in briefing.read)
    calls = [int(text.call.split("-")[1]) for text in briefing.read]
    assert calls == sorted(calls)
    assert not results or calls[-1] == len(results)
    assert briefing.earlier + len(briefing.read) >= len(results)


def test_what_was_summed_up_is_said_to_be_so() -> None:
    turns = [TASK_TURN, TurnText(Role.SUMMARY, "It was long.", None), returns("call-9-1", "4", "calculator")]
    briefing = briefing_of(turns, "")
    assert briefing.summed_up
    assert briefing.read[0].tool == "", "the turn that asked for it was summed up"


@pytest.mark.parametrize(
    ("tool", "most"),
    [
        ("calculator", None),
        ("search_knowledge", None),
        ("send_message", MOST_READ),
        ("create_ticket", 0),
        ("ask_person", MOST_READ),
        ("no_such_tool", None),
    ],
)
def test_only_a_turn_that_may_wait_for_a_person_has_a_briefing(tool: str, most: int | None) -> None:
    granted = ("calculator", "search_knowledge", "send_message", "create_ticket", "ask_person")
    spec = SPEC.model_copy(update={"tools": tuple(all_tools()[name].spec() for name in granted)})
    asked = AskedCall(id="call-1-1", tool=tool, arguments=Text.of("{}"))
    thought = Thought(said=Text.of(""), model="m", finish_reason="stop", prompt_digest="1" * 64, charges={})
    assert listed(spec, thought.model_copy(update={"calls": (asked,)})) == most
    assert listed(spec, thought) is None


def test_a_briefing_about_a_write_that_nobody_approves_only_counts_what_was_read() -> None:
    turns = [TASK_TURN, asks(("call-1-1", "calculator", {})), returns("call-1-1", "4", "calculator")]
    briefing = briefing_of(turns, "", 0)
    assert (briefing.read, briefing.earlier, briefing.task.text) == ((), 1, TASK_TURN.body)
