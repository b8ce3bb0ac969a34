"""Guards through Guardrails AI: cheap ones first, the others each in a process that is killed where it runs away."""

import threading
import time
from collections.abc import Sequence

import structlog
from pydantic import ValidationError

from activities.adapters.foreign_work.processes import NoProcess
from activities.adapters.guards import guard_work
from activities.adapters.guards.guard_processes import DearGuard, Finding, GuardProcesses
from activities.adapters.guards.guard_work import CATALOGUE
from activities.adapters.guards.guardrails_catalogue import Guard
from activities.ports import NotConfigured, Subject, raised_at
from activities.settings.foreign_work import ForeignWork
from agents.guard_arguments import Arguments
from perdure.contracts.contract import explain
from perdure.contracts.guards import Ended, GuardSpec, OnFailure, Verdict


class GuardrailsGuards:
    """The guards port over Guardrails AI validators, for use from one event loop."""

    def __init__(self, catalogue: str = CATALOGUE, settings: ForeignWork | None = None) -> None:
        """`catalogue`: the place of the guards, `package.module:NAME`, which a process can import."""
        self._guards = guard_work.catalogue(catalogue)
        self._processes = GuardProcesses(catalogue, ForeignWork() if settings is None else settings)
        self._log = structlog.get_logger("perdure")

    async def run(self, guards: Sequence[GuardSpec], subject: Subject) -> tuple[Verdict, ...]:
        prepared = [(spec, *self._prepare(spec)) for spec in guards]
        verdicts: dict[int, Verdict] = {}
        for number, (spec, guard, arguments) in enumerate(prepared):
            if guard.cites and not subject.quotes:
                verdicts[number] = _skipped(spec, "it did not run, since a refusal quotes nothing")
            elif guard.cheap:
                started = time.perf_counter()
                verdicts[number] = _verdict(spec, started, self._check_here(spec, guard, arguments, subject))
        blocking = next((verdict for verdict in verdicts.values() if verdict.blocks), None)
        dear = {
            number: DearGuard(spec.guard, guard, arguments, spec.deadline)
            for number, (spec, guard, arguments) in enumerate(prepared)
            if number not in verdicts
        }
        if blocking is not None:
            reason = f"it did not run, since {blocking.guard} blocks the text"
            verdicts |= {number: _skipped(guards[number], reason) for number in dear}
        else:
            started = time.perf_counter()
            findings = await self._processes.check(list(dear.values()), subject)
            around = time.perf_counter() - started - sum(finding.seconds or 0 for finding in findings)
            for number, finding in zip(dear, findings, strict=True):
                began = started if finding.seconds is None else time.perf_counter() - finding.seconds - max(0.0, around)
                verdicts[number] = _verdict(guards[number], began, finding)
        return tuple(verdicts[number] for number in range(len(guards)))

    @property
    def kills(self) -> int:
        """The processes that were killed at a limit."""
        return self._processes.kills

    def close(self) -> None:
        """Kill the processes of this set of guards."""
        self._processes.close()

    def warm_up(self) -> threading.Thread:
        """Load the slow guards in a process of their own; return the thread that waits for it."""
        thread = threading.Thread(target=self._load, name="perdure-warm-up", daemon=True)
        thread.start()
        return thread

    def _load(self) -> None:
        try:
            self._processes.server.start()
        except NoProcess as error:  # the verdict on each question reports it again
            self._log.warning("guards_not_loaded", error=str(error))
            return
        for number, report in enumerate(self._processes.server.reports, start=1):
            name = report["loaded"].rpartition(":")[2]
            if report["error"] is None:
                self._log.info(
                    "guard_loaded",
                    guard=name,
                    milliseconds=report["milliseconds"],
                    done=number,
                    of=len(self._processes.server.reports),
                )
            else:
                self._log.warning("guard_not_loaded", guard=name, error=report["error"], where=report["where"])

    def _prepare(self, spec: GuardSpec) -> tuple[Guard, Arguments]:
        guard = self._guards.get(spec.guard)
        if guard is None:
            raise NotConfigured(f"there is no guard {spec.guard!r}: the guards are {', '.join(self._guards)}")
        try:
            return guard, guard.arguments.model_validate(spec.arguments)
        except ValidationError as error:
            raise NotConfigured(f"the guard {spec.guard!r}: {explain(error)}") from None

    def _check_here(self, spec: GuardSpec, guard: Guard, arguments: Arguments, subject: Subject) -> Finding:
        try:
            return Finding(Ended.COMPLETED, guard_work.reason_against(guard, arguments, subject))
        except Exception as error:  # noqa: BLE001 - any error of a guard becomes a verdict
            # The error's own text may hold the checked text, so it is not logged.
            name = type(error).__name__
            self._log.warning("guard_failed", guard=spec.guard, error=name, where=raised_at(error))
            return Finding(Ended.FAILED, f"it could not be checked: the guard broke ({name})")


def _verdict(spec: GuardSpec, started: float, finding: Finding) -> Verdict:
    """Return the verdict of a finding.

    A text that ran away in another guard counts as one of this guard too, whatever its `on_failure`: it could otherwise
    open every guard that a text which is made for one of them never reaches.
    """
    could_not = spec.on_failure is OnFailure.OPEN and not finding.unseen
    return Verdict(
        guard=spec.guard,
        passed=not finding.reason if finding.ended is Ended.COMPLETED else could_not,
        action=spec.action,
        reason=finding.reason,
        milliseconds=round((time.perf_counter() - started) * 1000, 2),
        ended=finding.ended,
    )


def _skipped(spec: GuardSpec, reason: str) -> Verdict:
    return Verdict(
        guard=spec.guard, passed=True, action=spec.action, reason=reason, milliseconds=0, ended=Ended.SKIPPED
    )
