"""Personal data is found in disguise, named as what it is, and placed in the text as it was written."""

import string
import time
from functools import cache

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from activities.adapters.guards.account_numbers import IBAN_LENGTHS, cards, ibans
from activities.adapters.guards.personal_data import (
    _CANDIDATE,  # pyright: ignore[reportPrivateUsage]
    USUAL,
    PersonalData,
)
from activities.text.disguises import undisguised

UNSEEN = ("", "\u200b", "\u2060", "\ufeff", "\u00ad", "\ufe0f")
ZEROS = ("0", "\uff10", "\u0660", "\u06f0", "\u0966", "\U0001d7ce")
"""The zero of full-width, Arabic, Persian, Hindi and bold mathematical digits, whose others follow it."""


EXAMPLES = {
    "EMAIL_ADDRESS": "ann@example.com",
    "PHONE_NUMBER": "call +44 20 7946 0958",
    "IBAN_CODE": "DE89 3704 0044 0532 0130 00",
    "CREDIT_CARD": "4111 1111 1111 1111",
    "IP_ADDRESS": "at fe80:abcd:abcd:abcd:abcd:abcd:abcd:abcd",
    "US_SSN": "ssn 078-05-1126",
    "UK_NHS": "nhs 943 476 5919",
    "UK_NINO": "AA123456B",
    "ES_NIF": "12345678Z",
    "ES_NIE": "X9613851N",
    "IT_FISCAL_CODE": "RSSMRALRALMHRLMX",
    "PL_PESEL": "pesel 44051401351",
    "FI_PERSONAL_IDENTITY_CODE": "010594Y9032",
}
"""A datum of each kind, with as few digits as it can have."""


@cache
def personal_data() -> PersonalData:
    return PersonalData()


def iban(country: str, account: str) -> str:
    rest = "".join(str(int(sign, 36)) for sign in f"{account}{country}00")
    return f"{country}{98 - int(rest) % 97:02d}{account}"


def card(prefix: str, length: int, digits: str) -> str:
    begins = (prefix + digits)[: length - 1]
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(begins))]
    return begins + str(-sum(value - 9 if value > 9 else value for value in doubled) % 10)


@st.composite
def disguises(draw: st.DrawFn, number: str) -> str:
    """The same number as others write it: other digits, groups, letters, and characters that nobody sees."""
    zero = draw(st.sampled_from(ZEROS))
    shown = "".join(chr(ord(zero) + int(sign)) if sign.isdecimal() else sign for sign in number)
    mark = draw(st.sampled_from(["", " ", "-", ".", "\u00a0", "\u2009", "\u2011", "\u3000"]))
    shown = mark.join(shown[at : at + 4] for at in range(0, len(shown), 4))
    at = draw(st.integers(1, len(shown) - 1))
    shown = shown[:at] + draw(st.sampled_from(UNSEEN)) + shown[at:]
    return draw(st.sampled_from([shown, shown.lower()]))


@given(st.data(), st.sampled_from(sorted(IBAN_LENGTHS)))
@settings(max_examples=120, deadline=None)
def test_an_iban_of_any_country_is_found_in_any_disguise_at_its_place(data: st.DataObject, country: str) -> None:
    length = IBAN_LENGTHS[country] - 4
    written = data.draw(disguises(iban(country, data.draw(st.text(string.digits, min_size=length, max_size=length)))))
    plain = undisguised(f"Pay to {written}, please.")
    spans = list(ibans(plain.text))
    assert [plain.original(*span) for span in spans] == [(7, 7 + len(written))]


