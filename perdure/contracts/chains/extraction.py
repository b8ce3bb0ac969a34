"""Extraction: a document and a schema in, a validated record out, each field with the place that it was read from."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field

from perdure.contracts.contract import Contract, Digest, Name
from perdure.contracts.guards import GuardSpec
from perdure.contracts.text import Text


class FieldKind(StrEnum):
    """What a field holds."""

    TEXT = "text"
    """Words, as they stand in the document."""
    INTEGER = "integer"
    DECIMAL = "decimal"
    """A number or an amount of money; on the wire a string of digits, `1234.50`."""
    DATE = "date"
    """A day; on the wire `2026-04-17`."""
    BOOLEAN = "boolean"
    CHOICE = "choice"
    """One of the field's `choices`."""


class FieldSpec(Contract):
    """One field of a record."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    kind: FieldKind
    description: str
    """What the model reads about it."""
    required: bool = True
    choices: tuple[str, ...] = ()
    words: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    """Other words by which a document states a choice, such as `€` for `EUR`. Where there are any, a choice must be
    stated by its name or one of its words; where there are none, it may rest on any line."""


class ExtractionSpec(Contract):
    """A schema as its TOML file described it when the run started. Editing the file never changes a running run."""

    name: Name
    digest: Digest
    """SHA-256 of the TOML file."""
    tier: Name
    instructions: Text
    """The fixed beginning of every prompt: the system message and the worked examples, as JSON messages."""
    fields: tuple[FieldSpec, ...]
    rules: tuple[GuardSpec, ...] = ()
    """Business rules over the whole record."""
    screen: tuple[GuardSpec, ...] = ()
    """Guards over the document."""
    max_output_tokens: int = Field(ge=1)
    attempts: int = Field(ge=1, le=10)
    """How often one paid call is tried at most."""
    repairs: int = Field(ge=0, le=5)
    """How often the model is shown what is wrong and asked again."""
    wait: timedelta = timedelta(seconds=1)
    """Before the second attempt of a call; doubled for each further one."""


class Evidence(Contract):
    """Where in the document a value stands."""

    start: int = Field(ge=0)
    """Its first character in the document's text."""
    end: int = Field(ge=0)
    """One past its last character."""
    quote: str
    """The characters there, word for word."""


class FieldValue(Contract):
    """One field of a record that was read."""

    name: str
    value: str | int | bool | None
    """None where the document does not state it. Decimals and dates are strings."""
    evidence: Evidence | None = None
    """None where there is no value."""


class Record(Contract):
    """What was read from a document."""

    fields: tuple[FieldValue, ...]

    def values(self) -> dict[str, Any]:
        """The values by field name."""
        return {field.name: field.value for field in self.fields}


class Problem(Contract):
    """Why what a model wrote cannot be used: one line that names the place, the value and what is wrong with it."""

    where: str
    """The field, or the part of the reply."""
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"
