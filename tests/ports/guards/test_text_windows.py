"""Windows of a long text leave nothing out, are never too long, and overlap so that no short passage is cut."""

from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.guards.text_windows import cut_lines, text_windows

texts = st.text(alphabet="ab  \n", max_size=400)


@given(texts, st.integers(10, 50), st.integers(1, 5))
def test_no_window_is_longer_than_asked_for(text: str, size: int, overlap: int) -> None:
    assert max(len(window) for window in text_windows(text, size, overlap)) <= size


@given(texts, st.integers(10, 50), st.integers(1, 5))
def test_every_few_characters_are_whole_in_some_window(text: str, size: int, overlap: int) -> None:
    cut = list(text_windows(text, size, overlap))
    pieces = {text[at : at + overlap] for at in range(max(1, len(text) - overlap))}
    assert [piece for piece in pieces if not any(piece in window for window in cut)] == []


def test_a_short_text_is_its_own_only_window() -> None:
    assert list(text_windows("", 10, 3)) == [""]
    assert list(text_windows("a b", 10, 3)) == ["a b"]


def test_a_window_ends_between_words_where_it_can() -> None:
    assert list(text_windows("aa bb cc dd ee", 8, 3)) == ["aa bb ", "bb cc ", "cc dd ee"]


@given(texts, st.integers(10, 50), st.integers(1, 5))
def test_cut_lines_are_short_and_no_few_characters_of_a_line_are_cut(text: str, size: int, overlap: int) -> None:
    cut = cut_lines(text, size, overlap).split("\n")
    assert max(map(len, cut)) <= size
    whole = [line for line in text.split("\n") if line]
    pieces = {line[at : at + overlap] for line in whole for at in range(max(1, len(line) - overlap + 1))}
    assert [piece for piece in pieces if not any(piece in line for line in cut)] == []
