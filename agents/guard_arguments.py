"""Defines the arguments of each guard that a spec may name. They are checked when the spec's file is read."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self, cast

from pydantic import ConfigDict, Field, ValidationError, model_validator

from perdure.contracts.contract import explain_each
from perdure.contracts.exact import ExactNumbers


class Arguments(ExactNumbers):
    """The arguments of a guard in a spec."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NoArguments(Arguments):
    """The arguments of a guard that takes none."""


class LengthArguments(Arguments):
    """The allowed length of a text, in characters."""

    min: int = Field(default=1, ge=0)
    max: int = Field(ge=1)

    @model_validator(mode="after")
    def _allows_any(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min = {self.min} is above max = {self.max}: no text has such a length")
        return self


PersonalKind = Literal[
    "EMAIL_ADDRESS",
    "PHONE_NUMBER",
    "IBAN_CODE",
    "CREDIT_CARD",
    "IP_ADDRESS",
    "US_SSN",
    "UK_NHS",
    "UK_NINO",
    "ES_NIF",
    "ES_NIE",
    "IT_FISCAL_CODE",
    "PL_PESEL",
    "FI_PERSONAL_IDENTITY_CODE",
    "PERSON",
    "LOCATION",
]
"""The kinds of personal data, by Presidio's names; the keys of `activities.adapters.guards.personal_data.KINDS`."""

USUAL_KINDS: tuple[PersonalKind, ...] = (
    "EMAIL_ADDRESS",
    "PHONE_NUMBER",
    "IBAN_CODE",
    "CREDIT_CARD",
    "IP_ADDRESS",
    "US_SSN",
    "UK_NHS",
    "UK_NINO",
    "ES_NIF",
    "ES_NIE",
    "IT_FISCAL_CODE",
    "PL_PESEL",
    "FI_PERSONAL_IDENTITY_CODE",
)
"""The kinds that are searched by default. Names of people and places are not: honest questions contain them."""


class PiiArguments(Arguments):
    """The kinds of personal data to find, and the least of Presidio's scores that counts."""

    entities: tuple[PersonalKind, ...] = Field(default=USUAL_KINDS, min_length=1)
    threshold: float = Field(default=0.4, gt=0, le=1)
    """0.4 is the score of a phone number without a word beside it that says so."""


class InjectionArguments(Arguments):
    """The probability, corrected for length, from which on a text is an attempt; None for the model's own threshold."""

    threshold: float | None = Field(default=None, gt=0, lt=1)


class ToxicityArguments(Arguments):
    """The probability from which on a text counts as an insult."""

    threshold: float = Field(default=0.9, gt=0, lt=1)


ARGUMENTS: dict[str, type[Arguments]] = {
    "secrets_present": NoArguments,
    "valid_length": LengthArguments,
    "pii": PiiArguments,
    "injection": InjectionArguments,
    "toxicity": ToxicityArguments,
    "citations_verbatim": NoArguments,
    "figures_quoted": NoArguments,
    "names_quoted": NoArguments,
}
"""The arguments of the platform's guards, by name. The catalogue of guards has the same names."""


def mistakes(fields: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each mistake in the arguments of guards, wherever they stand in a spec's file.

    A guard that is not the platform's own is left to the worker that has it.
    """
    for key, tables in fields.items():
        for number, table in enumerate(cast("list[object]", tables) if isinstance(tables, list) else []):
            if not isinstance(table, dict):
                continue
            guard = cast("dict[str, Any]", table)
            shape = ARGUMENTS.get(str(guard.get("guard")))
            arguments: object = guard.get("arguments", {})
            if shape is None or not isinstance(arguments, dict):
                continue
            try:
                shape.model_validate(arguments)
            except ValidationError as error:
                known = ", ".join(shape.model_fields) or "none"
                for line in explain_each(error):
                    yield f"{key}.{number}.arguments.{line}; the arguments of {guard['guard']} are {known}"
