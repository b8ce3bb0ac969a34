"""A day is read in the forms in which people write it, and not out of text that only looks like a day."""

import pytest

from activities.text.values.dates import dates, is_day_first


@pytest.mark.parametrize(
    "written",
    [
        *("2026-04-17", "2026/04/17", "17.04.2026", "17.4.26", "17/04/2026", "17-04-2026"),
        *("17 April 2026", "17th of April 2026", "17. April 2026", "April 17, 2026", "Apr. 17 2026", "17-Apr-2026"),
        *("17 avril 2026", "17 de abril de 2026", "17. april 2026"),
    ],
)
def test_one_day_has_many_forms(written: str) -> None:
    text = f"Due on {written}, at noon."
    (day,) = dates(text)
    assert day.readings == ("2026-04-17",)
    assert text[day.start : day.end] == written


@pytest.mark.parametrize(
    ("written", "day"),
    [("8. März 2026", "2026-03-08"), ("1er août 2026", "2026-08-01"), ("2. desember 2025", "2025-12-02")],
)
def test_months_have_names_in_several_languages(written: str, day: str) -> None:
    assert [date.readings for date in dates(written)] == [(day,)]


def test_a_day_that_could_be_two_has_two_readings() -> None:
    (day,) = dates("05/06/2026")
    assert day.readings == ("2026-06-05", "2026-05-06")


@pytest.mark.parametrize(("day_first", "day"), [(True, "2026-06-05"), (False, "2026-05-06")])
def test_the_rest_of_the_document_decides_it(*, day_first: bool, day: str) -> None:
    (date,) = dates("05/06/2026", day_first=day_first)
    assert date.readings == (day,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from 05/06/2026 to 25/06/2026", True),
        ("03/25/2026", False),
        ("05/06/2026", None),
        ("25/06/26, 06/25/26", None),
    ],
)
def test_a_document_tells_its_order_by_a_day_beyond_twelve(text: str, expected: bool | None) -> None:  # noqa: FBT001
    assert is_day_first(text) is expected


@pytest.mark.parametrize(
    "text", ["31.02.2026", "invoice 2026-0417", "1.2.3", "192.168.10.12", "17 apples 2026", "12:30"]
)
def test_what_is_no_day_is_not_found(text: str) -> None:
    assert not list(dates(text))
