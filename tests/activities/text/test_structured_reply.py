"""The object in a structured reply is found where there is only one, and otherwise it is said what was wrong."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.text.strict_json import NotJson
from activities.text.structured_reply import object_text, read_object, shown_again
from agents.prompt import Choice, read_choices

choices = st.dictionaries(
    st.sampled_from(["1", "2", "3"]),
    st.fixed_dictionaries({"source": st.integers(0, 9), "answer": st.text('abc ,{}[]`"\\é', max_size=20)}),
    min_size=1,
)
"""The replies of a chain's model."""


@given(
    choices, st.sampled_from(["{}", "```json\n{}\n```", "Here it is:\n{}\nGood luck.", "[{}]", "[{},]", "\ufeff{}\0"])
)
def test_a_frame_around_the_one_object_of_a_reply_changes_nothing(reply: dict[str, Any], frame: str) -> None:
    text = json.dumps(reply)
    fence_in_fence = "```" in text and "```" in frame
    if not fence_in_fence:
        assert read_object(frame.replace("{}", text)) == reply


@given(choices, st.integers(0, 10_000))
def test_a_reply_that_was_cut_is_never_read(reply: dict[str, Any], at: int) -> None:
    text = json.dumps({"all": reply})
    with pytest.raises(NotJson):
        read_object(text[: at % len(text)] or "{")


def test_a_trailing_comma_in_a_fence_with_prose_around_it_is_read() -> None:
    content = 'Sure!\n```json\n{"1": {"source": 2, "answer": "Eighteen weeks.",},}\n```\nAsk me more.'
    assert read_choices(object_text(content), sentences=3, parts=1) == [Choice(2, "Eighteen weeks.")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "it is empty"),
        ("this is not JSON", "it is not JSON: Expecting value"),
        ('{"1": 1} {"1": 2}', "it holds more than one value"),
        ('[{"1": 1}, {"1": 2}]', "it is a list of 2, and not one object"),
        ('{"1": {"source": 1, "answer": "a", "answer": "b"}}', "the key 'answer' stands in one object twice"),
        ('{"1": {"source": 1e999, "answer": "a"}}', "too large"),
        ('{"1": {"source": 1, "answer": "\\ud83d"}}', "half of a character"),
        ("7", "it is int, and not one object"),
    ],
)
def test_a_reply_with_no_object_or_two_is_not_read_and_the_model_is_told_why(content: str, reason: str) -> None:
    with pytest.raises(ValueError, match="it is not JSON") as refusal:
        object_text(content)
    assert reason in str(refusal.value)


@given(st.text(max_size=20))
def test_a_text_that_is_sent_again_is_never_empty_and_holds_no_nul(text: str) -> None:
    again = shown_again(text)
    assert again.strip()
    assert "\0" not in again
