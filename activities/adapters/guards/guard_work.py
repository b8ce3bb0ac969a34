"""What the killable process of a guard does: it loads the slow guards before the fork, and checks one text after it."""

import importlib
import json
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from guardrails.settings import settings
from guardrails.validator_base import PassResult
from pydantic import TypeAdapter

from activities.adapters.guards.guardrails_catalogue import GUARDS, Arguments, Guard
from activities.adapters.guards.guardrails_validators import SUBJECT
from activities.ports import Subject, raised_at
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
"""The work of a guard."""
CHECK_ALL = "activities.adapters.guards.guard_work:check_all"
"""The work of several guards."""

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
    """Return the arguments of the work for a subject, whose text goes beside them."""
    return {
        "catalogue": name,
        "guard": spec_guard,
        "arguments": arguments.model_dump(mode="json"),
        "citations": _citations.dump_python(subject.citations if guard.cites else (), mode="json"),
        "passages": _passages.dump_python(subject.passages if guard.cites else (), mode="json"),
    }


def check(work: Mapping[str, Any], text: bytes) -> bytes:
    """Return the reason why a text does not pass; empty where it passes."""
    guard = catalogue(work["catalogue"])[work["guard"]]
    subject = Subject(
        text=text.decode("utf-8", "surrogatepass"),
        citations=_citations.validate_json(json.dumps(work["citations"])),
        passages=_passages.validate_json(json.dumps(work["passages"])),
    )
    reason = reason_against(guard, guard.arguments.model_validate_json(json.dumps(work["arguments"])), subject)
    return reason.encode("utf-8", "surrogatepass")


def check_all(work: Mapping[str, Any], text: bytes) -> bytes:
    """Check a text with several guards, one after the other; return a JSON list with a finding or an error of each."""
    findings: list[dict[str, Any]] = []
    for each in work["checks"]:
        started = time.perf_counter()
        try:
            found: dict[str, Any] = {"reason": check(each, text).decode("utf-8", "surrogatepass")}
        except Exception as error:  # noqa: BLE001 - any error of a guard becomes a verdict
            found = {"error": type(error).__name__, "where": raised_at(error)}
        findings.append(found | {"seconds": time.perf_counter() - started})
    return json.dumps(findings).encode()
