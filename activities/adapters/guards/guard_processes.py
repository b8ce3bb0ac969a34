"""Runs dear guards in processes: over a short text all of them in one, over a long one each in its own."""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

import structlog

from activities.adapters.foreign_work.limits import MEBIBYTE, Busy, Exceeded, Failed, Limits, Stopped
from activities.adapters.foreign_work.pool import Pool
from activities.adapters.foreign_work.processes import NoProcess, fork_server
from activities.adapters.foreign_work.short_slices import take_short_turns
from activities.adapters.foreign_work.stopped_work import StoppedWork
from activities.adapters.guards.guard_work import CHECK, PRELOAD, asked
from activities.adapters.guards.guardrails_catalogue import Guard
from activities.ports import GuardsLoading, Subject, raised_at
from activities.settings.foreign_work import ForeignWork
from agents.guard_arguments import Arguments
from perdure.contracts.guards import Ended

LOADING = timedelta(seconds=20)
"""How long a question waits for guards that are still loading, in addition to a guard's own deadline."""

LONG = 8_000
"""The length of a text, in characters, from which on it is checked in a lane of its own: no question waits for it."""

LONGEST_REASON = MEBIBYTE
"""The longest reasons that a process may give, in bytes."""


@dataclass(frozen=True)
class DearGuard:
    """A guard that runs in a process, with its arguments."""

    name: str
    guard: Guard
    arguments: Arguments
    deadline: timedelta


@dataclass(frozen=True)
class Finding:
    """How a guard's check ended."""

    ended: Ended
    reason: str
    """Empty where the text passes."""
    seconds: float | None = None
    """How long the guard itself took; None where that is not known."""
    unseen: bool = False
    """Whether the guard did not see the text, since another ran away on it."""


