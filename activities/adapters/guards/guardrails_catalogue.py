"""The guards that a spec may name: how each is made, what arguments it takes, and how it says why."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from guardrails.validator_base import Validator
from guardrails_ai.valid_length import ValidLength
from pydantic import BaseModel, ConfigDict, Field

from activities.adapters.guards.guardrails_detectors import (
    CLASSIFIER,
    PERSONAL_DATA,
    PROFANITY,
    Injection,
    Pii,
    Toxicity,
)
from activities.adapters.guards.guardrails_validators import CitationsVerbatim, FiguresQuoted, NamesQuoted, Secrets
from activities.adapters.lazy import Lazy
from activities.ports import Subject


class Arguments(BaseModel):
    """The settings of a guard in a spec's `arguments`."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NoArguments(Arguments):
    """Of a guard that has no settings."""


class LengthArguments(Arguments):
    """Characters."""

    min: int = Field(default=1, ge=0)
    max: int = Field(ge=1)


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
"""Presidio's names of the kinds that `activities.adapters.guards.personal_data.KINDS` knows."""

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
"""Names of people and places stand in honest questions, so they are only looked for on demand."""


class PiiArguments(Arguments):
    """Which kinds of personal data count, and from which of Presidio's scores on."""

    entities: tuple[PersonalKind, ...] = Field(default=USUAL_KINDS, min_length=1)
    threshold: float = Field(default=0.4, gt=0, le=1)
    """0.4 is what a phone number scores where no word beside it says that it is one."""


class InjectionArguments(Arguments):
    """From which probability on a text counts as an attempt; None for the model's own threshold."""

    threshold: float | None = Field(default=None, gt=0, lt=1)


class ToxicityArguments(Arguments):
    """From which probability on a text counts as an insult."""

    threshold: float = Field(default=0.9, gt=0, lt=1)


@dataclass(frozen=True)
class Guard:
    """One guard of the catalogue."""

    make: Callable[[Any], Validator]
    arguments: type[Arguments]
    reason: Callable[[Subject, Any, str], str]
    """Why it failed, in plain words and without the text, from the subject, the arguments and the library's message."""
    load: Lazy[Any] | None = None
    """What has to be loaded before the first text, where that takes long."""


def _length_reason(subject: Subject, arguments: Any, _: str) -> str:
    return f"it is {len(subject.text):,} characters long; {arguments.min:,} to {arguments.max:,} are allowed"


def _own_reason(_: Subject, __: Any, message: str) -> str:
    return message


def _secret_reason(_: Subject, __: Any, ___: str) -> str:
    return "it holds what looks like a secret (a key, a token or a password): take it out"


GUARDS: dict[str, Guard] = {
    "secrets_present": Guard(lambda _: Secrets(), NoArguments, _secret_reason),
    "valid_length": Guard(lambda given: ValidLength(min=given.min, max=given.max), LengthArguments, _length_reason),
    "pii": Guard(lambda given: Pii(given.entities, given.threshold), PiiArguments, _own_reason, PERSONAL_DATA),
    "injection": Guard(lambda given: Injection(given.threshold), InjectionArguments, _own_reason, CLASSIFIER),
    "toxicity": Guard(lambda given: Toxicity(given.threshold), ToxicityArguments, _own_reason, PROFANITY),
    "citations_verbatim": Guard(lambda _: CitationsVerbatim(), NoArguments, _own_reason),
    "figures_quoted": Guard(lambda _: FiguresQuoted(), NoArguments, _own_reason),
    "names_quoted": Guard(lambda _: NamesQuoted(), NoArguments, _own_reason),
}
"""Every guard that a spec may name."""
