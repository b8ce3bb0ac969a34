"""The choices that the model is offered, and how its reply is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.prompt import Choice, frame, read_choices, render_choices, reply_schema


def test_sentences_and_questions_are_numbered_from_one() -> None:
    assert frame(["A is 1.", "B is 2."], ["What is A?"]) == (
        "Sentences:\n[1] A is 1.\n[2] B is 2.\n\nQuestion 1: What is A?"
    )


choices = st.lists(st.builds(Choice, st.integers(0, 5), st.text().map(str.strip)), min_size=1, max_size=4)


@given(choices)
def test_rendered_choices_are_read_back(choices: list[Choice]) -> None:
    assert read_choices(render_choices(choices), sentences=5, parts=len(choices)) == choices


@given(choices)
def test_rendered_choices_have_the_keys_and_sources_of_the_schema(choices: list[Choice]) -> None:
    schema = reply_schema(5, len(choices))
    reply = json.loads(render_choices(choices))
    assert list(reply) == schema["required"]
    assert all(one["source"] in schema["properties"][key]["properties"]["source"]["enum"] for key, one in reply.items())


@pytest.mark.parametrize("content", ["", "null", "{}", '{"1": {"source": 9, "answer": "x"}}', '{"1": {"source": "a"}}'])
def test_a_reply_that_is_not_what_was_asked_for_is_refused(content: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        read_choices(content, sentences=5, parts=1)
