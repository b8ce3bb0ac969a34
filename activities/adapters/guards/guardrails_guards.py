"""Guards through Guardrails AI: cheap ones first, the others each in a process that is killed where it runs away."""

import asyncio
import json
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog
from pydantic import ValidationError

from activities.adapters.foreign_work.limits import MEBIBYTE, Busy, Exceeded, Failed, Limits, Stopped
from activities.adapters.foreign_work.pool import Pool
from activities.adapters.foreign_work.processes import NoProcess, fork_server
from activities.adapters.guards import guard_work
from activities.adapters.guards.guard_work import CATALOGUE, CHECK, CHECK_ALL, PRELOAD
from activities.adapters.guards.guardrails_catalogue import Arguments, Guard
from activities.ports import NotConfigured, Subject, raised_at
from activities.settings.foreign_work import ForeignWork
from perdure.contracts.contract import explain
from perdure.contracts.guards import Ended, GuardSpec, OnFailure, Verdict

LOADING = timedelta(seconds=20)
"""How long a question waits for guards that are still loading, in addition to a guard's own deadline."""

LONG = 8_000
"""The length of a text, in characters, from which on it is checked in a lane of its own: no question waits for it."""

SEVERAL = 2
"""The number of guards from which on they are run in one process."""

LONGEST_REASON = MEBIBYTE
"""The longest reason that a process may give, in bytes."""

_Finding = tuple[Ended, str]


