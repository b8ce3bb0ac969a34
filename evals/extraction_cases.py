"""Loads documents with their expected records from a data set's TOML files, and scores results."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from evals.questions import DATASETS
from perdure.contracts.chains.extraction import Record

EXTRACTION = DATASETS / "extraction"
"""The extraction sets. A folder for each schema: documents, the scored `cases.toml`, `calibration.toml` for tuning."""

Value = str | int | bool
"""A field's value in its canonical form."""


class Case(BaseModel):
    """A document and its expected result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    file: str
    """The document's path within the folder of its schema."""
    outcome: Literal["extracted", "refused"]
    values: dict[str, Value | list[Value]] = Field(default_factory=dict[str, Value | list[Value]])
    """The right value of each field, or a list of right values. A field that is not named is not stated."""
    fields: tuple[str, ...] = ()
    """The fields that a refusal must name, each in one of its reasons."""


def load(schema: str, name: str) -> list[Case]:
    """Load the cases of one file of a schema, `cases` or `calibration`, in its order."""
    text = (EXTRACTION / schema / f"{name}.toml").read_text()
    return [Case.model_validate(table) for table in tomllib.loads(text)["case"]]


def path_of(schema: str, case: Case) -> Path:
    """Return the path of a case's document."""
    return (EXTRACTION / schema / case.file).resolve()


@dataclass(frozen=True)
class Score:
    """The score of one document."""

    outcome: bool
    """The outcome is the expected one, and a refusal gives the expected reasons."""
    fields: int
    """The number of fields in the schema where a record is expected; 0 where a refusal is expected."""
    right: int
    """The number of fields with exactly the expected value; 0 where nothing was extracted."""
    quotes: int
    """The number of values with evidence in the record."""
    verbatim: int
    """The number of these values whose quote is in the document at its stated place."""
    wrong: tuple[str, ...]
    """The names of the fields that are wrong."""

    @property
    def record(self) -> bool:
        """Whether every field is right."""
        return self.fields > 0 and self.right == self.fields


def score_record(case: Case, record: Record, document: str, reasons: tuple[str, ...] | None = None) -> Score:
    """Compare a record with the expected one. `reasons` are those of a refusal; None where the run gave a record."""
    expected_record = case.outcome == "extracted"
    names = [field.name for field in record.fields]
    values = record.values() if reasons is None else {}
    right = [name for name in names if reasons is None and _is_right(case.values, name, values[name])]
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
    # In Python True equals 1; here they are different values.
    return any(
        type(value) is type(right) and value == right for right in (allowed if isinstance(allowed, list) else [allowed])
    )


def _gives(reasons: tuple[str, ...], fields: tuple[str, ...]) -> bool:
    return all(any(field in reason for reason in reasons) for field in fields)
