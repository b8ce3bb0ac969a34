"""Reads a record from a model's reply: every value in its canonical form, with its place in the document.

Pure functions. The model names lines and copies values; the document's own text counts. A value that the document does
not state was invented, and is a problem.
"""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from activities.text.document_text import AROUND, DocumentText, Unplaced, shown, word_pattern
from activities.text.strict_json import NotJson
from activities.text.structured_reply import read_object
from activities.text.values.dates import FORMS as DATE_FORMS
from activities.text.values.dates import Written
from activities.text.values.numbers import FORMS as NUMBER_FORMS
from agents.extraction_prompt import NOT_STATED
from agents.rules import rule
from perdure.contracts.chains.extraction import (
    Evidence,
    ExtractionSpec,
    FieldKind,
    FieldSpec,
    FieldValue,
    Problem,
    Record,
)

REPLY = "reply"
"""The `where` of a problem with the whole reply."""

OFFERED = 200
"""The most values of one kind that are offered to the model. If the document has more, the model writes freely."""

_YES = frozenset({"yes", "true", "ja", "oui", "sim", "sí", "si"})
_NO = frozenset({"no", "false", "nein", "nei", "non", "não", "nao"})


class _Unusable(ValueError):
    """A field of the reply cannot be used. The message says why."""


def offered(fields: Sequence[FieldSpec], document: str) -> dict[str, dict[int, list[str]]]:
    """Return the possible values of each field by line, for `reply_schema`, if the document has only a few.

    Dates and numbers are as they are written or, if they are ambiguous, in their canonical forms. Choices with `words`
    are those that the document states. Fields that may hold anything are left out.
    """
    page = DocumentText.of(document)
    kinds = {kind: page.offered(kind) for kind in (FieldKind.DATE, FieldKind.DECIMAL, FieldKind.INTEGER)}
    ways = {
        field.name: page.choices(field) if field.words else kinds[field.kind]
        for field in fields
        if field.words or field.kind in kinds
    }
    return {name: by_line for name, by_line in ways.items() if sum(map(len, by_line.values())) <= OFFERED}


def read_record(spec: ExtractionSpec, document: str, reply: str) -> tuple[Record, list[Problem]]:
    """Return the record in a model's reply, and the problems with it; without problems the document states all of it.

    `document` is the text whose `document_lines` the model was shown; evidence counts in its characters. A field with a
    problem and a field that is not stated have no value. Business rules are not checked here.
    """
    page = DocumentText.of(document)
    values: list[FieldValue] = []
    problems: list[Problem] = []
    try:
        stated = _parsed(reply)
    except _Unusable as error:
        return Record(fields=tuple(_empty(field) for field in spec.fields)), [Problem(where=REPLY, reason=str(error))]
    for field in spec.fields:
        try:
            value = _read(field, page, stated.get(field.name))
        except (_Unusable, Unplaced) as error:
            problems.append(Problem(where=field.name, reason=str(error)))
            value = _empty(field)
        values.append(value)
    shared = _shared(spec.fields, values)
    problems.extend(Problem(where=name, reason=reason) for name, reason in shared.items())
    fields = (FieldValue(name=value.name, value=None) if value.name in shared else value for value in values)
    return Record(fields=tuple(fields)), problems


def _shared(fields: Sequence[FieldSpec], values: Sequence[FieldValue]) -> dict[str, str]:
    """Return the optional amounts with the same evidence as another: one written amount states only one field.

    Models that find no net amount give the total instead.
    """
    amounts = [
        (field, value.evidence)
        for field, value in sorted(zip(fields, values, strict=True), key=lambda pair: not pair[0].required)
        if field.kind is FieldKind.DECIMAL and value.evidence is not None
    ]
    holders: dict[int, str] = {}
    shared: dict[str, str] = {}
    for field, evidence in amounts:
        holder = holders.setdefault(evidence.start, field.name)
        if holder != field.name and not field.required:
            remedy = 'give value "" and line 0 unless the document states it apart'
            shared[field.name] = f"{shown(evidence.quote)} is the {holder}: {remedy}"
    return shared


def kept(spec: ExtractionSpec, document: str, reply: str, problems: Sequence[Problem]) -> dict[str, tuple[int, str]]:
    """Return the line and the value of each field without a problem, for the `reply_schema` of a repair.

    A broken rule concerns all the fields that it names. A reply that cannot be read gives none.
    """
    try:
        stated = _parsed(reply)
    except _Unusable:
        return {}
    concerned = {problem.where for problem in problems}
    for asked in spec.rules:
        named = {field for _, field, _ in rule(asked.guard, asked.arguments).named()}
        concerned |= named if named & concerned else set()
    page = DocumentText.of(document)
    return {
        field.name: (line, value) if value else (NOT_STATED, "")
        for field in spec.fields
        if field.name in stated and field.name not in concerned
        for line, value in [_choice(page, stated[field.name])]
    }


