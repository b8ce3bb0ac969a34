"""Many runs fail and are retried, and their worker is killed over and over: no write is done twice, and none is lost."""

import asyncio
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from temporalio.client import Client

from deploy.local.desk import DeskServer
from deploy.local.rehearsal import CATALOGUE, CONTEXT
from deploy.local.relief import Nursery, Relief
from deploy.stub.model import MODEL, ScriptedModel
from perdure.client import Platform
from perdure.contracts.budget import Budget
from perdure.contracts.decisions import Accepted, Ruling, StepDecision, Waiting
from perdure.contracts.inbox import InboxEntry
from perdure.contracts.retry import Retry
from perdure.contracts.run import Answered
from perdure.errors import PlatformError, RunFailed
from perdure.testing import Script
from perdure.testing.bill import Bill
from perdure.testing.stub import PRICES
from tests.cli.retried_runs import AGENT, KINDS, PAUSE, Plan, planned
from tests.cli.retry_audit import audit_money, audit_replies
from tests.support.lasting_breaks import VARIABLE, LastingBreaks
from tests.support.waiting import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]

RUNS, SAMPLE = 200, 10

AT_ONCE = 12

BUDGET = Budget(steps=60, tool_calls=60)

ROUNDS = 20
"""A retried run may fail anew: its worker is killed under it, or others make the model be left alone for a while."""

TOOLS = Path(__file__).resolve().parent / "tools"


@dataclass(frozen=True)
class Often:
    """How often the worker is killed while something goes on."""

    calls: tuple[int, int]
    """After so many further calls of the model, at least and at most."""
    most: int
    """Kills."""


@dataclass(frozen=True)
class Trial:
    """What is tried, and who is told what came of it."""

    seed: int
    plans: list[Plan]
    failing: Often
    retried: Often
    chance: random.Random
    told: Callable[[str], None]


@pytest.fixture
def trial(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Trial:
    seed = cast("int", request.config.getoption("chaos_seed"))
    chance = random.Random(seed)  # noqa: S311 - a sample, not a secret
    sampled = request.config.getoption("chaos") == "sample"
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    assert terminal is not None

    def told(line: str) -> None:
        with capsys.disabled():
            terminal.write_line(f"\n{line}")

    plans = [planned(number, chance) for number in range(SAMPLE if sampled else RUNS)]
    failing, retried = (
        (Often((3, 15), 1), Often((1, 4), 1)) if sampled else (Often((20, 60), RUNS), Often((10, 40), RUNS))
    )
    return Trial(seed, plans, failing, retried, chance, told)


@pytest.fixture
def bill(tmp_path: Path) -> Bill:
    return Bill(tmp_path / "bill.db")


@pytest.fixture
def model(tmp_path: Path) -> Iterator[ScriptedModel]:
    with ScriptedModel(0, tmp_path / "bill.db", PRICES) as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskServer]:
    """It leaves time for a kill between what it does and what it says."""
    with DeskServer(0, tmp_path / "desk.db", pause=PAUSE) as server:
        yield server


@pytest.fixture
def breaks(tmp_path: Path) -> LastingBreaks:
    return LastingBreaks(tmp_path / "breaks.db")


@pytest.fixture
def relief(
    client: Client, desk: DeskServer, model: ScriptedModel, breaks: LastingBreaks, tmp_path: Path
) -> Iterator[Relief]:
    """A worker process that serves, and one that stands by."""
    agents, catalogue = tmp_path / "agents", tmp_path / "catalogue.toml"
    agents.mkdir()
    (agents / "retried.toml").write_text(AGENT)
    prices = {"input": PRICES.input, "output": PRICES.output}
    catalogue.write_text(CATALOGUE.format(model=MODEL, url=model.url, context=CONTEXT, **prices))
    environment = {
        "TEMPORAL_ADDRESS": client.service_client.config.target_host,
        "PERDURE_PATHS__STATE": str(tmp_path),
        "PERDURE_PATHS__AGENTS": str(agents),
        "PERDURE_PATHS__CATALOGUE": str(catalogue),
        "PERDURE_TOOLS__SERVICES": json.dumps({"desk": desk.url}),
        "PERDURE_TELEMETRY__TRACES": "false",
        VARIABLE: str(breaks.file),
    }
    nursery = Nursery(tmp_path, environment, TOOLS)
    try:
        relief = Relief(nursery)
        relief.relieve().serving()
        yield relief
    finally:
        nursery.close()


@dataclass
class Killer:
    """Kills the worker at random moments, and lets the one that stands by take over."""

    relief: Relief
    bill: Bill
    chance: random.Random
    kills: list[float] = field(default_factory=list[float])
    """Their moments, in seconds of the epoch."""
    hits: int = 0
    """Runs that were in flight at a kill, all kills together."""

    async def beside(self, doing: "asyncio.Future[Any]", often: Often, in_flight: Callable[[], int]) -> int:
        """Kill until that is done; returns how often."""
        count = 0
        while count < often.most:
            goal = len(self.bill.calls()) + self.chance.randint(*often.calls)
            moment = self.chance.uniform(0, PAUSE)
            await until(
                lambda goal=goal: doing.done() or len(self.bill.calls()) >= goal,
                what=f"{goal} calls are billed",
                seconds=600,
                every=0.05,
            )
            await asyncio.wait({doing}, timeout=moment)
            if doing.done():
                break
            self.hits += in_flight()
            await asyncio.to_thread(self.relief.kill)
            self.kills.append(time.time())
            worker = await asyncio.to_thread(self.relief.relieve)
            await asyncio.to_thread(worker.serving)
            count += 1
        return count


