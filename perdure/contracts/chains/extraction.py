"""Extraction: a validated record from a document by a schema, each value with the place that it was read from."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field

from perdure.contracts.contract import Contract, Digest, Name
from perdure.contracts.guards import GuardSpec
from perdure.contracts.text import Text


class FieldKind(StrEnum):
    """The type of a field's value."""

    TEXT = "text"
    """Words, as they are in the document."""
    INTEGER = "integer"
    """A whole number."""
    DECIMAL = "decimal"
    """A number or an amount of money; on the wire a string such as `1234.50`."""
    DATE = "date"
    """A day; on the wire a string such as `2026-04-17`."""
    BOOLEAN = "boolean"
    """True or false."""
    CHOICE = "choice"
    """One of the field's `choices`."""


class FieldSpec(Contract):
    """One field of a schema."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")
    """The field's name: lower-case letters, digits and underscores, 1 to 63 characters."""
    kind: FieldKind
    description: str
    """The description that the model sees."""
    required: bool = True
    """Whether the record is invalid without a value."""
    choices: tuple[str, ...] = ()
    """The allowed values of a `choice`; empty for other kinds."""
    words: dict[str, tuple[str, ...]] = Field(default_factory=dict[str, tuple[str, ...]])
    """Other words by which a document states a choice, such as `€` for `EUR`. If there are any, the evidence must
    contain the choice's name or one of its words; if there are none, it may be any line."""


class ExtractionSpec(Contract):
    """A schema as its TOML file described it when the run started. Editing the file never changes a running run."""

    name: Name
    digest: Digest
    """SHA-256 of the TOML file."""
    tier: Name
    """The tier of models that the extraction uses."""
    instructions: Text
    """The fixed beginning of every prompt: the system message and the worked examples, as JSON messages."""
    fields: tuple[FieldSpec, ...]
    rules: tuple[GuardSpec, ...] = ()
    """Business rules over the whole record."""
    screen: tuple[GuardSpec, ...] = ()
    """Guards over the document."""
    max_output_tokens: int = Field(ge=1)
    """The most tokens of one reply."""
    attempts: int = Field(ge=1, le=10)
    """The most attempts of one paid call."""
    repairs: int = Field(ge=0, le=5)
    """How often the model is shown the problems of its reply and asked again."""
    wait: timedelta = timedelta(seconds=1)
    """The wait before the second attempt of a call; it doubles for each further one."""


class Evidence(Contract):
    """The place of a value in the document."""

    start: int = Field(ge=0)
    """The position of its first character in the document's text, from 0."""
    end: int = Field(ge=0)
    """The position after its last character."""
    quote: str
    """The characters there, word for word."""


class FieldValue(Contract):
    """The value of one field in a record."""

    name: str
    value: str | int | bool | None
    """The value; None where the document does not state it. Decimals and dates are strings."""
    evidence: Evidence | None = None
    """The place that the value was read from; None where there is no value."""


class Record(Contract):
    """The record that was read from a document."""

    fields: tuple[FieldValue, ...]

    def values(self) -> dict[str, Any]:
        """Return the values by field name."""
        return {field.name: field.value for field in self.fields}


class Problem(Contract):
    """A problem that makes a model's reply unusable."""

    where: str
    """The field, or the part of the reply."""
    reason: str
    """The value, and what is wrong with it."""

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"
