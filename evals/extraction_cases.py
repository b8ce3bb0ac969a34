"""Documents with the record that is expected of each, from a data set's TOML files, and what a result is worth."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from evals.questions import DATASETS
from perdure.contracts.chains.extraction import Record

EXTRACTION = DATASETS / "extraction"
"""A folder for each schema: its documents, the scored `cases.toml`, and `calibration.toml` for tuning."""

Value = str | int | bool
"""A field's value in its canonical form."""


class Case(BaseModel):
    """A document and what is expected of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    file: str
    """From the folder of its schema."""
    outcome: Literal["extracted", "refused"]
    values: dict[str, Value | list[Value]] = Field(default_factory=dict[str, Value | list[Value]])
    """By field: the right value, or those of which each is right. A field that is not named is not stated."""
    fields: tuple[str, ...] = ()
    """What a refusal names, one of its reasons each."""


def load(schema: str, name: str) -> list[Case]:
    """The cases of one file of a schema, in its order: `cases` or `calibration`."""
    text = (EXTRACTION / schema / f"{name}.toml").read_text()
    return [Case.model_validate(table) for table in tomllib.loads(text)["case"]]


def path_of(schema: str, case: Case) -> Path:
    """Where a case's document is."""
    return (EXTRACTION / schema / case.file).resolve()


@dataclass(frozen=True)
class Score:
    """What was right about one document."""

    outcome: bool
    """The outcome is the expected one, and a refusal gives the expected reasons."""
    fields: int
    """Fields that the schema has, where a record is expected; 0 where a refusal is."""
    right: int
    """Fields with exactly the expected value; none where nothing was extracted."""
    quotes: int
    """Values with evidence in the record."""
    verbatim: int
    """Of these, the ones whose quote stands in the document at the place that it names."""
    wrong: tuple[str, ...]
    """The fields that are not right."""

    @property
    def record(self) -> bool:
        """Whether every field is right."""
        return self.fields > 0 and self.right == self.fields


def score_record(case: Case, record: Record, document: str, reasons: tuple[str, ...] | None = None) -> Score:
    """Compare what was read with what was expected. `reasons` are those of a refusal; None where there was none."""
    expected_record = case.outcome == "extracted"
    names = [field.name for field in record.fields]
    got = record.values() if reasons is None else {}
    right = [name for name in names if reasons is None and _is_right(case.values, name, got[name])]
    cited = [field.evidence for field in record.fields if reasons is None and field.evidence is not None]
    outcome = expected_record if reasons is None else not expected_record and _gives(reasons, case.fields)
    return Score(
        outcome=outcome,
        fields=len(names) if expected_record else 0,
        right=len(right) if expected_record else 0,
        quotes=len(cited),
        verbatim=sum(bool(place.quote) and document[place.start : place.end] == place.quote for place in cited),
        wrong=tuple(name for name in names if name not in right) if expected_record else (),
    )


def _is_right(expected: Mapping[str, Value | list[Value]], name: str, value: Value | None) -> bool:
    if name not in expected:
        return value is None
    allowed = expected[name]
    # A boolean equals a number in Python, and is not one here.
    return any(
        type(value) is type(right) and value == right for right in (allowed if isinstance(allowed, list) else [allowed])
    )


def _gives(reasons: tuple[str, ...], fields: tuple[str, ...]) -> bool:
    return all(any(field in reason for reason in reasons) for field in fields)
