"""An extraction scores exact values only, and every case fits its schema and its document."""

import pytest

from activities.adapters.documents.plain import read_text
from activities.settings import ROOT
from activities.text.document_text import DocumentText
from agents.schemas import Schemas
from evals.extraction_cases import EXTRACTION, Case, Value, load, path_of, score_record
from perdure.contracts.chains.extraction import Evidence, FieldKind, FieldValue, Record

DOCUMENT = "Total: 26,000 euros"
CASE = Case(id="c", file="c.txt", outcome="extracted", values={"total": "26000", "seller": ["A", "A Ltd"]})
REFUSAL = Case(id="r", file="r.txt", outcome="refused", fields=("total", "due_date"))

SCHEMAS = Schemas([ROOT / "agents" / "schemas"])
SETS = [(schema, name) for schema in SCHEMAS.names() for name in ("cases", "calibration")]


def record(total: Value | None, seller: str | None, *, quote: str = "26,000") -> Record:
    return Record(
        fields=(
            FieldValue(name="total", value=total, evidence=Evidence(start=7, end=13, quote=quote)),
            FieldValue(name="seller", value=seller),
            FieldValue(name="tax", value=None),
        )
    )


def test_every_field_counts_and_so_does_one_that_is_rightly_not_stated() -> None:
    score = score_record(CASE, record("26000", "A Ltd"), DOCUMENT)
    assert (score.outcome, score.right, score.fields, score.record) == (True, 3, 3, True)


def test_a_value_must_be_exactly_the_expected_one() -> None:
    assert score_record(CASE, record("26000.00", None), DOCUMENT).wrong == ("total", "seller")


def test_yes_is_no_number() -> None:
    numbered = CASE.model_copy(update={"values": {"total": 1, "seller": "A"}})
    assert score_record(numbered, record(total=True, seller="A"), DOCUMENT).wrong == ("total",)


def test_a_quote_that_does_not_stand_there_is_not_verbatim() -> None:
    assert score_record(CASE, record("26000", "A"), DOCUMENT).verbatim == 1
    altered = score_record(CASE, record("26000", "A", quote="26,001"), DOCUMENT)
    assert (altered.quotes, altered.verbatim) == (1, 0)


def test_a_refused_document_has_no_right_fields() -> None:
    score = score_record(CASE, record("26000", "A"), DOCUMENT, ("total: is wrong",))
    assert (score.outcome, score.right, score.fields) == (False, 0, 3)


def test_a_refusal_must_give_every_expected_reason() -> None:
    empty = record(None, None)
    assert score_record(REFUSAL, empty, DOCUMENT, ("total: wrong", "due_date is before issue_date")).outcome
    assert not score_record(REFUSAL, empty, DOCUMENT, ("total: wrong",)).outcome
    assert not score_record(REFUSAL, empty, DOCUMENT).outcome
    assert score_record(REFUSAL, empty, DOCUMENT, ()).fields == 0


@pytest.mark.parametrize("schema", SCHEMAS.names())
def test_a_set_has_ten_cases_with_two_refusals_at_least_and_two_pdfs(schema: str) -> None:
    cases = load(schema, "cases")
    assert len(cases) == 10
    assert sum(case.outcome == "refused" for case in cases) >= 2
    assert sum(case.file.endswith(".pdf") for case in cases) >= 2


@pytest.mark.parametrize(("schema", "name"), SETS)
def test_every_expected_value_stands_in_its_document(schema: str, name: str) -> None:
    fields = {field.name: field for field in SCHEMAS.extraction(schema).fields}
    for case in load(schema, name):
        path = path_of(schema, case)
        page = DocumentText.of(read_text(path.name, path.read_bytes()))
        assert set(case.fields) <= fields.keys()
        for field, expected in case.values.items():
            for value in expected if isinstance(expected, list) else [expected]:
                assert states(page, fields[field].kind, value), f"{case.id}: {field} {value!r}"


def states(page: DocumentText, kind: FieldKind, value: Value) -> bool:
    match kind:
        case FieldKind.TEXT:
            return str(value) in " ".join(page.text.split())
        case FieldKind.DATE | FieldKind.DECIMAL | FieldKind.INTEGER:
            return any(str(value) in place.readings for place in page.places(kind))
        case FieldKind.BOOLEAN:
            return isinstance(value, bool)
        case FieldKind.CHOICE:
            return True


def test_no_document_is_both_scored_and_used_for_tuning() -> None:
    for schema in SCHEMAS.names():
        scored, tuned = ({path_of(schema, case) for case in load(schema, name)} for name in ("cases", "calibration"))
        assert not scored & tuned


def test_no_document_of_a_set_is_an_example_in_a_prompt() -> None:
    prompts = [SCHEMAS.extraction(name).instructions.body or "" for name in SCHEMAS.names()]
    names = ("invoice_number", "seller", "buyer", "lead", "scribe")
    for schema, name in SETS:
        values = [case.values.get(field) for case in load(schema, name) for field in names]
        words = [word for value in values for word in (value if isinstance(value, list) else [value]) if word]
        assert words
        assert not [word for word in words for prompt in prompts if str(word) in prompt]


def test_every_document_of_the_sets_is_used() -> None:
    used = {path_of(schema, case) for schema, name in SETS for case in load(schema, name)}
    files = {path for folder in ("documents", "calibration") for path in EXTRACTION.glob(f"*/{folder}/*")}
    assert files <= used
