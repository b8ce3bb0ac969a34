"""Guards through Guardrails AI, each validator run by itself, in parallel, with its telemetry and tracing off."""

import asyncio
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from guardrails import validator_base
from guardrails.settings import settings
from guardrails.validator_base import FailResult, PassResult, ValidationResult, Validator
from pydantic import BaseModel, ConfigDict, Field, ValidationError

# Both must be off before the first validator is made: one reports to a remote host, the other writes the checked
# text into spans.
settings.rc.enable_metrics = False
settings.disable_tracing = True

from guardrails_ai.secrets_present import SecretsPresent  # noqa: E402 - see above
from guardrails_ai.valid_length import ValidLength  # noqa: E402

from activities.facts import codes, figures, names  # noqa: E402
from activities.ports import NotConfigured, Subject  # noqa: E402
from perdure.contracts.contract import explain  # noqa: E402
from perdure.contracts.guards import GuardSpec, Verdict  # noqa: E402

_register = cast("Any", validator_base).register_validator
_SecretsPresent = cast("type[Validator]", SecretsPresent)  # the decorator that registers it loses its type

SUBJECT = "subject"
"""The metadata key under which a validator finds the citations and the passages."""


def _subject(metadata: dict[str, Any]) -> Subject:
    return cast("Subject", metadata[SUBJECT])


@_register(name="perdure/citations_verbatim", data_type="string")
class CitationsVerbatim(Validator):
    """Every citation quotes its recorded passage word for word, at the place it names; and there is at least one."""

    def validate(self, value: Any, metadata: dict[str, Any]) -> ValidationResult:
        subject = _subject(metadata)
        if not subject.citations:
            return FailResult(error_message="the answer cites nothing")
        for citation, passage in zip(subject.citations, subject.passages, strict=True):
            body = passage.body or ""
            if not citation.quote or body[citation.start : citation.end] != citation.quote:
                name = citation.edition.document
                return FailResult(error_message=f"the quote from {name!r} does not stand in the recorded passage")
        return PassResult()


@_register(name="perdure/figures_quoted", data_type="string")
class FiguresQuoted(Validator):
    """Every figure and every code in the answer stands in what it cites: a wrong number is the invention that costs most."""

    def validate(self, value: Any, metadata: dict[str, Any]) -> ValidationResult:
        return _quoted(lambda text: [*figures(text), *codes(text)], str(value), _subject(metadata))


@_register(name="perdure/names_quoted", data_type="string")
class NamesQuoted(Validator):
    """Every name in the answer stands in what it cites. A name may come from the question, so this is for flagging."""

    def validate(self, value: Any, metadata: dict[str, Any]) -> ValidationResult:
        return _quoted(names, str(value), _subject(metadata))


def _quoted(kind: Callable[[str], list[str]], answer: str, subject: Subject) -> ValidationResult:
    cited = " ".join(passage.body or "" for passage in subject.passages)
    dates = " ".join(f"{day.day} {day:%B %Y}" for citation in subject.citations if (day := citation.edition.effective))
    stated = {word.casefold() for word in WORD.findall(f"{cited} {dates}")} | set(figures(f"{cited} {dates}"))
    invented = [fact for fact in kind(answer) if fact not in stated]
    if invented:
        return FailResult(error_message=f"it states {invented[0]!r}, which stands in no cited passage")
    return PassResult()


WORD = re.compile(r"\w+(?:-\w+)*")


class Secrets(_SecretsPresent):
    """The library's secret detector, one call at a time: it scans under settings that are global to the process."""

    _one_at_a_time = threading.Lock()

    def validate(self, value: str, metadata: dict[str, Any]) -> ValidationResult:
        with self._one_at_a_time:
            # A text of a single line would be scanned as well, but with a warning each time.
            return super().validate(value + "\n", metadata)


def figures(text: str) -> list[str]:
    """The numbers in a text, without thousands separators: `1,200 euros` gives `1200`."""
    return [re.sub(r",(?=\d{3})", "", figure) for figure in re.findall(r"\d+(?:[.,:]\d+)*", text)]


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