class GuardProcesses:
    """The processes of one set of guards, for use from one event loop."""

    def __init__(self, catalogue: str, settings: ForeignWork) -> None:
        """`catalogue`: the place of the guards, `package.module:NAME`, which a process can import."""
        self.server = fork_server(PRELOAD)
        self._catalogue = catalogue
        self._memory = settings.memory_mib * MEBIBYTE
        self._runaway = StoppedWork(settings.remembered)
        self._questions, self._long_texts = (
            Pool(
                self.server,
                processes=processes,
                waiting=settings.waiting,
                remembered=settings.remembered,
                niceness=niceness,
            )
            for processes, niceness in ((settings.processes, 0), (max(1, settings.processes // 2), 5))
        )
        self._log = structlog.get_logger("perdure")
        take_short_turns()  # the thread of the event loop, which a process wakes for each question

    @property
    def kills(self) -> int:
        """The processes that were killed at a limit."""
        return self._questions.kills + self._long_texts.kills

    def close(self) -> None:
        """Kill the processes."""
        self._questions.close()
        self._long_texts.close()

    async def check(self, guards: Sequence[DearGuard], subject: Subject) -> list[Finding]:
        """Return a finding of each guard, in order. Raises `GuardsLoading`: a new worker refuses nobody.

        A short text is checked by all of them in one process: waking one costs more than most guards. One that runs
        away on it is known, and the guards after it do not see the text: it kills one process, whatever the guards. On
        a long text each guard runs apart and beside the others, and kills at most its own process.
        """
        if not guards:
            return []
        try:
            await self._load()
        except TimeoutError:
            raise GuardsLoading("the guards are still loading: the check waits until they are ready") from None
        except NoProcess as error:
            return [self._broken(type(error).__name__, raised_at(error), guard.name) for guard in guards]
        if len(subject.text) < LONG:
            return await self._check_together(guards, subject)
        found = await asyncio.gather(*(self._run([guard], subject, guard.deadline) for guard in guards))
        return [finding for findings in found for finding in findings]

    async def _load(self) -> None:
        if not self.server.ready:
            async with asyncio.timeout(LOADING.total_seconds()):
                await self._questions.start()

    async def _check_together(self, guards: Sequence[DearGuard], subject: Subject) -> list[Finding]:
        """Check a short text: guards with the same deadline in one process, those with the nearest deadline first."""
        loop = asyncio.get_running_loop()
        began, digest = loop.time(), hashlib.sha256(subject.text.encode("utf-8", "surrogatepass")).digest()
        findings: dict[int, Finding] = {}
        in_order = sorted(enumerate(guards), key=lambda each: each[1].deadline)
        for deadline, group in groupby(in_order, key=lambda each: each[1].deadline):
            waiting = list(group)
            while waiting:
                rest = deadline - timedelta(seconds=loop.time() - began)
                these = [guard for _, guard in waiting]
                if (by := self._runaway.by(digest)) is not None:
                    found = [self._after(by, guard) for guard in these]
                elif rest <= timedelta(0):
                    found = [_late(guard) for guard in these]
                else:
                    found = await self._run(these, subject, rest, digest)
                findings |= {number: each for (number, _), each in zip(waiting, found, strict=False)}
                waiting = waiting[len(found) :]
        return [findings[number] for number in range(len(guards))]

    def _after(self, by: tuple[str, Exceeded], guard: DearGuard) -> Finding:
        """Return the finding of a guard on a text on which one of these guards ran away before."""
        name, exceeded = by
        if guard.name == name:
            return self._stopped(guard, Stopped(exceeded, before=True))
        return Finding(Ended.FAILED, f"it did not run, since {name} was stopped on this text", 0, unseen=True)

    async def _run(
        self, guards: Sequence[DearGuard], subject: Subject, deadline: timedelta, digest: bytes | None = None
    ) -> list[Finding]:
        """Run guards in one process; return the findings up to that of the one which was stopped."""
        checks = [asked(self._catalogue, each.name, each.guard, each.arguments, subject) for each in guards]
        pool = self._questions if len(subject.text) < LONG else self._long_texts
        limits = Limits(deadline, deadline, self._memory, LONGEST_REASON)
        text = subject.text.encode("utf-8", "surrogatepass")
        try:
            lines = await pool.run(CHECK, {"checks": checks}, text, limits, caller=subject.tenant, deadline=deadline)
        except Busy:
            return [_late(guard) for guard in guards]
        except Stopped as stopped:
            found = self._findings(guards, stopped.progress)[: len(guards) - 1]
            culprit = guards[len(found)]
            if stopped.sure and digest is not None:
                self._runaway.add(digest, stopped.exceeded, culprit.name)
            return [*found, self._stopped(culprit, stopped)]
        except Failed as failure:
            return [self._broken(failure.error, failure.where, each.name) for each in guards]
        except NoProcess as error:
            return [self._broken(type(error).__name__, raised_at(error), each.name) for each in guards]
        return self._findings(guards, lines)

    def _findings(self, guards: Sequence[DearGuard], lines: bytes) -> list[Finding]:
        found: list[Finding] = []
        for guard, line in zip(guards, lines.split(b"\n")[:-1], strict=False):  # what follows the last end is no line
            each: Mapping[str, Any] = json.loads(line)
            if "error" in each:
                found.append(self._broken(each["error"], each["where"], guard.name, each["seconds"]))
            else:
                found.append(Finding(Ended.COMPLETED, each["reason"], each["seconds"]))
        return found

    def _stopped(self, guard: DearGuard, stopped: Stopped) -> Finding:
        self._log.warning("guard_stopped", guard=guard.name, limit=stopped.exceeded.value, before=stopped.before)
        again = "; it was stopped on the same text before" if stopped.before else ""
        if stopped.exceeded in (Exceeded.TIME, Exceeded.PROCESSOR):
            return _late(guard, again)
        what = {
            Exceeded.MEMORY: f"the guard needed more than {self._memory // MEBIBYTE:,} MiB "
            "(PERDURE_FOREIGN_WORK__MEMORY_MIB)",
            Exceeded.OUTPUT: "the guard's reason is too long",
        }.get(stopped.exceeded, "the guard's process ended by itself")
        return Finding(Ended.FAILED, f"it could not be checked: {what}{again}")

    def _broken(self, error: str, where: str, guard: str, seconds: float | None = None) -> Finding:
        # The error's own text may hold the checked text, so it is not logged.
        self._log.warning("guard_failed", guard=guard, error=error, where=where)
        return Finding(Ended.FAILED, f"it could not be checked: the guard broke ({error})", seconds)


def _late(guard: DearGuard, again: str = "") -> Finding:
    seconds = guard.deadline.total_seconds()
    return Finding(Ended.TIMED_OUT, f"it could not be checked within {seconds:g} s{again}")
