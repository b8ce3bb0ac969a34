"""The catalogue of the guards that a spec may name, each with its arguments, its validator and its reasons."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from guardrails.validator_base import Validator
from guardrails_ai.valid_length import ValidLength

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
from agents.guard_arguments import (
    Arguments,
    InjectionArguments,
    LengthArguments,
    NoArguments,
    PiiArguments,
    ToxicityArguments,
)


@dataclass(frozen=True)
class Guard:
    """One guard of the catalogue."""

    make: Callable[[Any], Validator]
    arguments: type[Arguments]
    reason: Callable[[Subject, Any, str], str]
    """A function of the subject, the arguments and the library's message: the reason of a failure, without the text."""
    load: Lazy[Any] | None = None
    """The model that has to be loaded before the first text, where loading takes long."""
    cheap: bool = False
    """Whether it takes microseconds for any text: it runs before the others, in the worker's own process."""
    cites: bool = False
    """Whether it needs the citations and the passages."""


def _length_reason(subject: Subject, arguments: Any, _: str) -> str:
    return f"it is {len(subject.text):,} characters long; {arguments.min:,} to {arguments.max:,} are allowed"


def _own_reason(_: Subject, __: Any, message: str) -> str:
    return message


def _secret_reason(_: Subject, __: Any, ___: str) -> str:
    return "it holds what looks like a secret (a key, a token or a password): take it out"


GUARDS: dict[str, Guard] = {
    "secrets_present": Guard(lambda _: Secrets(), NoArguments, _secret_reason),
    "valid_length": Guard(
        lambda arguments: ValidLength(min=arguments.min, max=arguments.max), LengthArguments, _length_reason, cheap=True
    ),
    "pii": Guard(
        lambda arguments: Pii(arguments.entities, arguments.threshold), PiiArguments, _own_reason, PERSONAL_DATA
    ),
    "injection": Guard(lambda arguments: Injection(arguments.threshold), InjectionArguments, _own_reason, CLASSIFIER),
    "toxicity": Guard(lambda arguments: Toxicity(arguments.threshold), ToxicityArguments, _own_reason, PROFANITY),
    "citations_verbatim": Guard(lambda _: CitationsVerbatim(), NoArguments, _own_reason, cites=True),
    "figures_quoted": Guard(lambda _: FiguresQuoted(), NoArguments, _own_reason, cites=True),
    "names_quoted": Guard(lambda _: NamesQuoted(), NoArguments, _own_reason, cites=True),
}
"""Every guard that a spec may name."""
