"""Many failed runs are retried, half with a write whose outcome was lost: none is done twice, and none is lost."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from temporalio.client import Client

from activities.composition import Parts, Role
from activities.settings import Model, Settings
from deploy.local.desk import DeskServer
from deploy.stub.model import ScriptedModel
from perdure.client import Platform
from perdure.contracts.budget import Budget
from perdure.contracts.decisions import Accepted, Ruling, StepDecision, Waiting
from perdure.contracts.inbox import InboxEntry
from perdure.contracts.retry import Retry
from perdure.contracts.run import Answered
from perdure.errors import RunFailed
from perdure.testing import Script, Turn, answer, calls
from perdure.testing.bill import Bill
from perdure.testing.stub import PRICES
from tests.support.agent_runs import with_agents, write_agent
from tests.support.breaking_tools import breaking
from tests.support.waiting import until
from tools.base import Tool, ToolArguments, ToolContext, ToolEffect, tool
from worker import workers

pytestmark = pytest.mark.timeout(3600)

RUNS, SAMPLE = 200, 10

AT_ONCE = 8

ATTEMPTS = 2
"""Of each step."""

BUDGET = Budget(steps=60, tool_calls=60)

ROUNDS = 10
"""A retried run may fail anew: under load others make the model's endpoint be left alone for a while."""


class Note(ToolArguments):
    """What to write, and for which run."""

    run: str
    """The run's name."""


@tool(ToolEffect.IDEMPOTENT)
async def file_ticket(context: ToolContext, note: Note) -> str:
    """Open a ticket, and a second time with the same key change nothing."""
    await context.http.call("desk", "POST", "/tickets", {"title": note.run, "text": context.step}, key=context.key)
    return "It is filed."


@tool(ToolEffect.AT_MOST_ONCE)
async def post_notice(context: ToolContext, note: Note) -> str:
    """Send a message, and again each time that it is called. Nobody can be asked afterwards whether it was sent."""
    await context.http.call("desk", "POST", "/messages", {"to": note.run, "text": context.step}, key=context.key)
    return "It is posted."


TOOLS = {one.name: cast("Tool[Any]", one) for one in (file_ticket, post_notice)}


