"""A record holds only values that stand in its document, in canonical form, with their places."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.text.records import kept, offered, read_record
from perdure.contracts.chains.extraction import ExtractionSpec, FieldKind, FieldSpec, Problem, Record
from perdure.contracts.guards import GuardSpec
from perdure.contracts.text import Text

DOCUMENT = """Invoice 2026-0417

Seller: Tideway Instruments. Buyer: the \u201cLindhavn\u201d  Water
Authority.
Delivered on 9 April 2026, due on 17.05.2026.
Total: 1.234,50 EUR, 12 sensors.
Paid: 1.234,50 EUR. Severity: SEV2.
"""


def spec(**kinds: FieldKind | FieldSpec) -> ExtractionSpec:
    fields = (
        kind if isinstance(kind, FieldSpec) else FieldSpec(name=name, kind=kind, description="it", required=False)
        for name, kind in kinds.items()
    )
    return ExtractionSpec(
        name="x",
        digest="0" * 64,
        tier="fast",
        instructions=Text.of("[]"),
        fields=tuple(fields),
        max_output_tokens=100,
        attempts=1,
        repairs=1,
    )


def read(kind: FieldKind | FieldSpec, line: int, value: Any) -> tuple[Record, list[Problem]]:
    return read_record(spec(it=kind), DOCUMENT, json.dumps({"it": {"line": line, "value": value}}))


SEVERITY = FieldSpec(
    name="it",
    kind=FieldKind.CHOICE,
    description="it",
    required=False,
    choices=("SEV1", "SEV2"),
    words={"SEV1": ("worst",)},
)
MOOD = FieldSpec(name="it", kind=FieldKind.CHOICE, description="it", required=False, choices=("good", "bad"))
NEEDED = FieldSpec(name="it", kind=FieldKind.TEXT, description="it")


@pytest.mark.parametrize(
    ("kind", "line", "value", "canonical", "quote"),
    [
        (FieldKind.TEXT, 2, "tideway instruments", "Tideway Instruments", "Tideway Instruments"),
        (FieldKind.TEXT, 1, "'Invoice 2026-0417',", "Invoice 2026-0417", "Invoice 2026-0417"),
        (
            FieldKind.TEXT,
            2,
            '"Lindhavn" Water Authority',
            "\u201cLindhavn\u201d Water Authority",
            "\u201cLindhavn\u201d  Water\nAuthority",
        ),
        (FieldKind.DATE, 4, "17.05.2026", "2026-05-17", "17.05.2026"),
        (FieldKind.DATE, 4, "2026-04-09", "2026-04-09", "9 April 2026"),
        (FieldKind.DECIMAL, 5, "1234.50 EUR", "1234.50", "1.234,50"),
        (FieldKind.DECIMAL, 5, 1234.5, "1234.50", "1.234,50"),
        (FieldKind.INTEGER, 5, "12 sensors", 12, "12"),
        (SEVERITY, 6, "sev2", "SEV2", "SEV2"),
        (MOOD, 1, "good", "good", "Invoice 2026-0417"),
        (FieldKind.BOOLEAN, 4, "yes", True, "Delivered on 9 April 2026, due on 17.05.2026."),
        (FieldKind.BOOLEAN, 4, False, False, "Delivered on 9 April 2026, due on 17.05.2026."),
    ],
)
def test_a_value_is_read_in_canonical_form_with_its_place(
    kind: FieldKind | FieldSpec, line: int, value: Any, canonical: Any, quote: str
) -> None:
    record, problems = read(kind, line, value)
    assert not problems
    (field,) = record.fields
    assert field.value == canonical
    assert type(field.value) is type(canonical)
    assert field.evidence is not None
    assert field.evidence.quote == quote
    assert DOCUMENT[field.evidence.start : field.evidence.end] == quote


@pytest.mark.parametrize(
    ("kind", "line", "value", "reason"),
    [
        (FieldKind.TEXT, 2, "Acme", "'Acme' does not stand in the document"),
        (FieldKind.TEXT, 2, "Tidewway Instrument", "line 2 has 'Tideway Instruments'"),
        (FieldKind.DATE, 4, "18 May 2026", "'18 May 2026' does not stand in the document"),
        (FieldKind.DATE, 4, "soon", "'soon' is no day"),
        (FieldKind.DATE, 4, "9 April 2026 or 17.05.2026", "more than one day"),
        (FieldKind.DECIMAL, 5, "1234.51", "'1234.51' does not stand in the document"),
        (FieldKind.INTEGER, 5, "1.234,50", "'1.234,50' is no whole number"),
        (FieldKind.INTEGER, 4, "17", "'17' does not stand in the document"),
        (SEVERITY, 6, "SEV9", "'SEV9' is none of SEV1, SEV2"),
        (SEVERITY, 6, "SEV1", "'SEV1' does not stand in the document"),
        (MOOD, 0, "bad", "names no line"),
        (FieldKind.BOOLEAN, 4, "perhaps", "'perhaps' is neither yes nor no"),
    ],
)
def test_a_value_that_the_document_does_not_hold_is_a_problem(
    kind: FieldKind | FieldSpec, line: int, value: Any, reason: str
) -> None:
    record, (problem,) = read(kind, line, value)
    assert problem.where == "it"
    assert reason in problem.reason
    assert "\n" not in problem.reason
    assert record.fields[0].value is None


def test_a_value_on_another_line_is_found_where_it_is_the_only_one() -> None:
    record, problems = read(FieldKind.TEXT, 5, "Tideway Instruments")
    assert not problems
    assert record.fields[0].evidence is not None


def test_words_in_several_other_places_are_quoted_from_the_nearest() -> None:
    record, problems = read(FieldKind.TEXT, 4, "EUR")
    assert not problems
    assert record.fields[0].evidence is not None
    assert record.fields[0].evidence.start == DOCUMENT.index("EUR")


def test_words_are_quoted_from_where_they_stand_as_they_were_written() -> None:
    record, _ = read_record(
        spec(it=FieldKind.TEXT), "BEACON DOWN\nSystem: Beacon", '{"it": {"value": "Beacon", "line": 1}}'
    )
    assert record.values() == {"it": "Beacon"}


def test_a_number_in_several_other_places_needs_its_line() -> None:
    _, (problem,) = read(FieldKind.DECIMAL, 1, "1.234,50")
    assert problem.reason.startswith("'1.234,50' does not stand on line 1: it stands on the lines 5, 6;")


def test_an_ambiguous_day_is_asked_for_and_not_guessed() -> None:
    text = "Due 05/06/2026"
    when = spec(it=FieldKind.DATE)
    _, (problem,) = read_record(when, text, '{"it": {"line": 1, "value": "05/06/2026"}}')
    assert "can be 2026-06-05 or 2026-05-06" in problem.reason
    record, problems = read_record(when, text, '{"it": {"line": 1, "value": "2026-05-06"}}')
    assert not problems
    assert record.values() == {"it": "2026-05-06"}


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_required_field_that_is_not_stated_is_a_problem_and_an_optional_one_is_not(value: str | None) -> None:
    _, (problem,) = read(NEEDED, 0, value)
    assert problem.reason == "is required, and the reply does not state it"
    record, problems = read(FieldKind.TEXT, 0, value)
    assert not problems
    assert record.values() == {"it": None}


@pytest.mark.parametrize("reply", ["", "no", "[1]", '{"it": ', "12", "[" * 100_000])
def test_a_reply_that_cannot_be_read_is_one_problem(reply: str) -> None:
    record, problems = read_record(spec(it=FieldKind.TEXT), DOCUMENT, reply)
    assert [problem.where for problem in problems] == ["reply"]
    assert record.values() == {"it": None}


@given(
    st.dictionaries(
        st.sampled_from(["text", "day", "amount", "count", "sure"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(DOCUMENT.split()),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["line", "value"]), inner),
            max_leaves=4,
        ),
    )
)
def test_whatever_the_reply_every_quote_stands_in_the_document(reply: dict[str, Any]) -> None:
    schema = spec(
        text=FieldKind.TEXT,
        day=FieldKind.DATE,
        amount=FieldKind.DECIMAL,
        count=FieldKind.INTEGER,
        sure=FieldKind.BOOLEAN,
    )
    record, _ = read_record(schema, DOCUMENT, json.dumps(reply))
    assert [field.name for field in record.fields] == ["text", "day", "amount", "count", "sure"]
    for field in record.fields:
        assert (field.value is None) == (field.evidence is None)
        if field.evidence is not None:
            assert field.evidence.quote
            assert DOCUMENT[field.evidence.start : field.evidence.end] == field.evidence.quote


def test_a_model_is_offered_what_the_document_states() -> None:
    schema = spec(day=FieldKind.DATE, amount=FieldKind.DECIMAL, text=FieldKind.TEXT, it=SEVERITY)
    assert offered(schema.fields, DOCUMENT) == {
        "day": {4: ["9 April 2026", "17.05.2026"]},
        "amount": {5: ["1.234,50", "12"], 6: ["1.234,50"]},
        "it": {6: ["SEV2"]},
    }


def test_a_model_is_offered_the_readings_of_what_is_ambiguous() -> None:
    assert offered(spec(day=FieldKind.DATE).fields, "Due 05/06/2026") == {"day": {1: ["2026-06-05", "2026-05-06"]}}


@pytest.mark.parametrize("filler", [" ", "1", "a ", "1 ", "1.", "1 - ", "May ", "'", "\n"])
def test_a_document_that_was_made_to_be_slow_is_read_in_time(filler: str) -> None:
    document = "Total 1" + filler * (16_000 // len(filler)) + "x"
    schema = spec(day=FieldKind.DATE, amount=FieldKind.DECIMAL, text=FieldKind.TEXT, count=FieldKind.INTEGER)
    reply = json.dumps({name: {"value": "Totel 2", "line": 1} for name in ("day", "amount", "text", "count")})
    began = time.process_time()
    offered(schema.fields, document)
    _, problems = read_record(schema, document, reply)
    assert problems
    assert time.process_time() - began < 5  # a second where it is slowest; minutes where it grows with the square


def test_one_written_amount_states_one_field() -> None:
    fields = [
        FieldSpec(name="net", kind=FieldKind.DECIMAL, description="it", required=False),
        FieldSpec(name="total", kind=FieldKind.DECIMAL, description="it"),
    ]
    schema = spec(**{field.name: field for field in fields})
    twice = {"net": {"value": "1.234,50", "line": 5}, "total": {"value": "1.234,50", "line": 5}}
    record, (problem,) = read_record(schema, DOCUMENT, json.dumps(twice))
    assert record.values() == {"net": None, "total": "1234.50"}
    assert (problem.where, problem.reason[:26]) == ("net", "'1.234,50' is the total: g")
    apart = {"net": {"value": "1.234,50", "line": 5}, "total": {"value": "1.234,50", "line": 6}}
    record, problems = read_record(schema, DOCUMENT, json.dumps(apart))
    assert not problems
    assert record.values() == {"net": "1234.50", "total": "1234.50"}


def test_a_repair_keeps_every_field_that_no_problem_concerns() -> None:
    plain = spec(day=FieldKind.DATE, other=FieldKind.DATE, text=FieldKind.TEXT, count=FieldKind.INTEGER)
    ordered = GuardSpec(guard="not_before", arguments={"field": "day", "other": "other"})
    schema = plain.model_copy(update={"rules": (ordered,)})
    reply = json.dumps(
        {"day": {"value": "x", "line": 9}, "other": {}, "text": {"value": "Total", "line": 5}, "count": 3}
    )
    assert kept(schema, DOCUMENT, reply, [Problem(where="day", reason="early")]) == {
        "text": (5, "Total"),
        "count": (0, "3"),
    }
    assert kept(schema, DOCUMENT, reply, [Problem(where="text", reason="none")])["other"] == (0, "")
    assert kept(schema, DOCUMENT, "no", [Problem(where="reply", reason="no")]) == {}