@given(
    st.data(), st.sampled_from([("4", 16), ("4", 13), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16), ("3530", 16)])
)
@settings(max_examples=120, deadline=None)
def test_a_card_number_is_found_in_any_disguise(data: st.DataObject, kind: tuple[str, int]) -> None:
    digits = data.draw(st.text(string.digits, min_size=16, max_size=16).filter(lambda text: len(set(text)) > 2))
    written = data.draw(disguises(card(*kind, digits)))
    plain = undisguised(f"With {written} or cash")
    assert [plain.original(*span) for span in cards(plain.text)] == [(5, 5 + len(written))]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Pay de89 3704 0044 0532 0130 00 from May on", ["IBAN_CODE"]),
        ("My account is UA213223130000026007233566001.", ["IBAN_CODE"]),
        ("ua21 3223 1300 0002 6007 2335 66001", ["IBAN_CODE"]),
        (
            "Pay with \uff14\uff11\uff11\uff11" + " \uff11\uff11\uff11\uff11" * 3,
            ["CREDIT_CARD"],
        ),
        ("Write to ann\u200b.lee@exam\u2060ple.com", ["EMAIL_ADDRESS"]),
        ("Write to ann\uff20example\uff0ecom", ["EMAIL_ADDRESS"]),
        ("Write to ann (at) example [dot] com", ["EMAIL_ADDRESS"]),
        ("The device at \u0661\u0669\u0662.\u0661\u0666\u0668.\u0662\u0660.\u0661\u0664 is down", ["IP_ADDRESS"]),
        ("Call +\uff14\uff14 \uff12\uff10 \uff17\uff19\uff14\uff16 \uff10\uff19\uff15\uff18", ["PHONE_NUMBER"]),
        ("My social security number is 536\u201190\u20114399", ["US_SSN"]),
    ],
)
def test_what_is_disguised_is_found_and_named_as_what_it_is(text: str, kinds: list[str]) -> None:
    assert personal_data().find(text) == kinds


@given(st.sampled_from(UNSEEN[1:]), st.integers(1, 18), st.sampled_from(["{}", "<{}>", "Ask {} about it."]))
@settings(max_examples=25, deadline=None)
def test_an_address_with_a_character_that_nobody_sees_is_found_at_its_place(unseen: str, at: int, frame: str) -> None:
    address = "ann.lee@example.com"
    written = address[:at] + unseen + address[at:]
    text = frame.format(written)
    (place,) = personal_data().places(text)
    assert (place.kind, text[place.start : place.end]) == ("EMAIL_ADDRESS", written)


@pytest.mark.parametrize(
    "text",
    [
        "The rate is 10 percent of the whole yearly budget of the field team.",
        "The meeting is at 20 on the second floor, or at 21 if the room is taken by then.",
        "Order 4111 1111 1111 1112 was shipped; the account DE88 3704 0044 0532 0130 00 does not exist.",
        "Sensor CS-40-118-2207, invoice 2026-0522 over 12,480.50 euros, from 1990\u20132000.",
        "It was 0000 0000 0000 0000 all day.",
    ],
)
def test_words_and_numbers_that_fit_no_check_digit_are_nothing(text: str) -> None:
    assert list(ibans(text)) == list(cards(text)) == []
    assert personal_data().find(text, ["IBAN_CODE", "CREDIT_CARD"]) == []


@pytest.mark.parametrize("worst", ["DE8", "DE89 ", "4", "4 ", "4111", "4111 1111 1111 1111 ", "\u200b4", "[at]"])
def test_a_text_that_was_made_to_be_slow_is_searched_in_time(worst: str) -> None:
    text = undisguised(worst * (100_000 // len(worst))).text
    began = time.process_time()
    list(ibans(text))
    list(cards(text))
    assert time.process_time() - began < 4


@given(st.text(st.sampled_from("aefXLMSP bcdH.-+:()/\n"), max_size=60))
@settings(max_examples=150, deadline=None)
def test_a_text_that_is_not_searched_holds_nothing_that_the_library_would_find(text: str) -> None:
    assume(_CANDIDATE.search(undisguised(text).text) is None)
    engine = personal_data()._pattern_analyzer  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    assert engine.analyze(text, "en", entities=list(USUAL), score_threshold=0.0) == []


@pytest.mark.parametrize(("kind", "text"), EXAMPLES.items())
def test_a_datum_of_every_kind_makes_its_text_one_to_search(kind: str, text: str) -> None:
    assert kind in personal_data().find(text, threshold=0.01)