class GuardrailsGuards:
    """The guards port over Guardrails AI validators, for use from one event loop."""

    def __init__(self, catalogue: str = CATALOGUE, settings: ForeignWork | None = None) -> None:
        """`catalogue`: the place of the guards, `package.module:NAME`, which a process can import."""
        settings = ForeignWork() if settings is None else settings
        self._catalogue = catalogue
        self._guards = guard_work.catalogue(catalogue)
        self._server = fork_server(PRELOAD)
        self._memory = settings.memory_mib * MEBIBYTE
        self._questions, self._long_texts = (
            Pool(
                self._server,
                processes=processes,
                waiting=settings.waiting,
                remembered=settings.remembered,
                niceness=niceness,
            )
            for processes, niceness in ((settings.processes, 0), (max(1, settings.processes // 2), 5))
        )
        self._log = structlog.get_logger("perdure")

    async def run(self, guards: Sequence[GuardSpec], subject: Subject) -> tuple[Verdict, ...]:
        prepared = [(spec, *self._prepare(spec)) for spec in guards]
        cheap = {
            number: self._verdict(spec, time.perf_counter(), *self._check_here(spec, guard, arguments, subject))
            for number, (spec, guard, arguments) in enumerate(prepared)
            if guard.cheap
        }
        blocking = next((verdict for verdict in cheap.values() if verdict.blocks), None)

        dear = {number: each for number, each in enumerate(prepared) if number not in cheap}
        ready = cheap if blocking is not None else cheap | await self._check_together(dear, subject)

        async def verdict(number: int, spec: GuardSpec, guard: Guard, arguments: Arguments) -> Verdict:
            if number in ready:
                return ready[number]
            if blocking is not None:
                reason = f"it did not run, since {blocking.guard} blocks the text"
                return Verdict(
                    guard=spec.guard,
                    passed=True,
                    action=spec.action,
                    reason=reason,
                    milliseconds=0,
                    ended=Ended.SKIPPED,
                )
            started = time.perf_counter()
            return self._verdict(spec, started, *await self._check_apart(spec, guard, arguments, subject))

        return tuple(await asyncio.gather(*(verdict(number, *each) for number, each in enumerate(prepared))))

    @property
    def kills(self) -> int:
        """The processes that were killed at a limit."""
        return self._questions.kills + self._long_texts.kills

    def close(self) -> None:
        """Kill the processes of this set of guards."""
        self._questions.close()
        self._long_texts.close()

    def warm_up(self) -> threading.Thread:
        """Load the slow guards in a process of their own; return the thread that waits for it."""
        thread = threading.Thread(target=self._load, name="perdure-warm-up", daemon=True)
        thread.start()
        return thread

    def _load(self) -> None:
        try:
            self._server.start()
        except NoProcess as error:  # the verdict on each question reports it again
            self._log.warning("guards_not_loaded", error=str(error))
            return
        for number, report in enumerate(self._server.reports, start=1):
            name = report["loaded"].rpartition(":")[2]
            if report["error"] is None:
                self._log.info(
                    "guard_loaded",
                    guard=name,
                    milliseconds=report["milliseconds"],
                    done=number,
                    of=len(self._server.reports),
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

    def _check_here(self, spec: GuardSpec, guard: Guard, arguments: Arguments, subject: Subject) -> _Finding:
        try:
            return Ended.COMPLETED, guard_work.reason_against(guard, arguments, subject)
        except Exception as error:  # noqa: BLE001 - any error of a guard becomes a verdict
            return self._broken(type(error).__name__, raised_at(error), spec.guard)

    async def _check_together(
        self, guards: Mapping[int, tuple[GuardSpec, Guard, Arguments]], subject: Subject
    ) -> dict[int, Verdict]:
        """Check a question with all guards in one process: waking one costs more than most guards.

        Nothing is returned where that does not end well; each guard is then run by itself, so that one which runs away
        keeps no other from its verdict.
        """
        if len(guards) < SEVERAL or len(subject.text) >= LONG or not self._server.ready:
            return {}
        limit = min(spec.deadline for spec, _, _ in guards.values())
        checks = [
            guard_work.asked(self._catalogue, spec.guard, guard, arguments, subject)
            for spec, guard, arguments in guards.values()
        ]
        text, started = subject.text.encode("utf-8", "surrogatepass"), time.perf_counter()
        limits = Limits(limit, limit, self._memory, LONGEST_REASON)
        try:
            found = await self._questions.run(
                CHECK_ALL, {"checks": checks}, text, limits, caller=subject.tenant, deadline=limit
            )
        except (Stopped, Failed, Busy, NoProcess):
            return {}
        around = time.perf_counter() - started - sum(each["seconds"] for each in json.loads(found))
        verdicts: dict[int, Verdict] = {}
        for (number, (spec, _, _)), each in zip(guards.items(), json.loads(found), strict=True):
            finding = (
                self._broken(each["error"], each["where"], spec.guard)
                if "error" in each
                else (Ended.COMPLETED, each["reason"])
            )
            verdicts[number] = self._verdict(spec, time.perf_counter() - each["seconds"] - around, *finding)
        return verdicts

    async def _check_apart(self, spec: GuardSpec, guard: Guard, arguments: Arguments, subject: Subject) -> _Finding:
        pool = self._questions if len(subject.text) < LONG else self._long_texts
        limits = Limits(spec.deadline, spec.deadline, self._memory, LONGEST_REASON)
        work = guard_work.asked(self._catalogue, spec.guard, guard, arguments, subject)
        text = subject.text.encode("utf-8", "surrogatepass")
        try:
            if not self._server.ready:
                async with asyncio.timeout(LOADING.total_seconds()):
                    await pool.start()
            reason = await pool.run(CHECK, work, text, limits, caller=subject.tenant, deadline=spec.deadline)
            return Ended.COMPLETED, reason.decode("utf-8", "surrogatepass")
        except TimeoutError:
            return Ended.TIMED_OUT, "it could not be checked because the guard is still loading"
        except Busy:
            return Ended.TIMED_OUT, f"it could not be checked within {spec.deadline.total_seconds():g} s"
        except Stopped as stopped:
            return self._stopped(spec, stopped)
        except Failed as failure:
            return self._broken(failure.error, failure.where, spec.guard)
        except NoProcess as error:
            return self._broken(type(error).__name__, raised_at(error), spec.guard)

    def _stopped(self, spec: GuardSpec, stopped: Stopped) -> _Finding:
        self._log.warning("guard_stopped", guard=spec.guard, limit=stopped.exceeded.value, before=stopped.before)
        again = "; it was stopped on the same text before" if stopped.before else ""
        if stopped.exceeded in (Exceeded.TIME, Exceeded.PROCESSOR):
            return Ended.TIMED_OUT, f"it could not be checked within {spec.deadline.total_seconds():g} s{again}"
        what = {
            Exceeded.MEMORY: f"the guard needed more than {self._memory // MEBIBYTE:,} MiB "
            "(PERDURE_FOREIGN_WORK__MEMORY_MIB)",
            Exceeded.OUTPUT: "the guard's reason is too long",
        }.get(stopped.exceeded, "the guard's process ended by itself")
        return Ended.FAILED, f"it could not be checked: {what}{again}"

    def _broken(self, error: str, where: str, guard: str) -> _Finding:
        # The error's own text may hold the checked text, so it is not logged.
        self._log.warning("guard_failed", guard=guard, error=error, where=where)
        return Ended.FAILED, f"it could not be checked: the guard broke ({error})"

    def _verdict(self, spec: GuardSpec, started: float, ended: Ended, reason: str) -> Verdict:
        return Verdict(
            guard=spec.guard,
            passed=not reason if ended is Ended.COMPLETED else spec.on_failure is OnFailure.OPEN,
            action=spec.action,
            reason=reason,
            milliseconds=round((time.perf_counter() - started) * 1000, 2),
            ended=ended,
        )
