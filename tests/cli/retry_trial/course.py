"""The course of a retry trial: runs fail and are retried in waves while a person decides and the worker is killed."""

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.local.stack.desk import DeskServer
from deploy.testing.standby_workers import StandbyWorkers
from perdure.client import Platform
from perdure.contracts.budget import Budget
from perdure.contracts.runs.retry import Retry
from perdure.contracts.runs.run import Answered
from perdure.contracts.tool_calls.decisions import Accepted, InboxEntry, Ruling, StepDecision, Waiting
from perdure.errors import PlatformError, RunFailed
from perdure.testing import Script
from perdure.testing.bill import Bill
from tests.cli.retry_trial.runs import KINDS, PAUSE, Plan
from tests.support.faults.lasting_breaks import LastingBreaks
from tests.support.waiting import until

AT_ONCE = 12
"""The most runs that are about to fail at the same time."""

BUDGET = Budget(steps=60, tool_calls=60)


@dataclass
class Killer:
    """Kills the worker at random moments and lets the standby worker take over."""

    standby: StandbyWorkers
    bill: Bill
    rng: random.Random
    calls: tuple[int, int]
    """The fewest and the most model calls between two kills."""
    kills: list[float] = field(default_factory=list[float])
    """The times of the kills, in seconds of the epoch."""
    hit: Counter[str] = field(default_factory=Counter[str])
    """The runs in flight at all kills together, by what they were doing."""

    async def beside(
        self, doing: "asyncio.Future[Any]", in_flight: Callable[[], Mapping[str, int]], most: int | None
    ) -> None:
        """Kill the worker until `doing` is done, `most` times at most."""
        count = 0
        while most is None or count < most:
            goal = len(self.bill.calls()) + self.rng.randint(*self.calls)
            moment = self.rng.uniform(0, PAUSE)
            await until(
                lambda goal=goal: doing.done() or len(self.bill.calls()) >= goal,
                what=f"{goal} calls are billed",
                seconds=600,
                every=0.05,
            )
            await asyncio.wait({doing}, timeout=moment)
            if doing.done():
                return
            self.hit.update(in_flight())
            await asyncio.to_thread(self.standby.kill)
            self.kills.append(time.time())
            worker = await asyncio.to_thread(self.standby.promote)
            await asyncio.to_thread(worker.serving)
            count += 1


@dataclass
class Course:
    """The runs of one tenant: those that are about to fail, and those that were retried."""

    platform: Platform
    breaks: LastingBreaks
    tenant: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:8]}")
    since: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(seconds=5))
    failed: list[Plan] = field(default_factory=list[Plan])
    """Runs that have failed and are not retried yet."""
    failing: set[str] = field(default_factory=set[str])
    """Runs in flight that are to fail."""
    retried: set[str] = field(default_factory=set[str])
    """Retried runs in flight."""
    retries: list[Retry] = field(default_factory=list[Retry])
    """Every retry."""

    def in_flight(self) -> Mapping[str, int]:
        """Return how many runs are failing and how many are retried."""
        return {"failing": len(self.failing), "retried": len(self.retried)}

    async def wave(self, plans: Sequence[Plan]) -> None:
        """Retry all failed runs and start new ones, all at once; return once each has an answer or has failed."""
        to_retry = self.failed
        listed = self.platform.retry_failed(self.since, tenant=self.tenant)
        listed_retries = [self._record_retry(await anext(listed))] if to_retry else []
        # Start them only now: a run that failed before the list was read would be retried too.
        room = asyncio.Semaphore(AT_ONCE)
        starting = asyncio.gather(*(self._fail(plan, room) for plan in plans))
        try:
            listed_retries += [self._record_retry(retry) async for retry in listed] if to_retry else []
            assert {retry.business_id for retry in listed_retries} == {plan.run for plan in to_retry}
            answers = await asyncio.gather(*(self._is_answered(plan, self.retried) for plan in to_retry))
            await starting
        finally:
            starting.cancel()
        self.retries += listed_retries
        self.failed = [*(plan for plan, is_answered in zip(to_retry, answers, strict=True) if not is_answered), *plans]

    async def wait_until_listed(self) -> None:
        """Wait until a search finds all failed runs: it may be a second behind."""

        async def all_listed() -> bool:
            found = self.platform.retry_failed(self.since, tenant=self.tenant, dry_run=True)
            return {retry.business_id async for retry in found} == {plan.run for plan in self.failed}

        await until(all_listed, what=f"{len(self.failed)} runs are found as failed", every=0.2)

    def _record_retry(self, retry: Retry) -> Retry:
        assert not retry.problem, retry
        self.retried.add(retry.business_id)
        return retry

    async def _fail(self, plan: Plan, room: asyncio.Semaphore) -> None:
        plan.break_in(self.breaks)
        async with room:
            task, ids = Script.of(plan.run, plan.turns).task(), {"business_id": plan.run, "tenant": self.tenant}
            await self.platform.start_agent(task, agent="retried", budget=BUDGET, **ids)
            self.failing.add(plan.run)
            assert not await self._is_answered(plan, self.failing), f"{plan.run} was to fail"
        plan.mend(self.breaks)

    async def _is_answered(self, plan: Plan, in_flight: set[str]) -> bool:
        """Wait for the end of a run; return True for an answer and False for a failure."""
        try:
            result = await self.platform.result(plan.run, tenant=self.tenant)
        except RunFailed:
            return False
        finally:
            in_flight.discard(plan.run)
        assert isinstance(result.outcome, Answered), (plan.run, result.outcome)
        return True


@dataclass
class Person:
    """A person who settles calls of unknown outcome by what the desk shows."""

    platform: Platform
    desk: DeskServer
    tenant: str
    decided: Counter[Ruling] = field(default_factory=Counter[Ruling])

    async def look(self) -> None:
        """Settle calls until it is cancelled."""
        while True:
            for entry in await self.platform.inbox(self.tenant):
                await self._settle(entry)
            await asyncio.sleep(0.2)

    async def _settle(self, entry: InboxEntry) -> None:
        step = entry.step
        if step is None:
            return
        assert step.waiting is Waiting.OUTCOME, step
        happened = (KINDS[step.tool], f"{entry.business_id}/{step.step}") in desk_writes(self.desk)
        ruling = Ruling.DID_HAPPEN if happened else Ruling.DID_NOT_HAPPEN
        decision = StepDecision(
            decision_id=uuid.uuid4().hex,
            step=step.step,
            digest=step.digest,
            ruling=ruling,
            by="ada",
            result="It is done." if happened else None,
        )
        try:
            reply = await self.platform.decide(entry.business_id, decision, tenant=self.tenant)
        except PlatformError:
            return  # the worker was just killed: the next look settles it
        self.decided[ruling] += isinstance(reply.came, Accepted)


def desk_writes(desk: DeskServer) -> Counter[tuple[str, str]]:
    """Return each write that the desk has stored, with its count."""
    return Counter(
        (kind, f"{entry.get('title', entry.get('to'))}/{entry['text']}")
        for kind, entries in desk.desk.kept().items()
        for entry in entries
    )