@dataclass(frozen=True)
class Plan:
    """One run: what it writes, and how it fails."""

    run: str
    turns: tuple[Turn, ...]
    breaks: str
    """How a write breaks: `after` it is done, `before` it is, or not at all."""
    sum: str
    """What it reckons where that breaks, which no other run does."""

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Each write with its kind, as the desk keeps it."""
        kinds = {"file_ticket": "tickets", "post_notice": "messages"}
        return [
            (kinds[call.name], f"{self.run}/call-{turn}-{place}")
            for turn, said in enumerate(self.turns, 1)
            for place, call in enumerate(said.calls, 1)
            if call.name in kinds
        ]


def planned(number: int, chance: random.Random) -> Plan:
    """Writes in one to three turns. Every other run fails beside a write of which nobody knows, others in a thought."""
    run = f"retried-{chance.randrange(16**8):08x}-{number}"
    write = {"run": run}
    # Where a notice is to break, there is no other one that could break in its place.
    tools = ["file_ticket"] if number % 2 else list(TOOLS)
    turns = [
        calls(*((chance.choice(tools), write) for _ in range(chance.randint(1, 3))))
        for _ in range(chance.randint(1, 2))
    ]
    breaks, sum_ = "", f"{1000 + number} * 7"
    fails: dict[str, float | bool] = {"fails": ATTEMPTS, "status": 500}
    if number % 2:
        breaks = chance.choice(["after", "after", "before"])
        turns.append(calls(("post_notice", write), ("calculator", {"expression": sum_}), ("file_ticket", write)))
        fails = {} if chance.random() < 0.5 else fails
    elif chance.random() < 0.5:
        turns.append(calls(("post_notice", write), **fails))
    return Plan(run, (*turns, answer("It is done.", **fails)), breaks, sum_)


@dataclass(frozen=True)
class Trial:
    """What is tried, and who is told what came of it."""

    seed: int
    plans: list[Plan]
    told: Callable[[str], None]


@pytest.fixture
def trial(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Trial:
    seed = cast("int", request.config.getoption("chaos_seed"))
    chance = random.Random(seed)  # noqa: S311 - a sample, not a secret
    count = SAMPLE if request.config.getoption("chaos") == "sample" else RUNS
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    assert terminal is not None

    def told(line: str) -> None:
        with capsys.disabled():
            terminal.write_line(f"\n{line}")

    return Trial(seed, [planned(number, chance) for number in range(count)], told)


@pytest.fixture
def bill(tmp_path: Path) -> Bill:
    return Bill(tmp_path / "bill.db")


@pytest.fixture
def model(tmp_path: Path) -> Iterator[ScriptedModel]:
    with ScriptedModel(0, tmp_path / "bill.db", PRICES) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, model: ScriptedModel, tmp_path: Path) -> Settings:
    more = f"attempts = {ATTEMPTS}\ntool_attempts = {ATTEMPTS}\n"
    write_agent(tmp_path, "retried", ("calculator", *TOOLS), more)
    endpoints = Model(endpoints={"fast": model.url, "strong": model.url})
    return with_agents(settings, tmp_path, model=endpoints)


@pytest_asyncio.fixture(loop_scope="session")
async def working(client: Client, settings: Settings) -> AsyncIterator[None]:
    class MoreParts(Parts):
        def all_tools(self) -> Mapping[str, Tool[Any]]:
            return {**super().all_tools(), **TOOLS}

    async with AsyncExitStack() as stack:
        parts = await MoreParts.open(settings, stack)
        for worker in workers(client, settings, parts, list(Role)):
            await stack.enter_async_context(worker)
        yield


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
        assert (step.waiting, step.tool) == (Waiting.OUTCOME, "post_notice"), step
        happened = ("messages", f"{entry.business_id}/{step.step}") in written(self.desk)
        ruling = Ruling.DID_HAPPEN if happened else Ruling.DID_NOT_HAPPEN
        decision = StepDecision(
            decision_id=uuid.uuid4().hex,
            step=step.step,
            digest=step.digest,
            ruling=ruling,
            by="ada",
            result="It is posted." if happened else None,
        )
        reply = await self.platform.decide(entry.business_id, decision, tenant=self.tenant)
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


@pytest.mark.usefixtures("working")
async def test_no_retried_run_writes_twice_or_loses_a_write_or_buys_a_reply_twice(
    monkeypatch: pytest.MonkeyPatch, platform: Platform, desk: DeskServer, bill: Bill, trial: Trial
) -> None:
    plans, breaks, tenant, since = (
        trial.plans,
        breaking(monkeypatch),
        f"t{uuid.uuid4().hex[:8]}",
        datetime.now(UTC) - timedelta(seconds=5),
    )
    room = asyncio.Semaphore(AT_ONCE)
    person = Person(platform, desk, tenant, Counter())

    async def ends(plan: Plan) -> bool:
        """Whether a run ends with an answer; otherwise it has failed."""
        try:
            result = await platform.result(plan.run, tenant=tenant)
        except RunFailed:
            return False
        assert isinstance(result.outcome, Answered), (plan.run, result.outcome)
        return True

    async def start(plan: Plan) -> None:
        if plan.breaks:
            breaks.before[f"calculator {plan.sum}"] = ATTEMPTS
            getattr(breaks, plan.breaks)[f"post_notice {plan.run}"] = 1
        async with room:
            task = Script.of(plan.run, plan.turns).task()
            await platform.start_agent(task, agent="retried", business_id=plan.run, tenant=tenant, budget=BUDGET)
            assert not await ends(plan), f"{plan.run} was to fail"

    looking = asyncio.create_task(person.look())
    await asyncio.gather(*map(start, plans))
    begun, before, retries = written(desk), Counter[str](), 0
    left = plans
    for _ in range(ROUNDS):
        await failed(platform, tenant, since, len(left))
        came: list[Retry] = [one async for one in platform.retry_failed(since, tenant=tenant)]
        assert not [one for one in came if one.problem]
        assert {one.business_id for one in came} == {plan.run for plan in left}
        retries += len(came)
        before.update(one.again[0].split()[0] for one in came)
        answered = await asyncio.gather(*map(ends, left))
        left = [plan for plan, well in zip(left, answered, strict=True) if not well]
        if not left:
            break
    looking.cancel()
    assert not left, f"failed again and again: {[plan.run for plan in left]}"
    found = written(desk)
    wanted = [write for plan in plans for write in plan.writes]
    twice = {write: found[write] for write in wanted if found[write] > 1}
    lost = [write for write in wanted if not found[write]]
    bought = Counter((call.run, call.turn) for call in bill.calls() if call.met == "answered")
    again = {turn: count for turn, count in bought.items() if count > 1}
    assert bought.total()
    done = sum(1 for plan in plans if any(begun[write] for write in plan.writes))
    doubted = sum(1 for plan in plans if plan.breaks)
    trial.told(
        f"retry: seed {trial.seed}: {len(plans)} failed runs ({done} with writes done, {doubted} with one in doubt), "
        f"{retries} retries (from {', '.join(f'{count} {name}' for name, count in sorted(before.items()))}), "
        f"{len(wanted)} writes: {len(twice)} twice, {len(lost)} lost; {len(again)} replies bought twice; "
        f"{person.told.total()} unknown outcomes decided, {person.told[Ruling.DID_HAPPEN]} of which had happened"
    )
    assert not twice
    assert not lost
    assert not again
