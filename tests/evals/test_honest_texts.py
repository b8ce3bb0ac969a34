"""The honest texts: the halves share nothing, a seed gives the same texts again, and pieces are cut as they stand."""

import random

import pytest

from evals.injection.false_alarms import collected
from evals.injection.honest_pieces import blocks, laid_out, messages, passages, records, tables
from evals.injection.honest_sources import Half, sources
from evals.injection.honest_texts import PHRASE_BOOK, HonestText, Kind, collect

MARKDOWN = "Before\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\nafter"
RULED = "===  ===\nIn   Out\n===  ===\n1    2\n3    4\n===  ==="


def some(kind: Kind, half: Half, seed: int = 1) -> list[HonestText]:
    return collect(kind, half, 20, seed=seed, share=5)


@pytest.mark.parametrize("kind", Kind)
def test_no_source_and_no_text_is_in_both_halves(kind: Kind) -> None:
    both = collected(20, share=5, kinds=(kind,))
    found = {half: both[half][kind] for half in Half}
    origins = [{one.source for one in found[half]} - {PHRASE_BOOK} for half in Half]
    assert min(map(len, found.values())) == 20
    assert origins[0] & origins[1] == set()
    assert {one.text for one in found[Half.CALIBRATION]} & {one.text for one in found[Half.HELD_OUT]} == set()


def test_a_text_that_is_known_is_not_collected_again() -> None:
    first = some(Kind.EMAIL, Half.HELD_OUT)
    again = collect(Kind.EMAIL, Half.HELD_OUT, 20, seed=1, share=5, known=first)
    assert {one.text for one in again} & {one.text for one in first} == set()


def test_a_seed_gives_the_same_texts_again_and_another_seed_others() -> None:
    assert some(Kind.CODE, Half.HELD_OUT) == some(Kind.CODE, Half.HELD_OUT)
    assert some(Kind.CODE, Half.HELD_OUT) != some(Kind.CODE, Half.HELD_OUT, seed=2)


def test_both_halves_have_many_sources() -> None:
    count = {half: sum(source.half is half for source in sources()) for half in Half}
    assert min(count.values()) > 50, count


@pytest.mark.parametrize("page", [MARKDOWN, RULED])
def test_a_table_is_taken_as_it_stands(page: str) -> None:
    [table] = tables(page)
    assert table in page
    assert "1" in table


def test_a_signature_with_bars_is_no_table() -> None:
    assert list(tables("url: URL | bytes,\nauth: bytes | str,\nhost: str | None,\nport: int | None")) == []


@pytest.mark.parametrize("seed", range(8))
def test_records_become_tables_in_every_layout_without_losing_a_cell(seed: int) -> None:
    rows = [["Lamp", "14"], ["Chair", "29"], ["Desk", "120"]]
    table = laid_out(["Item", "Price"], rows, random.Random(seed))  # noqa: S311 - a layout, not a secret
    assert all(cell in table for row in rows for cell in ("Item", "Price", *row))


def test_records_are_read_from_csv_and_json() -> None:
    chance = random.Random(1)  # noqa: S311 - a layout, not a secret
    written = '{"all": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": 3, "b": "z"}, {"a": 4, "b": "u"}]}'
    for text in (written, "a,b\n1,x\n2,y\n3,z\n4,u\n"):
        [table] = records(text, chance)
        assert [letter in table for letter in "xyz"] == [True] * 3


def test_code_is_no_prose_and_prose_is() -> None:
    prose = "The pump is tested by the field team every month, and the result is written into the log book."
    chance = random.Random(1)  # noqa: S311 - a cut, not a secret
    assert list(passages(f"# Title\n\n{prose}\n\n    x = 1\n    y = [2]", chance)) == [prose]
    assert list(blocks("a = 1\nb = 2\nc = 3\nd = 4\n", chance)) == ["a = 1\nb = 2\nc = 3\nd = 4"]


def test_questions_and_messages_of_users_are_found() -> None:
    page = """ask([{"role": "user", "content": "Tell me a story."}])  # Does the model know one?"""
    assert list(messages(page)) == ["Tell me a story.", "Does the model know one?"]
