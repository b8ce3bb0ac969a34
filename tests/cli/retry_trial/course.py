"""The course of a trial of retries: runs fail and go on in waves, a person decides, and the worker is killed beside."""

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
"""Runs that are on the way to failing at the same time."""

BUDGET = Budget(steps=60, tool_calls=60)


@dataclass
class Killer:
    """Kills the worker at random moments, and lets the one that stands by take over."""

    relief: StandbyWorkers
    bill: Bill
    chance: random.Random
    calls: tuple[int, int]
    """Of the model, after which it kills, at least and at most."""
    kills: list[float] = field(default_factory=list[float])
    """Their moments, in seconds of the epoch."""
    hit: Counter[str] = field(default_factory=Counter[str])
    """Runs in flight at a kill, all kills together, by what they did."""

    async def beside(
        self, doing: "asyncio.Future[Any]", in_flight: Callable[[], Mapping[str, int]], most: int | None
    ) -> None:
        """Kill until that is done, so often at most."""
        count = 0
        while most is None or count < most:
            goal = len(self.bill.calls()) + self.chance.randint(*self.calls)
            moment = self.chance.uniform(0, PAUSE)
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
            await asyncio.to_thread(self.relief.kill)
            self.kills.append(time.time())
            worker = await asyncio.to_thread(self.relief.promote)
            await asyncio.to_thread(worker.serving)
            count += 1


@dataclass
class Course:
    """Runs of one tenant: those that are on the way to failing, and those that go on after it."""

    platform: Platform
    breaks: LastingBreaks
    tenant: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:8]}")
    since: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(seconds=5))
    left: list[Plan] = field(default_factory=list[Plan])
    """What has failed, and is not retried yet."""
    failing: set[str] = field(default_factory=set[str])
    """Runs in flight that are to fail."""
    retried: set[str] = field(default_factory=set[str])
    """Runs in flight that go on."""
    came: list[Retry] = field(default_factory=list[Retry])
    """Every retry."""

    def in_flight(self) -> Mapping[str, int]:
        """How many runs do what."""
        return {"failing": len(self.failing), "retried": len(self.retried)}

    async def wave(self, plans: Sequence[Plan]) -> None:
        """Retry all that has failed and start these runs, all at once, until each run has an answer or has failed."""
        before = self.left
        listed = self.platform.retry_failed(self.since, tenant=self.tenant)
        came = [self._gone_on(await anext(listed))] if before else []
        # Only now: what fails before the others are listed would be retried with them.
        room = asyncio.Semaphore(AT_ONCE)
        starting = asyncio.gather(*(self._fail(plan, room) for plan in plans))
        try:
            came += [self._gone_on(one) async for one in listed] if before else []
            assert {one.business_id for one in came} == {plan.run for plan in before}
            answered = await asyncio.gather(*(self._ends(plan, self.retried) for plan in before))
            await starting
        finally:
            starting.cancel()
        self.came += came
        self.left = [*(plan for plan, well in zip(before, answered, strict=True) if not well), *plans]

    async def found_as_failed(self) -> None:
        """Wait until a search finds all that has failed: it may be a second behind."""

        async def there() -> bool:
            found = self.platform.retry_failed(self.since, tenant=self.tenant, dry_run=True)
            return {one.business_id async for one in found} == {plan.run for plan in self.left}

        await until(there, what=f"{len(self.left)} runs are found as failed", every=0.2)

    def _gone_on(self, one: Retry) -> Retry:
        assert not one.problem, one
        self.retried.add(one.business_id)
        return one

    async def _fail(self, plan: Plan, room: asyncio.Semaphore) -> None:
        plan.break_in(self.breaks)
        async with room:
            task, of = Script.of(plan.run, plan.turns).task(), {"business_id": plan.run, "tenant": self.tenant}
            await self.platform.start_agent(task, agent="retried", budget=BUDGET, **of)
            self.failing.add(plan.run)
            assert not await self._ends(plan, self.failing), f"{plan.run} was to fail"
        plan.mend(self.breaks)

    async def _ends(self, plan: Plan, among: set[str]) -> bool:
        """Whether a run ends with an answer; otherwise it has failed."""
        try:
            result = await self.platform.result(plan.run, tenant=self.tenant)
        except RunFailed:
            return False
        finally:
            among.discard(plan.run)
        assert isinstance(result.outcome, Answered), (plan.run, result.outcome)
        return True


@dataclass
class Person:
    """Looks at the desk, and says of calls of which nobody knows whether they happened."""

    platform: Platform
    desk: DeskServer
    tenant: str
    told: Counter[Ruling] = field(default_factory=Counter[Ruling])

    async def look(self) -> None:
        """Look and decide, until it is cancelled."""
        while True:
            for entry in await self.platform.inbox(self.tenant):
                await self._say(entry)
            await asyncio.sleep(0.2)

    async def _say(self, entry: InboxEntry) -> None:
        step = entry.step
        if step is None:
            return
        assert step.waiting is Waiting.OUTCOME, step
        happened = (KINDS[step.tool], f"{entry.business_id}/{step.step}") in written(self.desk)
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
            return  # the worker was just killed: the next look tells
        self.told[ruling] += isinstance(reply.came, Accepted)


def written(desk: DeskServer) -> Counter[tuple[str, str]]:
    """What the desk has kept, and how often."""
    return Counter(
        (kind, f"{one.get('title', one.get('to'))}/{one['text']}")
        for kind, kept in desk.desk.kept().items()
        for one in kept
    )
