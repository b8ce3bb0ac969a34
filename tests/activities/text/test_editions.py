"""Dates alone decide which edition applies on a day."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from activities.ports import Issued
from activities.text.editions import editions_on

TODAY = date(2026, 1, 1)


def issued(document: str, version: int, day: date | None, replaces: str | None = None) -> Issued:
    return Issued(document=document, version=version, title=document, effective=day, replaces=replaces)


def test_the_newest_edition_applies_in_place_of_the_older_ones() -> None:
    editions = editions_on(TODAY, [issued("leave", 1, date(2022, 1, 1)), issued("leave", 2, date(2024, 1, 1))])
    assert editions.in_place_of("leave", 1) == ("leave", 2)
    assert editions.in_place_of("leave", 2) == ("leave", 2)


def test_an_edition_that_takes_effect_later_does_not_apply_yet() -> None:
    editions = editions_on(TODAY, [issued("leave", 1, date(2022, 1, 1)), issued("leave", 2, date(2027, 1, 1))])
    assert editions.in_place_of("leave", 1) == ("leave", 1)
    assert editions.in_place_of("leave", 2) is None


def test_a_document_can_replace_one_of_another_name() -> None:
    documents = [issued("bicycles", 1, date(2022, 1, 1)), issued("commuting", 1, date(2024, 1, 1), "bicycles")]
    assert editions_on(TODAY, documents).in_place_of("bicycles", 1) == ("commuting", 1)


def test_documents_that_replace_each_other_do_not_hang() -> None:
    documents = [issued("a", 1, date(2022, 1, 1), "b"), issued("b", 1, date(2023, 1, 1), "a")]
    assert editions_on(TODAY, documents).in_place_of("a", 1) == ("b", 1)


days = st.none() | st.dates(min_value=date(2020, 1, 1), max_value=date(2025, 12, 31))
many = st.lists(
    st.builds(issued, st.sampled_from("abc"), st.integers(1, 4), days, st.none() | st.sampled_from("abc")),
    unique_by=lambda edition: (edition.document, edition.version),
)


@given(many)
def test_every_edition_in_force_has_one_that_applies_in_its_own_place_too(
    all_of: list[Issued],
) -> None:
    editions = editions_on(TODAY, all_of)
    for edition in all_of:
        applies = editions.in_place_of(edition.document, edition.version)
        assert applies is not None
        assert editions.in_place_of(*applies) == applies
