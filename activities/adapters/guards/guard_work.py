"""What the killable process of a guard does: it loads the slow guards before the fork, and checks one text after it."""

import importlib
import json
import time
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from guardrails.settings import settings
from guardrails.validator_base import PassResult
from pydantic import TypeAdapter

from activities.adapters.foreign_work.child import note
from activities.adapters.guards.guardrails_catalogue import GUARDS, Guard
from activities.adapters.guards.guardrails_validators import SUBJECT
from activities.ports import Subject, raised_at
from agents.guard_arguments import Arguments
from perdure.contracts.chains.knowledge import Citation
from perdure.contracts.text import Text

# Both must be off before the first validator is made: metrics are sent to a remote host, and tracing writes the checked
# text into spans.
settings.rc.enable_metrics = False
settings.disable_tracing = True

CATALOGUE = "activities.adapters.guards.guardrails_catalogue:GUARDS"
"""The platform's own catalogue of guards, by its module and name."""
PRELOAD = tuple(
    f"activities.adapters.guards.guard_work:load:{name}"
    for name, guard in GUARDS.items()
    if guard.load is not None or (not guard.cheap and not guard.cites)
)
"""What the fork server of guards loads."""
CHECK = "activities.adapters.guards.guard_work:check"
"""The work of guards over one text."""

_citations = TypeAdapter(tuple[Citation, ...])
_passages = TypeAdapter(tuple[Text, ...])


@cache
def catalogue(name: str) -> dict[str, Guard]:
    """Return the catalogue at "package.module:NAME"."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def load(name: str) -> None:
    """Load a guard of the platform, and check a text with it: the first one compiles its patterns."""
    guard = GUARDS[name]
    if guard.load is not None:
        guard.load()
    reason_against(guard, guard.arguments(), Subject(text="Warm up: how many weeks of leave are paid?"))


def reason_against(guard: Guard, arguments: Arguments, subject: Subject) -> str:
    """Return the reason why a text does not pass; empty where it passes."""
    result = guard.make(arguments).validate(subject.text, {SUBJECT: subject})
    if isinstance(result, PassResult):
        return ""
    return guard.reason(subject, arguments, getattr(result, "error_message", ""))


def asked(name: str, spec_guard: str, guard: Guard, arguments: Arguments, subject: Subject) -> dict[str, Any]:
    """Return the arguments of the work of one guard for a subject, whose text goes beside them."""
    work: dict[str, Any] = {"catalogue": name, "guard": spec_guard, "arguments": arguments.model_dump_json()}
    if guard.cites:
        work["citations"] = _citations.dump_python(subject.citations, mode="json")
        work["passages"] = _passages.dump_python(subject.passages, mode="json")
    return work


def check(work: Mapping[str, Any], text: bytes) -> bytes:
    """Check a text with guards, one after the other; return a line of JSON of each: what it found, or its error.

    Each line is noted at once, so that it is known which guard was at work where this process is killed.
    """
    found: list[bytes] = []
    for each in work["checks"]:
        started = time.perf_counter()
        try:
            finding: dict[str, Any] = {"reason": _reason(each, text.decode("utf-8", "surrogatepass"))}
        except Exception as error:  # noqa: BLE001 - any error of a guard becomes a verdict
            finding = {"error": type(error).__name__, "where": raised_at(error)}
        found.append(json.dumps(finding | {"seconds": time.perf_counter() - started}).encode() + b"\n")
        note(found[-1])
    return b"".join(found)


def _reason(work: Mapping[str, Any], text: str) -> str:
    guard = catalogue(work["catalogue"])[work["guard"]]
    subject = Subject(text=text)
    if guard.cites:
        subject = Subject(
            text=text,
            citations=_citations.validate_json(json.dumps(work["citations"])),
            passages=_passages.validate_json(json.dumps(work["passages"])),
        )
    return reason_against(guard, _arguments(work["catalogue"], work["guard"], work["arguments"]), subject)


@lru_cache(1000)
def _arguments(name: str, guard: str, arguments: str) -> Arguments:
    return catalogue(name)[guard].arguments.model_validate_json(arguments)
