"""Guards through Guardrails AI, each validator run by itself, in parallel, with its telemetry and tracing off."""

import asyncio
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta

import structlog
from guardrails.settings import settings
from guardrails.validator_base import PassResult
from pydantic import ValidationError

from activities.adapters.bounded_threads import BoundedThreads, Overrun
from activities.adapters.guards.guardrails_catalogue import GUARDS, Arguments, Guard
from activities.adapters.guards.guardrails_validators import SUBJECT
from activities.ports import NotConfigured, Subject, raised_at
from perdure.contracts.contract import explain
from perdure.contracts.guards import Ended, GuardSpec, OnFailure, Verdict

# Both must be off before the first validator is made: metrics are sent to a remote host, and tracing writes the checked
# text into spans.
settings.rc.enable_metrics = False
settings.disable_tracing = True

THREADS = 4
"""The threads of each guard: the most that a hanging guard can block, and the number of texts checked at once."""

LOADING = timedelta(seconds=20)
"""How long a question waits for a guard that is still loading, in addition to the guard's own deadline."""


class GuardrailsGuards:
    """The guards port over Guardrails AI validators, for use from one event loop."""

    def __init__(self, guards: dict[str, Guard] | None = None) -> None:
        """`guards`: the catalogue, by name; None for the platform's own."""
        self._guards = GUARDS if guards is None else guards
        self._threads = {name: BoundedThreads(name, THREADS) for name in self._guards}
        self._loading = {name: BoundedThreads(f"load-{name}", THREADS) for name in self._guards}
        self._log = structlog.get_logger("perdure")

    async def run(self, guards: Sequence[GuardSpec], subject: Subject) -> tuple[Verdict, ...]:
        prepared = [self._prepare(guard) for guard in guards]
        verdicts = [
            self._verdict(spec, guard, arguments, subject)
            for spec, (guard, arguments) in zip(guards, prepared, strict=True)
        ]
        return tuple(await asyncio.gather(*verdicts))

    def warm_up(self, names: Iterable[str]) -> threading.Thread:
        """Load the named guards that take long, one after the other, in a background thread."""
        slow_guards = [name for name in self._guards if name in set(names) and self._guards[name].load is not None]
        thread = threading.Thread(target=self._load_all, args=(slow_guards,), name="perdure-warm-up", daemon=True)
        thread.start()
        return thread

    def _load_all(self, names: Sequence[str]) -> None:
        for number, name in enumerate(names, start=1):
            started = time.perf_counter()
            load = self._guards[name].load
            try:
                assert load is not None  # noqa: S101 - `warm_up` selects guards that have one
                load()
            except Exception as error:  # noqa: BLE001 - the verdict on each question reports it again
                self._log.warning("guard_not_loaded", guard=name, error=type(error).__name__, where=raised_at(error))
            else:
                self._log.info(
                    "guard_loaded", guard=name, milliseconds=_milliseconds_since(started), done=number, of=len(names)
                )

    def _prepare(self, spec: GuardSpec) -> tuple[Guard, Arguments]:
        guard = self._guards.get(spec.guard)
        if guard is None:
            raise NotConfigured(f"there is no guard {spec.guard!r}: the guards are {', '.join(self._guards)}")
        try:
            return guard, guard.arguments.model_validate(spec.arguments)
        except ValidationError as error:
            raise NotConfigured(f"the guard {spec.guard!r}: {explain(error)}") from None

    async def _verdict(self, spec: GuardSpec, guard: Guard, arguments: Arguments, subject: Subject) -> Verdict:
        started = time.perf_counter()
        ended, passed = Ended.COMPLETED, True
        try:
            if guard.load is not None and not guard.load.ready:
                await self._loading[spec.guard].call(guard.load, LOADING)
            reason = await self._threads[spec.guard].call(lambda: _reason(guard, arguments, subject), spec.deadline)
            passed = not reason
        except Overrun:
            loaded = guard.load is None or guard.load.ready
            late = f"within {spec.deadline.total_seconds():g} s" if loaded else "because the guard is still loading"
            ended, reason = Ended.TIMED_OUT, f"it could not be checked {late}"
        except Exception as error:  # noqa: BLE001 - any error of a guard becomes a verdict
            ended, reason = Ended.FAILED, f"it could not be checked: the guard broke ({type(error).__name__})"
            # The error's own text may hold the checked text, so it is not logged.
            self._log.warning("guard_failed", guard=spec.guard, error=type(error).__name__, where=raised_at(error))
        if ended is not Ended.COMPLETED:
            passed = spec.on_failure is OnFailure.OPEN
        return Verdict(
            guard=spec.guard,
            passed=passed,
            action=spec.action,
            reason=reason,
            milliseconds=_milliseconds_since(started),
            ended=ended,
        )


def _reason(guard: Guard, arguments: Arguments, subject: Subject) -> str:
    """Return the reason why the text does not pass; empty where it passes."""
    result = guard.make(arguments).validate(subject.text, {SUBJECT: subject})
    if isinstance(result, PassResult):
        return ""
    return guard.reason(subject, arguments, getattr(result, "error_message", ""))


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)
