"""A table fits the terminal, and no word of it is ever broken."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from perdure.cli.layout import table

WORDS = st.text("abcdefgh-./:0123456789é漢", min_size=1, max_size=40)
CELLS = st.lists(WORDS, max_size=12).map(" ".join)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    count = draw(st.integers(1, 9))
    columns = draw(st.lists(CELLS.filter(bool), min_size=count, max_size=count))
    rows = draw(st.lists(st.lists(CELLS, min_size=count, max_size=count), min_size=1, max_size=6))
    return columns, rows


@given(tables(), st.sampled_from([40, 60, 80, 120]))
def test_every_word_is_whole_and_every_line_fits(given_: tuple[list[str], list[list[str]]], width: int) -> None:
    columns, rows = given_
    lines = table(columns, rows, width)
    printed = " ".join(lines).split()
    for row in rows:
        for cell in row:
            assert all(word in printed for word in cell.split())
    labels = max(map(cell_len, columns))
    for line in lines:
        # One word of a cell, behind its heading, may be longer than the terminal: it can still be copied whole.
        alone = len(line[labels + 4 :].split()) <= 1 or len(line.split()) == 1 or labels + 6 > width
        assert cell_len(line) <= width or alone, (width, lines)


def test_a_table_that_fits_is_one() -> None:
    assert table(("run", "cost"), [("pond-1", "2"), ("a", "1,000")], 80, right=("cost",)) == [
        "run      cost",
        "pond-1      2",
        "a       1,000",
    ]


def test_long_cells_are_wrapped_at_words() -> None:
    assert table(("tool", "what it does"), [("ask_person", "Ask a person for what is missing.")], 30) == [
        "tool        what it does",
        "ask_person  Ask a person for",
        "            what is missing.",
    ]


def test_what_fits_in_no_columns_is_a_block_for_each_row() -> None:
    columns = ("deployment", "tiers", "ready", "endpoint")
    rows = [
        ("openai-mini", "cheap", "no: nothing answers there", "https://api.example.com/v1"),
        ("fast", "", "yes", ""),
    ]
    assert table(columns, rows, 40) == [
        "openai-mini",
        "  tiers     cheap",
        "  ready     no: nothing answers there",
        "  endpoint  https://api.example.com/v1",
        "fast",
        "  ready     yes",
    ]
