"""What the splitting of a chunk into sentences promises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.text.sentences import sentences

TEXT = st.lists(
    st.one_of(
        st.sampled_from(
            ["\n", " ", ". ", "! ", "? ", "- ", "1. ", "e.g. ", "No. 7 ", "0.35 ", '."', "\u3002", "\u2028"]
        ),
        st.text(max_size=8),
    ),
    max_size=30,
).map("".join)


def split(text: str) -> list[str]:
    whole = f"Heading\n{text}"
    return [whole[start:end] for start, end in sentences(whole)]


@given(TEXT)
def test_spans_are_in_order_apart_trimmed_and_not_blank(text: str) -> None:
    last = 0
    for start, end in sentences(text):
        assert last <= start < end <= len(text)
        sentence = text[start:end]
        assert sentence == sentence.strip()
        assert "\n" not in sentence
        assert any(sign.isalnum() for sign in sentence)
        last = end


@given(TEXT)
def test_every_letter_and_digit_after_the_heading_is_in_a_sentence_or_a_list_mark(text: str) -> None:
    whole = f"Heading\n{text}"
    covered = {position for start, end in sentences(whole) for position in range(start, end)}
    for position in range(len("Heading\n"), len(whole)):
        if whole[position].isalnum() and position not in covered:
            line = whole[whole.rfind("\n", 0, position) + 1 :].split("\n", 1)[0].lstrip()
            assert line[0].isdigit() or line[1:2] == ")"


@given(TEXT)
def test_the_heading_is_in_no_sentence(text: str) -> None:
    assert all(start >= len("Heading. It is\n") for start, _ in sentences(f"Heading. It is\n{text}"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The rate is 0.35 euros. It rose.", ["The rate is 0.35 euros.", "It rose."]),
        ("Vehicles, e.g. Vans, need it. See No. 7.", ["Vehicles, e.g. Vans, need it.", "See No. 7."]),
        ("No. That is all.", ["No.", "That is all."]),
        ("Ask Dr. Moen at 5 p.m. on Friday.", ["Ask Dr. Moen at 5 p.m. on Friday."]),
        ("It closes at 5 p.m. The gate too.", ["It closes at 5 p.m.", "The gate too."]),
        ("Signed by J. Smith. Done.", ["Signed by J. Smith.", "Done."]),
        ('He said "Stop!" Then he left.', ['He said "Stop!"', "Then he left."]),
        ("After 5 days. 24 hours later.", ["After 5 days.", "24 hours later."]),
        ("- First item\n- Second. Third.\n2) Last", ["First item", "Second.", "Third.", "Last"]),
        ("Priority: High; First response: 8 hours.\n---\n\n", ["Priority: High; First response: 8 hours."]),
        ("\u3053\u308c\u3002\u305d\u308c\u3002", ["\u3053\u308c\u3002", "\u305d\u308c\u3002"]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[str]) -> None:
    assert split(text) == expected


def test_a_single_line_is_no_heading() -> None:
    text = "One. Two."
    assert [text[start:end] for start, end in sentences(text)] == ["One.", "Two."]
