"""The platform's own validators for Guardrails AI: citations, figures, names, and secrets."""

import re
from collections.abc import Callable
from typing import Any, cast

from guardrails import validator_base
from guardrails.validator_base import FailResult, PassResult, ValidationResult, Validator

from activities.adapters.guards.secret_keys import keys_in
from activities.adapters.guards.secret_scan import holds_secret
from activities.adapters.guards.text_windows import cut_lines
from activities.ports import Subject
from activities.text.facts import codes, figures, names

_register = cast("Any", validator_base).register_validator

_WORD = re.compile(r"\w++(?:-\w++)*+")

LONGEST_LINE = 4_000
"""The characters of a line that are searched for secrets together."""
LINE_OVERLAP = 1_000
"""The characters that two parts of a longer line share: more than a key, and than all but the longest tokens."""
SUBJECT = "subject"
"""The metadata key of the subject, which has the citations and the passages."""


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
    """Every figure and code in the answer stands in a cited passage: an invented number is the costliest error."""

    def validate(self, value: Any, metadata: dict[str, Any]) -> ValidationResult:
        return _quoted(lambda text: [*figures(text), *codes(text)], str(value), _subject(metadata))


@_register(name="perdure/names_quoted", data_type="string")
class NamesQuoted(Validator):
    """Every name in the answer stands in a cited passage. A name may come from the question, so only flag a failure."""

    def validate(self, value: Any, metadata: dict[str, Any]) -> ValidationResult:
        return _quoted(names, str(value), _subject(metadata))


def _quoted(facts_in: Callable[[str], list[str]], answer: str, subject: Subject) -> ValidationResult:
    cited = " ".join(passage.body or "" for passage in subject.passages)
    dates = " ".join(f"{day.day} {day:%B %Y}" for citation in subject.citations if (day := citation.edition.effective))
    stated = {word.casefold() for word in _WORD.findall(f"{cited} {dates}")} | set(figures(f"{cited} {dates}"))
    invented = [fact for fact in facts_in(answer) if fact not in stated]
    if invented:
        return FailResult(error_message=f"it states {invented[0]!r}, which stands in no cited passage")
    return PassResult()


@_register(name="perdure/secrets", data_type="string")
class Secrets(Validator):
    """The text holds no key, token or password.

    The library tries patterns on a line that take a time by the square of its length, so long lines are cut.
    """

    def validate(self, value: Any, metadata: dict[str, Any]) -> ValidationResult:
        if keys_in(str(value)) or holds_secret(cut_lines(str(value), LONGEST_LINE, LINE_OVERLAP)):
            return FailResult(error_message="it holds a secret")
        return PassResult()
