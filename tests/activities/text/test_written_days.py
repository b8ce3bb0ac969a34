"""A day that somebody wrote is read as that day, is asked for where it may be two, and is otherwise not read."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.text.values.dates import dates

ZEROS = ("0", "\uff10", "\u0660", "\u06f0", "\u0966", "\u0e50")
"""The zero of some scripts, whose other digits follow it."""

DAYS = st.dates(date(1970, 1, 1), date(2199, 12, 31))
FORMS = (
    "{0:%Y-%m-%d}", "{0:%Y-%m-%d}T09:30:00Z", "{0:%Y-%m-%d}T23:59:59.123+01:00", "{0:%Y-%m-%d} 09:30", "{0:%Y/%m/%d}",
    "{0:%d.%m.%Y}", "{0:%Y}\u5e74{0.month}\u6708{0.day}\u65e5", "{0:%Y}\ub144 {0.month}\uc6d4 {0.day}\uc77c",
    "{0:%d-%b-%Y}", "{0:%d/%b/%Y}", "{0:%d%b%Y}", "{0.day} {0:%B %Y}", "{0:%B} {0.day}, {0:%Y}",
    "{0:%b} {0.day}, {0:%Y}", "{0:%B}-{0:%d-%Y}", "{0:%Y-%b-%d}", "{0:%A}, {0.day} {0:%B %Y}",
    "{0.day}. {0:%B} {0:%Y}", "the {0.day}th of {0:%B}, {0:%Y}",
)  # fmt: skip


@given(DAYS, st.sampled_from(FORMS), st.sampled_from(ZEROS))
@settings(max_examples=300)
def test_a_day_in_any_form_and_script_is_that_day(day: date, form: str, zero: str) -> None:
    text = form.format(day)
    shown = "".join(chr(ord(zero) + int(sign)) if sign.isdecimal() else sign for sign in text)
    assert {place.readings for place in dates(f"Due on {shown}.")} == {(day.isoformat(),)}


@given(
    DAYS.filter(lambda day: day.year < 2069),
    st.sampled_from(["{0:%d-%b-%y}", "{0:%d/%b/%y}", "{0:%d.%m.%y}", "{0.day} {0:%B} '{0:%y}"]),
)
def test_a_year_of_two_digits_is_of_this_century_or_the_last_one(day: date, form: str) -> None:
    assert {place.readings for place in dates(f"Due {form.format(day)}, net")} == {(day.isoformat(),)}


@given(DAYS, st.sampled_from(["{0:%d/%m/%Y}", "{0:%m/%d/%Y}", "{0:%d-%m-%Y}", "{0:%d/%m/%y}", "{0:%y-%m-%d}"]))
def test_a_day_that_may_be_another_is_never_read_as_one(day: date, form: str) -> None:
    (place,) = dates(f"Due {form.format(day)}")
    assert day.isoformat() in place.readings or day.year >= 2069
    assert len(place.readings) > 1 or "%y" in form or day.day > 12 or day.day == day.month


@given(
    st.integers(1, 12),
    st.integers(29, 99),
    st.sampled_from(["{y}-{m:02}-{d}", "{d}.{m}.{y}", "{d} {n} {y}", "{y}\u5e74{m}\u6708{d}\u65e5"]),
)
def test_a_day_that_no_calendar_has_is_none(month: int, number: int, form: str) -> None:
    last = (date(2027 + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
    name = date(2027, month, 1).strftime("%B")
    text = form.format(y=2027, m=month, d=max(number, last + 1), n=name)
    assert list(dates(text)) == []


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("03-Mar-26", "2026-03-03"),
        ("2026-03-02T09:30:00Z", "2026-03-02"),
        ("2026\u5e743\u67082\u65e5", "2026-03-02"),
        ("\uff12\uff10\uff12\uff16\u5e74\uff13\u6708\uff12\u65e5", "2026-03-02"),
        ("March 2nd, 2026", "2026-03-02"),
        ("2 marca 2026", "2026-03-02"),
        ("2. b\u0159ezna 2026", "2026-03-02"),
        ("2. maaliskuuta 2026", "2026-03-02"),
        ("2 maart 2026", "2026-03-02"),
        ("2 marzo 2026", "2026-03-02"),
        ("2. marts 2026", "2026-03-02"),
        ("den 2 mars 2026", "2026-03-02"),
        ("2 lipca 2026", "2026-07-02"),
        ("2. srpna 2026", "2026-08-02"),
    ],
)
def test_invoices_of_many_countries_are_read(written: str, day: str) -> None:
    assert {place.readings for place in dates(written)} == {(day,)}


@pytest.mark.parametrize(
    "written",
    [
        "1404/12/11",
        "\u06f1\u06f4\u06f0\u06f4/\u06f1\u06f2/\u06f1\u06f1",
        "2569-03-02",
        "2026-03-02T25:61",
        "2026-0\u0663-02",
        "14\u201317 April 2026",
        "2 Mar 26",
    ],
)
def test_a_day_of_another_calendar_or_a_part_of_a_span_is_not_read(written: str) -> None:
    assert list(dates(written)) == []


def test_a_name_that_is_two_months_has_two_readings() -> None:
    (place,) = dates("2. listopada 2026")
    assert place.readings == ("2026-10-02", "2026-11-02")