def _empty(field: FieldSpec) -> FieldValue:
    return FieldValue(name=field.name, value=None)


def _parsed(reply: str) -> dict[str, Any]:
    try:
        return read_object(reply)
    except NotJson as mistake:
        raise _Unusable(f"is not JSON ({mistake}): write one JSON object with every field, and nothing else") from None


def _read(field: FieldSpec, page: DocumentText, stated: Any) -> FieldValue:
    line, written = _choice(page, stated)
    if not written:
        if field.required:
            raise _Unusable("is required, and the reply does not state it")
        return _empty(field)
    match field.kind:
        case FieldKind.TEXT:
            evidence = page.words(written, line)
            return FieldValue(name=field.name, value=" ".join(evidence.quote.split()), evidence=evidence)
        case FieldKind.CHOICE:
            choice = _chosen(field, written)
            return FieldValue(name=field.name, value=choice, evidence=page.choice(field, choice, line))
        case FieldKind.BOOLEAN:
            answer = _yes_or_no(written)
            return FieldValue(name=field.name, value=answer, evidence=page.line(line))
        case FieldKind.INTEGER | FieldKind.DECIMAL | FieldKind.DATE:
            value, evidence = _measured(field.kind, page, written, line)
            return FieldValue(
                name=field.name, value=int(value) if field.kind is FieldKind.INTEGER else value, evidence=evidence
            )


def _choice(page: DocumentText, stated: Any) -> tuple[int, str]:
    """Return the model's line, `NOT_STATED` for none, and its value, empty for none."""
    if isinstance(stated, dict):
        entry = cast("dict[str, Any]", stated)
        line, written = entry.get("line", NOT_STATED), entry.get("value")
    else:
        line, written = NOT_STATED, stated
    if written is None or isinstance(written, dict | list):
        written = ""
    if isinstance(written, bool):
        written = "yes" if written else "no"
    is_valid = isinstance(line, int) and not isinstance(line, bool) and NOT_STATED <= line <= len(page.lines)
    return (cast("int", line) if is_valid else NOT_STATED), str(written).strip()


def _measured(kind: FieldKind, page: DocumentText, written: str, line: int) -> tuple[str, Evidence]:
    """Return a date or a number in its canonical form, and its place in the document in any form."""
    what = {FieldKind.DATE: "day", FieldKind.INTEGER: "whole number"}.get(kind, "number")
    copied = [place.readings for place in page.places(kind) if page.text[place.start : place.end] == written]
    # What was copied is read with its neighbours in the document: `1.5m` after a currency.
    wanted = copied[:1] or _outermost(page.written(kind, written))
    if not wanted:
        within = page.only_within(kind, written)
        forms = DATE_FORMS if kind is FieldKind.DATE else NUMBER_FORMS
        raise _Unusable(f"{shown(written)} is no {what}: {within or f'the forms that are read are {forms}'}")
    if len(wanted) > 1:
        raise _Unusable(f"{shown(written)} is more than one {what}: write the one that is meant")
    same = set(map(_comparable, wanted[0]))
    matches = {
        (place.start, place.end): agreed
        for place in page.places(kind)
        if (agreed := [reading for reading in place.readings if _comparable(reading) in same])
    }
    if not matches:
        within = page.only_within(kind, written) or f"copy the {what} from one line"
        raise _Unusable(f"{shown(written)} does not stand in the document: {within}")
    evidence = page.place(matches, line, written)
    readings = matches[evidence.start, evidence.end]
    if len(readings) > 1:
        raise _Unusable(f"{shown(written)} can be {' or '.join(readings)}: write the one that is meant")
    return readings[0], evidence


def _outermost(written: Iterable[Written]) -> list[tuple[str, ...]]:
    """Return the different values in a text, without those inside others: `12 890` is one number, not three."""
    places = sorted((place for place in written if place.readings), key=lambda place: (place.start, -place.end))
    outermost: list[Written] = []
    for place in places:
        if not outermost or place.start >= outermost[-1].end:
            outermost.append(place)
    return list(dict.fromkeys(place.readings for place in outermost))


def _comparable(reading: str) -> str:
    """Return the same string for `1200`, `1200.0` and `1200.00`."""
    return reading.rstrip("0").rstrip(".") if "." in reading else reading


def _chosen(field: FieldSpec, written: str) -> str:
    """Return the choice that the model wrote, alone or among other words."""
    by_name = {choice.casefold(): choice for choice in field.choices}
    if exact := by_name.get(written.strip(AROUND).casefold()):
        return exact
    named = [choice for choice in field.choices if word_pattern(choice).search(written)]
    if len(named) != 1:
        raise _Unusable(f"{shown(written)} is none of {', '.join(field.choices)}")
    return named[0]


def _yes_or_no(written: str) -> bool:
    word = written.strip(AROUND).casefold()
    if word not in _YES | _NO:
        raise _Unusable(f"{shown(written)} is neither yes nor no")
    return word in _YES
