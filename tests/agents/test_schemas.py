"""An invalid schema is refused with the file, the key and the remedy."""

import json
from pathlib import Path

import pytest

from activities.settings import ROOT
from agents.loader import BadSpec
from agents.schemas import Schemas, parse_schema

TOTAL = "[[fields]]\nname = 'total'\nkind = 'decimal'\ndescription = 'all'\n"
DUE = "[[fields]]\nname = 'due'\nkind = 'date'\ndescription = 'when'\n"
MOOD = "[[fields]]\nname = 'mood'\nkind = 'choice'\ndescription = 'how'\n"
GOOD = f"system = 'Read.'\n{TOTAL}{DUE}"


def rule(guard: str, arguments: str) -> str:
    return f"{GOOD}[[rules]]\nguard = '{guard}'\narguments = {arguments}\n"


def example(record: str) -> str:
    return f"{GOOD}[[examples]]\ndocument = 'Total 5.00'\n[examples.record]\n{record}\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("system = ", "agents/schemas/x.toml is not TOML"),
        ("system = 'Read.'", "agents/schemas/x.toml: fields: Field required"),
        ("colour = 'red'\n" + GOOD, "colour: Extra inputs are not permitted"),
        ("repairs = 9\n" + GOOD, "repairs: Input should be less than or equal to 5 (got 9)"),
        (GOOD.replace("decimal", "money"), "fields.0.kind: Input should be 'text', 'integer', 'decimal', 'date'"),
        (GOOD.replace("'total'", "'Total'"), "fields.0.name"),
        (GOOD + TOTAL, "fields: 'total' is named 2 times: give every field a name of its own"),
        (GOOD + MOOD, "fields.3.choices: 'mood' is a choice without choices: list them"),
        (GOOD + DUE.replace("'due'", "'d'") + "choices = ['a']\n", "fields.3.choices: 'd' is no choice"),
        (GOOD + MOOD + "choices = ['a', 'A']\n", "must differ in more than case"),
        (GOOD + MOOD + "choices = ['a']\nwords = { b = ['c'] }\n", "fields.3.words: 'b' is none of a"),
        (rule("sums_up", "{}"), "rules.1: there is no rule 'sums_up': the rules are required, one_of_required"),
        (rule("sums_to", "{ total = 'total' }"), "rules.1: the rule 'sums_to': parts: Field required"),
        (rule("sums_to", "{ total = 'total', parts = ['net'] }"), "parts names 'net': the fields are total, due"),
        (
            rule("sums_to", "{ total = 'due', parts = ['total'] }"),
            "total names 'due', a date: it needs decimal or integer",
        ),
        (rule("in_range", "{ field = 'due' }"), "give min, max or both"),
        (rule("in_range", "{ field = 'due', min = 5 }"), "'5' is not a day such as 2026-04-17, but 'due' is"),
        (rule("in_range", "{ field = 'total', min = nan }"), "'nan' is neither a number nor a day"),
        (rule("in_range", "{ field = 'total', min = 'much' }"), "'much' is neither a number nor a day"),
        (example("total = { line = 2, value = '5.00' }"), "examples.1.record.total: there is no line 2"),
        (example("total = { line = 1, value = '6.00' }"), "'6.00' is not right: copy it from line 1"),
        (example("sum = { line = 1, value = '5.00' }"), "there is no field 'sum': the fields are total, due"),
    ],
)
def test_a_mistake_names_the_file_and_the_key(text: str, complaint: str) -> None:
    with pytest.raises(BadSpec) as refusal:
        parse_schema("x", text.encode())
    assert "agents/schemas/x.toml" in str(refusal.value)
    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_pattern_that_needs_more_than_linear_time_is_refused() -> None:
    text = f"{GOOD}[[fields]]\nname = 'n'\nkind = 'text'\ndescription = 'n'\n"
    text += "[[rules]]\nguard = 'matches'\narguments = { field = 'n', pattern = '(a)\\1' }\n"
    with pytest.raises(BadSpec, match=r"rules.1: the rule 'matches': .* is no pattern of Rust's regex crate"):
        parse_schema("x", text.encode())


def test_bounds_of_toml_s_own_types_travel_as_text() -> None:
    spec = parse_schema("x", rule("in_range", "{ field = 'due', min = 2000-01-01 }").encode())
    assert spec.rules[0].arguments == {"field": "due", "min": "2000-01-01"}


def test_a_prompt_begins_with_the_fields_and_the_examples() -> None:
    spec = parse_schema("x", example("total = { line = 1, value = '5.00' }").encode())
    system, first, replied = json.loads(spec.instructions.body or "")
    assert system["content"].endswith("total (an amount): all\ndue (a date): when")
    assert first["content"] == "Document:\n[1] Total 5.00"
    assert json.loads(replied["content"]) == {"total": {"value": "5.00", "line": 1}, "due": {"value": "", "line": 0}}


def test_an_unknown_schema_names_those_that_exist(tmp_path: Path) -> None:
    (tmp_path / "bill.toml").write_text(GOOD)
    with pytest.raises(BadSpec, match=r"there is no schema 'film': the schemas in .* are bill"):
        Schemas([tmp_path]).extraction("film")


def test_an_edit_changes_the_digest(tmp_path: Path) -> None:
    (tmp_path / "bill.toml").write_text(GOOD)
    before = Schemas([tmp_path]).extraction("bill")
    (tmp_path / "bill.toml").write_text(GOOD + "# a comment\n")
    assert Schemas([tmp_path]).extraction("bill").digest != before.digest


def test_the_shipped_schemas_can_be_used() -> None:
    schemas = Schemas([ROOT / "agents" / "schemas"])
    assert schemas.names() == ["incident", "invoice"]
    assert all(schemas.extraction(name).fields for name in schemas.names())
