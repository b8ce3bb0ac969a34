"""The prompt of an extraction: numbered lines, a schema that the reply must match, and a list of the problems in it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from agents.extraction_prompt import ask_again, document_lines, frame, render_reply, reply_schema
from perdure.contracts.chains.extraction import FieldKind, FieldSpec

NAME = FieldSpec(name="name", kind=FieldKind.TEXT, description="who")
DAY = FieldSpec(name="day", kind=FieldKind.DATE, description="when")
END = FieldSpec(name="end", kind=FieldKind.DATE, description="until when")
SURE = FieldSpec(name="sure", kind=FieldKind.BOOLEAN, description="whether")
MOOD = FieldSpec(name="mood", kind=FieldKind.CHOICE, description="how", choices=("good", "bad"))


def test_a_document_is_shown_with_numbered_lines_and_without_empty_ones() -> None:
    assert frame("\n  Invoice 7 \r\n\n\tTotal: 5\n") == "Document:\n[1] Invoice 7\n[2] Total: 5"


@given(st.text(alphabet=st.sampled_from("ab \t\n\r\x0b\x0c\x85\u2028"), max_size=40))
def test_every_line_is_one_line_at_its_own_place(text: str) -> None:
    lines = document_lines(text)
    texts = [text[start:end] for start, end in lines]
    assert texts == [line.strip() for line in text.splitlines() if line.strip()]
    assert lines == sorted(lines)


def test_the_reply_is_held_to_every_field_in_its_order() -> None:
    schema = reply_schema([NAME, SURE, MOOD], 3)
    assert list(schema["properties"]) == schema["required"] == ["name", "sure", "mood"]
    unstated, name = schema["properties"]["name"]["anyOf"]
    assert unstated["properties"] == {"value": {"enum": [""]}, "line": {"enum": [0]}}
    assert name["properties"]["line"] == {"type": "integer", "minimum": 1, "maximum": 3}
    assert list(name["properties"]) == ["value", "line"]
    assert schema["properties"]["sure"]["anyOf"][1]["properties"]["value"] == {"enum": ["yes", "no"]}
    assert schema["properties"]["mood"]["anyOf"][1]["properties"]["value"] == {"enum": ["good", "bad"]}


def test_fields_with_the_same_offer_share_it() -> None:
    offers = {2: ["1 May", "2 May"], 4: ["1 May"]}
    schema = reply_schema([DAY, NAME, END], 5, {"day": offers, "end": offers})
    assert schema["properties"]["day"] == schema["properties"]["end"] == {"$ref": "#/$defs/day"}
    pairs = [
        (option["properties"]["value"]["enum"], option["properties"]["line"]["enum"])
        for option in schema["$defs"]["day"]["anyOf"]
    ]
    assert pairs == [([""], [0]), (["1 May"], [2, 4]), (["2 May"], [2])]


def test_a_repair_is_held_to_the_fields_that_were_right() -> None:
    schema = reply_schema([NAME, DAY], 5, {"day": {1: ["1 May"]}}, {"day": (1, "1 May")})
    assert schema["properties"]["day"]["properties"] == {"value": {"enum": ["1 May"]}, "line": {"enum": [1]}}
    assert "anyOf" in schema["properties"]["name"]


def test_a_worked_example_says_of_every_other_field_that_it_is_not_stated() -> None:
    reply = json.loads(render_reply([NAME, DAY], {"name": (2, "Ada")}))
    assert reply == {"name": {"value": "Ada", "line": 2}, "day": {"value": "", "line": 0}}


def test_a_repair_lists_what_is_wrong_and_asks_for_everything() -> None:
    prompt = ask_again(["day: 'soon' is no day", "total: does not add up"])
    assert "- day: 'soon' is no day\n- total: does not add up\n" in prompt
    assert "the whole reply again" in prompt
