"""Figures, codes and names are found as a reader would find them."""

import pytest

from activities.text.facts import codes, figures, names


def test_figures_lose_their_thousands_separators_only() -> None:
    assert figures("It costs 1,200 euros, or 0.35 a kilometre, from 9:30.") == ["1200", "0.35", "9:30"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It costs EUR 1.5k.", ["1500"]),
        ("2.5 million, not 2,500", ["2500000", "2500"]),
        ("1\u00bd hours", ["1.5"]),
        ("10\u00b2 pieces", ["10\u00b2"]),
        ("\uff11\uff12 pieces and \u0663 boxes", ["12", "3"]),
        ("from -40 degrees", ["-40"]),
    ],
)
def test_what_stands_beside_the_digits_of_a_figure_counts(text: str, expected: list[str]) -> None:
    assert figures(text) == expected


def test_the_digits_of_a_code_are_no_figures() -> None:
    assert figures("The CS-40 and invoice 2026-0522 of 3 May") == ["3"]
    assert codes("The CS-40 and invoice 2026-0522 of 3 May") == ["cs-40", "2026-0522"]


def test_a_word_that_begins_a_sentence_is_no_name() -> None:
    assert names("The report goes to Owen MacIsaac. Then Lisbon decides.") == ["owen", "macisaac", "lisbon"]
