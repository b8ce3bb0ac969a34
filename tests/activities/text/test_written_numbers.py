"""Whatever stands beside the digits of an amount, it is read as the amount that was meant, or not at all.

Amounts are rendered as people of many places write them; a reading must be the truth, and what cannot be read is
refused with the form that can.
"""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.text.records import read_record
from activities.text.values.numbers import number_words, numbers
from perdure.contracts.chains.extraction import FieldKind
from tests.activities.text.test_records import spec

ZEROS = {
    "ascii": "0",
    "full-width": "\uff10",
    "arabic": "\u0660",
    "persian": "\u06f0",
    "hindi": "\u0966",
    "thai": "\u0e50",
}
LOCALES = [
    (",", "."),
    (".", ","),
    (" ", ","),
    ("\u00a0", ","),
    ("\u202f", ","),
    ("'", "."),
    ("\u2019", "."),
    ("", "."),
    ("", ","),
]
"""The mark between thousands and the decimal mark."""
BEFORE = [
    "Total: ",
    "Total:",
    "EUR ",
    "\u20ac",
    "US$",
    "CHF ",
    "= ",
    "| ",
    "(net) ",
    "Betrag ",
    "\u5408\u8a08",
    "*",
    '"',
]
AFTER = [
    "",
    " EUR",
    "\u20ac",
    "\u5186",
    " kr",
    ".",
    ", net",
    " |",
    "\n",
    "%",
    " %",
    "kg",
    " kg",
    " m\u00b2",
    "/h",
    " items",
]
FACTORS = {
    "": 1, "k": 1000, " thousand": 1000, " Tsd.": 1000, " mille": 1000, " tys.": 1000, " million": 10**6, " mn": 10**6,
    " Mio.": 10**6, "mio": 10**6, " mln": 10**6, "bn": 10**9, " billion": 10**9, " Mrd": 10**9, " milliard": 10**9,
    " mld": 10**9, " lakh": 10**5, " crore": 10**7, " hundred": 100, " dozen": 12, "\u4e07": 10**4, "\u5104": 10**8,
}  # fmt: skip
UNCERTAIN = [
    "m", " m", "M", "b", " B", "T", " bln", " Billionen", " bio", " mil", " bin", " cr", " CR", "\u2030", " \u2030",
    "\u00b2", "\u00b9", "\u2083", "^2", " x 10^3", " \u00d7 10\u00b3", "\u00d710\u2076", "-20", "\u201320", " - 20",
    " \u2013 20", "/3", " / 3", ":30", "..20", "\u202620", "rd", "th", "st", "xy", "z", "e", "O", "_1", "+", "+5",
    "\u00a2", "p", "\u200b5", "\u0336", "\u20e3", " and a half", " hundred thousand", " lakh crore",
    " \u0932\u093e\u0916", " \u0442\u044b\u0441\u044f\u0447\u0443", "'5",
]  # fmt: skip
"""What makes another number of the digits before it, in a way that is not read."""
LEFT_UNCERTAIN = [
    "#",
    "\u00b1",
    "~",
    "\u2248",
    "<",
    ">",
    "\u2264",
    "A",
    "x",
    "0x",
    "v",
    "1/",
    "1:",
    "10-",
    "10 - ",
    "2^",
    "3_",
    "3.",
    "million ",
]

amounts = st.decimals(min_value=0, max_value=10**9, places=2) | st.integers(0, 10**9).map(Decimal)


def grouped(digits: str, mark: str) -> str:
    first = len(digits) % 3 or 3
    return (
        mark.join([digits[:first], *(digits[at : at + 3] for at in range(first, len(digits), 3))]) if mark else digits
    )


def rendered(amount: Decimal, locale: tuple[str, str], zero: str = "0") -> str:
    group, decimal_mark = locale
    whole, _, decimals = f"{amount:f}".partition(".")
    text = grouped(whole, group) + (decimal_mark + decimals if decimals else "")
    return "".join(chr(ord(zero) + int(sign)) if sign.isdecimal() else sign for sign in text)


def readings(text: str) -> set[Decimal]:
    return {Decimal(reading) for place in numbers(text) for reading in place.readings}


@given(
    amounts, st.sampled_from(LOCALES), st.sampled_from(sorted(ZEROS)), st.sampled_from(BEFORE), st.sampled_from(AFTER)
)
@settings(max_examples=400)
def test_an_amount_of_any_locale_and_script_is_read_as_what_it_is(
    amount: Decimal, locale: tuple[str, str], script: str, before: str, after: str
) -> None:
    text = before + rendered(amount, locale, ZEROS[script]) + after
    places = list(numbers(text))
    assert len(places) == 1
    assert amount in {Decimal(reading) for reading in places[0].readings}
    assert len(places[0].readings) == 1 or (f"{amount:f}".count(".") == 0 and 1000 <= amount < 10**6)


