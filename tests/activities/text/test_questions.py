"""A question with several parts is split into them, and any other question is left whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.text.questions import MOST_PARTS, parts_of


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("How deep can the CS-40 go?", ["How deep can the CS-40 go?"]),
        (
            "How long is the tank, and which manager do we use?",
            ["How long is the tank?", "Which manager do we use?"],
        ),
        (
            "Where is the gate? And when does it close?",
            ["Where is the gate?", "When does it close?"],
        ),
        ("Who signs off research and development costs?", ["Who signs off research and development costs?"]),
        ("Is it red and is it?", ["Is it red and is it?"]),
        ("  What\n is  it? ", ["What is it?"]),
    ],
)
def test_the_parts_are_what_a_reader_would_name(question: str, parts: list[str]) -> None:
    assert parts_of(question) == parts


@given(st.text(min_size=1).filter(str.strip))
def test_there_is_always_at_least_one_part_and_never_too_many(question: str) -> None:
    assert 1 <= len(parts_of(question)) <= MOST_PARTS
