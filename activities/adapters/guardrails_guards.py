"""Guards through Guardrails AI, each validator run by itself, in parallel, with its telemetry and tracing off."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from guardrails.settings import settings
from guardrails.validator_base import PassResult, Validator
from guardrails_ai.valid_length import ValidLength
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from activities.adapters.guardrails_validators import SUBJECT, CitationsVerbatim, FiguresQuoted, NamesQuoted, Secrets
from activities.ports import NotConfigured, Subject
from perdure.contracts.contract import explain
from perdure.contracts.guards import GuardSpec, Verdict

# Both must be off before the first validator is made: one reports to a remote host, the other writes the checked
# text into spans.
settings.rc.enable_metrics = False
settings.disable_tracing = True


class _Arguments(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _NoArguments(_Arguments):
    pass


class _LengthArguments(_Arguments):
    min: int = Field(default=1, ge=0)
    max: int = Field(ge=1)


@dataclass(frozen=True)
class _Entry:
    make: Callable[[Any], Validator]
    arguments: type[_Arguments]
    reason: Callable[[Subject, Any, str], str]
    """Why it failed, in plain words and without the text, from the subject, the arguments and the library's message."""


def _length_reason(subject: Subject, arguments: Any, _: str) -> str:
    return f"it is {len(subject.text):,} characters long; {arguments.min:,} to {arguments.max:,} are allowed"


def _own_reason(_: Subject, __: Any, message: str) -> str:
    return message


def _secret_reason(_: Subject, __: Any, ___: str) -> str:
    return "it holds what looks like a secret (a key, a token or a password): take it out"


GUARDS: dict[str, _Entry] = {
    "secrets_present": _Entry(lambda _: Secrets(), _NoArguments, _secret_reason),
    "valid_length": _Entry(lambda given: ValidLength(min=given.min, max=given.max), _LengthArguments, _length_reason),
    "citations_verbatim": _Entry(lambda _: CitationsVerbatim(), _NoArguments, _own_reason),
    "figures_quoted": _Entry(lambda _: FiguresQuoted(), _NoArguments, _own_reason),
    "names_quoted": _Entry(lambda _: NamesQuoted(), _NoArguments, _own_reason),
}
"""Every guard that a spec may name."""


class GuardrailsGuards:
    """The guards port over Guardrails AI validators."""

    async def run(self, guards: Sequence[GuardSpec], subject: Subject) -> tuple[Verdict, ...]:
        prepared = [_prepare(guard) for guard in guards]
        verdicts = [_run(guard, entry, given, subject) for guard, (entry, given) in zip(guards, prepared, strict=True)]
        return tuple(await asyncio.gather(*verdicts))


def _prepare(guard: GuardSpec) -> tuple[_Entry, _Arguments]:
    entry = GUARDS.get(guard.guard)
    if entry is None:
        raise NotConfigured(f"there is no guard {guard.guard!r}: the guards are {', '.join(GUARDS)}")
    try:
        return entry, entry.arguments.model_validate(guard.arguments)
    except ValidationError as error:
        raise NotConfigured(f"the guard {guard.guard!r}: {explain(error)}") from None


async def _run(guard: GuardSpec, entry: _Entry, given: _Arguments, subject: Subject) -> Verdict:
    began = time.perf_counter()

    result = await asyncio.to_thread(entry.make(given).validate, subject.text, {SUBJECT: subject})
    passed = isinstance(result, PassResult)
    reason = "" if passed else entry.reason(subject, given, getattr(result, "error_message", ""))
    return Verdict(
        guard=guard.guard,
        passed=passed,
        action=guard.action,
        reason=reason,
        milliseconds=round((time.perf_counter() - began) * 1000, 2),
    )