@dataclass
class Person:
    """Looks at the desk, and says of calls of which nobody knows whether they happened."""

    platform: Platform
    desk: DeskServer
    tenant: str
    told: Counter[Ruling]

    async def look(self) -> None:
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


async def failed(platform: Platform, tenant: str, since: datetime, count: int) -> None:
    """Wait until so many runs are found as failed: a search may be a second behind."""

    async def there() -> bool:
        return len([one async for one in platform.retry_failed(since, tenant=tenant, dry_run=True)]) == count

    await until(there, what=f"{count} runs are found as failed", every=0.5)


async def test_no_retried_run_writes_twice_or_loses_a_write_or_buys_a_reply_twice_though_its_worker_is_killed(
    platform: Platform,
    relief: Relief,
    desk: DeskServer,
    bill: Bill,
    breaks: LastingBreaks,
    trial: Trial,
    tmp_path: Path,
) -> None:
    plans, tenant, since = trial.plans, f"t{uuid.uuid4().hex[:8]}", datetime.now(UTC) - timedelta(seconds=5)
    room, in_flight = asyncio.Semaphore(AT_ONCE), set[str]()
    person, killer = Person(platform, desk, tenant, Counter()), Killer(relief, bill, trial.chance)

    async def ends(plan: Plan) -> bool:
        """Whether a run ends with an answer; otherwise it has failed."""
        in_flight.add(plan.run)
        try:
            result = await platform.result(plan.run, tenant=tenant)
        except RunFailed:
            return False
        finally:
            in_flight.discard(plan.run)
        assert isinstance(result.outcome, Answered), (plan.run, result.outcome)
        return True

    async def start(plan: Plan) -> None:
        plan.break_in(breaks)
        async with room:
            task = Script.of(plan.run, plan.turns).task()
            await platform.start_agent(task, agent="retried", business_id=plan.run, tenant=tenant, budget=BUDGET)
            assert not await ends(plan), f"{plan.run} was to fail"
        plan.mend(breaks)

    async def go_on(left: Sequence[Plan]) -> tuple[list[Retry], list[bool]]:
        came = [one async for one in platform.retry_failed(since, tenant=tenant)]
        return came, await asyncio.gather(*map(ends, left))

    looking = asyncio.create_task(person.look())
    failing = asyncio.gather(*map(start, plans))
    early = await killer.beside(failing, trial.failing, lambda: len(in_flight))
    await failing
    begun, before, retries, late = written(desk), Counter[str](), 0, 0
    left = plans
    for _ in range(ROUNDS):
        await failed(platform, tenant, since, len(left))
        in_flight.update(plan.run for plan in left)
        going = asyncio.ensure_future(go_on(left))
        late += await killer.beside(going, trial.retried, lambda: len(in_flight))
        came, answered = await going
        assert not [one for one in came if one.problem]
        assert {one.business_id for one in came} == {plan.run for plan in left}
        retries += len(came)
        before.update(one.again[0].split()[0] if one.again else "its last task" for one in came)
        left = [plan for plan, well in zip(left, answered, strict=True) if not well]
        if not left:
            break
    assert not looking.done(), looking
    looking.cancel()
    assert not left, f"failed again and again: {[plan.run for plan in left]}"
    runs, found = [plan.run for plan in plans], written(desk)
    wanted = [write for plan in plans for write in plan.writes]
    twice = {write: count for write, count in found.items() if count > 1}
    lost = [write for write in wanted if not found[write]]
    bought = audit_replies(bill, tmp_path, tenant, runs, killer.kills)
    owed = audit_money(bill, tmp_path, tenant, runs)
    done = sum(1 for plan in plans if any(begun[write] for write in plan.writes))
    doubted = sum(1 for plan in plans if plan.breaks)
    trial.told(
        f"retry: seed {trial.seed}: {len(plans)} failed runs ({done} with writes done, {doubted} with one in doubt), "
        f"{retries} retries (from {', '.join(f'{count} {name}' for name, count in sorted(before.items()))}), "
        f"{early} + {late} kills of the worker ({early} while they failed, {late} while they went on), "
        f"{killer.hits} runs hit; "
        f"{len(wanted)} writes: {len(twice)} twice, {len(lost)} lost; {len(bought.again)} replies bought twice, "
        f"{bought.in_vain} died with a worker; settled {owed.settled:,} <= bill {owed.billed:,} <= settled + unknown "
        f"{owed.settled + owed.held:,} micro-dollars; "
        f"{person.told.total()} unknown outcomes decided, {person.told[Ruling.DID_HAPPEN]} of which had happened"
    )
    assert not twice
    assert not lost
    assert not set(found) - set(wanted), "only what was asked for"
    assert not bought.again
    assert early, "the worker is killed while runs fail"
    assert late, "the worker is killed while they go on"