@given(st.decimals(0, 10**6, places=1), st.sampled_from(sorted(FACTORS)), st.sampled_from([(",", "."), (".", ",")]))
def test_a_multiplier_is_never_dropped(amount: Decimal, suffix: str, locale: tuple[str, str]) -> None:
    for text in (f"Total: EUR {rendered(amount, locale)}{suffix}", f"Total {rendered(amount, locale)}{suffix} EUR."):
        assert readings(text) == {amount * FACTORS[suffix]}


@given(
    amounts, st.sampled_from(UNCERTAIN), st.sampled_from(["", "Total: ", "the "]), st.sampled_from(["", " and", "."])
)
@settings(max_examples=300)
def test_what_is_not_understood_beside_the_digits_refuses_the_number(
    amount: Decimal, suffix: str, before: str, after: str
) -> None:
    assert amount not in readings(f"{before}{amount:f}{suffix}{after}")


@given(st.integers(11, 10**6), st.sampled_from(LEFT_UNCERTAIN))
def test_what_is_not_understood_before_the_digits_refuses_the_number(amount: int, before: str) -> None:
    assert amount not in readings(f"Total {before}{amount}")


@given(amounts.filter(bool), st.sampled_from(LOCALES), st.data())
def test_a_negative_amount_is_negative_or_refused(
    amount: Decimal, locale: tuple[str, str], data: st.DataObject
) -> None:
    written = rendered(amount, locale)
    certain = (
        "-{}",
        "\u2212{}",
        "EUR -{}",
        "-\u20ac{}",
        "minus {}",
        "({})",
        "(EUR {})",
        "{}- EUR",
        "EUR {}-",
        "-{} EUR",
    )
    form = data.draw(st.sampled_from(certain))
    found = readings(f"Total: {form.format(written)}")
    assert -amount in found
    assert amount not in found


@given(
    st.integers(0, 999),
    st.sampled_from([("\u00bd", "0.5"), ("\u00bc", "0.25"), (" 1/2", "0.5"), (" \u00be", "0.75"), (" 3/8", "0.375")]),
)
def test_a_fraction_belongs_to_its_number(whole: int, part: tuple[str, str]) -> None:
    assert readings(f"It took {whole}{part[0]} hours") == {whole + Decimal(part[1])}


@given(st.text("0123456789.,-'()%kmKM\u20ac\u00bd\u00b2\uff11\u0661 xe/:+\u2013", max_size=14))
@settings(max_examples=300)
def test_no_number_has_digits_that_do_not_stand_there(text: str) -> None:
    for place in numbers(text):
        assert place.readings
        for reading in place.readings:
            assert Decimal(reading).is_finite()
        assert any(sign.isdecimal() or sign == "\u00bd" for sign in text[place.start : place.end])


@pytest.mark.parametrize(
    "text", ["twenty-two", "two hundred", "one third", "two and a half", "two-thirds", "minus two", "one million"]
)
def test_a_word_that_is_a_part_of_another_number_is_none(text: str) -> None:
    assert list(number_words(text)) == []


@pytest.mark.parametrize(
    ("document", "written", "value"),
    [
        ("Total: EUR 1.5k", "1.5k", "1500"),
        ("Total: EUR 1.5k", "1500", "1500"),
        ("Total: EUR 1.5m", "1.5m", "1500000"),
        ("Total: \uff11\uff0c\uff12\uff13\uff14\uff0e\uff15\uff10", "1234.50", "1234.50"),
        ("Credit: 1.234,50-", "1.234,50-", "-1234.50"),
        ("Credit: (500)", "(500)", "-500"),
    ],
)
def test_a_record_has_the_amount_that_was_meant(document: str, written: str, value: str) -> None:
    record, problems = read_record(
        spec(it=FieldKind.DECIMAL), document, json.dumps({"it": {"value": written, "line": 1}})
    )
    assert (record.values(), problems) == ({"it": value}, [])


@pytest.mark.parametrize(
    ("document", "written", "reason"),
    [
        ("Total: EUR 1.5k", "1.5", "the document has '1.5k', which is 1500"),
        ("Area: 10\u00b2", "10", "the document has it only in '10\u00b2', which is not read as a number"),
        ("Total: 1.5z", "1.5z", "is no number: the document has it only in '1.5z'"),
        ("Total: some", "some", "is no number: the forms that are read are 1234.50"),
    ],
)
def test_what_is_refused_is_refused_with_the_reason(document: str, written: str, reason: str) -> None:
    record, [problem] = read_record(
        spec(it=FieldKind.DECIMAL), document, json.dumps({"it": {"value": written, "line": 1}})
    )
    assert record.values() == {"it": None}
    assert reason in problem.reason
