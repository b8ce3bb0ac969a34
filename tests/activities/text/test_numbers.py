"""An amount is read in the forms in which people write it, and not out of codes, times and days."""

import pytest

from activities.text.values.numbers import decimal_mark_of, number_words, numbers


def largest(text: str, *, decimal_mark: str | None = None) -> tuple[str, ...]:
    places = list(numbers(text, decimal_mark=decimal_mark))
    return max(places, key=lambda place: place.end - place.start).readings if places else ()


@pytest.mark.parametrize(
    ("written", "reading"),
    [
        *(
            ("1.234,50 EUR", "1234.50"),
            ("$1,234.50", "1234.50"),
            ("1 234,50 kr", "1234.50"),
            ("CHF 1'234.50", "1234.50"),
        ),
        *(("1\u202f234,50 €", "1234.50"), ("EUR1.234,50", "1234.50"), ("1,890 euros", "1890"), ("12", "12")),
        *(("-1,340 USD", "-1340"), ("\u2212$1,340.00", "-1340.00"), ("0.125", "0.125"), ("1.234.567", "1234567")),
        *(
            ("1 200,-", "1200"),
            ("a total of 3.5.", "3.5"),
            ("007", "7"),
            ("2.5 million", "2500000"),
            ("97-minute", "97"),
        ),
    ],
)
def test_one_amount_has_many_forms(written: str, reading: str) -> None:
    assert largest(written) == (reading,)


def test_a_number_that_could_be_two_has_two_readings() -> None:
    assert largest("1.234") == ("1234", "1.234")


@pytest.mark.parametrize(("mark", "reading"), [(",", "1234"), (".", "1.234")])
def test_the_rest_of_the_document_decides_the_decimal_mark(mark: str, reading: str) -> None:
    assert largest("1.234", decimal_mark=mark) == (reading,)


@pytest.mark.parametrize(
    ("text", "mark"),
    [("1.234,50 and 3.10", ","), ("1,234.50", "."), ("12,50", ","), ("12,50 or 12.50", None), ("26,000", None)],
)
def test_a_document_tells_its_decimal_mark(text: str, mark: str | None) -> None:
    assert decimal_mark_of(text) == mark


@pytest.mark.parametrize("text", ["CS-40", "2026-0417", "TI-88213", "05:12", "version 1.2.3", "17/04/2026", "9" * 5000])
def test_parts_of_codes_times_and_days_are_no_numbers(text: str) -> None:
    assert not list(numbers(text))


def test_small_numbers_may_be_words() -> None:
    assert [number.readings for number in number_words("Two customers and eleven sensors")] == [("2",), ("11",)]
