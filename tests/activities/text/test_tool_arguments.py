"""Arguments of a tool call: strict where they have no meaning or two, read where they have one, and always the same."""

import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from activities.text.tool_arguments import agreed, for_server, granted_name, name_for_server, read
from deploy.testing.stub.protocol import NAME
from perdure.contracts.contract import BadInput

GRANTED = ("calculator", "create_ticket")

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(-1e30, 1e30) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.text(max_size=8), values, max_size=3)
written = objects.map(json.dumps)
"""The arguments of a call as a careful model writes them."""


def cut_at(text: str, at: int) -> str:
    """Return a beginning of a text that has at least one character and lacks at least one."""
    return text[: 1 + at % (len(text) - 1)]


odd_texts = st.one_of(
    st.text(st.characters(), max_size=40),
    st.builds(cut_at, written, st.integers(0, 1000)),
    st.builds("{0}{1}".format, written, st.sampled_from(["}", ",", "{}", " x", "\0", "\n```", "null"])),
    st.builds("{0}{1}".format, st.sampled_from(["```json\n", "\ufeff", "[", '"', "- ", "{"]), written),
    written.map(json.dumps),
    st.sampled_from(['{"a": NaN}', '{"a": -Infinity}', '{"a": 1e999}', '{"a": 1, "a": 2}', '{"a": "\\udc00"}', "[[[["]),
)
"""The arguments of a call as any model may write them."""


def is_read(text: str) -> bool:
    try:
        read(text)
    except BadInput:
        return False
    return True


@given(objects)
def test_what_a_careful_model_writes_is_what_is_read(value: dict[str, Any]) -> None:
    assert read(json.dumps(value)) == read(json.dumps(value, ensure_ascii=False)) == read(value) == value


@given(odd_texts)
@example('{"a": "\ud83d"}')
@example('{"a":' * 2000)
def test_every_server_can_parse_what_goes_back_to_it(text: str) -> None:
    sent = for_server(text)
    assert isinstance(json.loads(sent, parse_constant=pytest.fail), dict)
    sent.encode()


@given(odd_texts)
def test_what_a_person_approves_is_what_is_sent_and_what_goes_back_later(text: str) -> None:
    shown = agreed(text)
    if is_read(text):
        assert shown == agreed(shown) == for_server(text)
        assert read(shown) == read(text)
    else:
        assert not is_read(shown)


@given(objects.filter(bool), st.integers(0, 10_000), st.sampled_from(["{}", "{}\n", "```json\n{}", "```\n{}\n"]))
def test_a_text_that_was_cut_is_never_read(value: dict[str, Any], at: int, frame: str) -> None:
    assert not is_read(frame.replace("{}", cut_at(json.dumps(value), at)))


@given(objects, st.sampled_from(["{}", " {}\n", "\ufeff{}", "```json\n{}\n```", "```{}```", "{},", "{}\0"]))
def test_a_frame_around_arguments_changes_nothing(value: dict[str, Any], frame: str) -> None:
    text = json.dumps(value)
    assert read(frame.replace("{}", text)) == value
    assert read(json.dumps(frame.replace("{}", text))) == value


@given(objects.filter(bool))
def test_a_comma_before_a_closing_bracket_changes_nothing(value: dict[str, Any]) -> None:
    assert read(f"{json.dumps(value)[:-1]} ,\n}}") == value


@pytest.mark.parametrize("text", ["", " \n", "null", "{}", '""', '"null"', "\ufeff"])
def test_no_arguments_are_an_empty_object(text: str) -> None:
    assert read(text) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"grams": NaN}', "NaN is no number in JSON"),
        ('{"grams": -Infinity}', "-Infinity is no number in JSON"),
        ('{"grams": 1e999}', "the number 1e999 is too large"),
        (f'{{"grams": {"9" * 400}}}', "is too large"),
        ('{"grams": 1e-999}', "the number 1e-999 is too small"),
        ('{"to": "a", "to": "b"}', "the key 'to' stands in one object twice"),
        ('{"a": [{"to": "a", "to": "b"}]}', "the key 'to' stands in one object twice"),
        ('{"a": 1} {"a": 1}', "it holds more than one value"),
        ('{"a": "\\ud83d"}', "half of a character"),
        ('"x"', "no JSON"),
        ("[]", "no JSON object"),
        ("7", "no JSON object"),
        ('{"a":' * 70 + "1" + "}" * 70, "nested more than 64 levels deep"),
        ("{'a': 1}", "You wrote \"{'a': 1}\""),
    ],
)
def test_what_has_no_meaning_or_two_is_refused_and_the_model_reads_why(text: str, reason: str) -> None:
    with pytest.raises(BadInput) as refusal:
        read(text)
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)


MEGABYTE = 1_000_000


@pytest.mark.parametrize("worst", ['"\\"', ", ", "{", '{"a":1}', '"', "`", "[{", "\\", "1"])
def test_a_megabyte_of_the_worst_letters_is_read_in_linear_time(worst: str) -> None:
    began = time.process_time()
    assert for_server(worst * (MEGABYTE // len(worst))) == "{}"
    assert for_server(f",{worst}{' ' * MEGABYTE}") == "{}"
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("calculator", "calculator"),
        ("functions.calculator", "calculator"),
        ("default_api:calculator", "calculator"),
        (" calculator\n", "calculator"),
        ("functions.delete_all", "functions.delete_all"),
        ("evil.calculator", "evil.calculator"),
        ("calculator.functions", "calculator.functions"),
        ("Calculator", "Calculator"),
    ],
)
def test_a_name_means_a_granted_tool_only_where_it_can_mean_no_other(name: str, meant: str) -> None:
    assert granted_name(name, GRANTED) == meant


def test_a_granted_name_is_itself_although_it_looks_like_another() -> None:
    assert granted_name("functions.calculator", ("calculator", "functions.calculator")) == "functions.calculator"


@given(st.text(max_size=300))
def test_every_name_that_goes_back_has_the_form_of_the_protocol(name: str) -> None:
    assert NAME.fullmatch(name_for_server(name, GRANTED))
