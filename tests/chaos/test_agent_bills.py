"""Agents with parallel tools, retries and killed workers report what they owe, and never exceed their budget."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from perdure.contracts.budget import Budget, Spend
from perdure.contracts.runs.run import Answered, Exhausted, RunResult
from perdure.testing import Script, Turn, answer, calls
from tests.chaos.conftest import Report
from tests.chaos.equipment.agents import AgentWorld, Person, audit_bill
from tests.support.waiting import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]

RUNS, SAMPLE = 200, 10

AT_ONCE = 40
"""The number of runs at the same time."""

CALLS_PER_KILL = 40
"""The number of model calls between two kills of the worker."""

STUCK_SECONDS = 600.0
"""The seconds in which a run must end; it may lose its worker at every turn."""

PLENTY = Budget(steps=60, tool_calls=120)


@dataclass(frozen=True)
class Plan:
    """One run, and what it will write."""

    run: str
    turns: tuple[Turn, ...]
    budget: Budget

    @property
    def writes(self) -> dict[str, str]:
        """Return the kind of each write, by its name at the desk."""
        kinds = {"file_ticket": "tickets", "post_notice": "messages"}
        return {
            f"{self.run}/call-{turn}-{index}": kinds[call.name]
            for turn, turn_script in enumerate(self.turns, 1)
            for index, call in enumerate(turn_script.calls, 1)
            if call.name in kinds
        }


def planned(number: int, rng: random.Random) -> Plan:
    """Plan two to four turns of up to four parallel tools; some fail first, and one run in five has a small budget."""
    run = f"bill-{rng.randrange(16**8):08x}-{number}"
    tools = [("calculator", {"expression": "6 * 7"}), ("file_ticket", {"run": run}), ("post_notice", {"run": run})]
    turns: list[Turn] = []
    for last in [False] * rng.randint(1, 3) + [True]:
        options: dict[str, float | bool] = {"pause": rng.uniform(0, 0.5), "output_tokens": rng.randint(1, 300)}
        match rng.random():
            case share if share < 0.3:
                options |= {"fails": rng.randint(1, 2)}
            case share if share < 0.4:
                options |= {"fails": 1, "drop": True}
            case _:
                pass
        tool_calls = rng.choices(tools, weights=[5, 3, 2], k=rng.randint(2, 4))
        turns.append(answer("It is done.", **options) if last else calls(*tool_calls, **options))
    poor = Budget(steps=rng.randint(1, 4), tool_calls=rng.randint(0, 6), micro_dollars=rng.randint(500, 5000))
    return Plan(run, tuple(turns), poor if rng.random() < 0.2 else PLENTY)


async def test_what_agents_owe_is_within_what_they_say_and_what_they_may(
    agent_world: AgentWorld, report: Report, rng: random.Random, *, sampled: bool
) -> None:
    world, person = agent_world, Person(agent_world)
    plans = [planned(number, rng) for number in range(SAMPLE if sampled else RUNS)]
    calls_before = len(world.stack.stub.bill.calls())
    room, kills, start = asyncio.Semaphore(AT_ONCE), 0, time.monotonic()
    results: dict[str, RunResult] = {}

    async def run(plan: Plan) -> None:
        async with room:
            task = Script.of(plan.run, plan.turns).task()
            await world.platform.start_agent(task, agent="chaos", business_id=plan.run, budget=plan.budget)
            results.update(await person.results([plan.run], within=STUCK_SECONDS))

    running = asyncio.gather(*map(run, plans))
    while not running.done():
        goal = calls_before + (kills + 1) * CALLS_PER_KILL * (1 if not sampled else 0.5)
        await until(
            lambda goal=goal: running.done() or len(world.stack.stub.bill.calls()) >= goal,
            what=f"{goal} calls are billed",
            seconds=600,
            every=0.1,
        )
        if not running.done():
            await world.kill()
            kills += 1
    await running

    bills = {plan.run: audit_bill(world, plan.run, results[plan.run], plan.budget) for plan in plans}
    written = Counter([*world.written("tickets"), *world.written("messages")])
    for plan in plans:
        twice = {write: count for write in plan.writes if (count := written[write]) > 1}
        assert not twice, f"written twice: {twice}"
        if isinstance(results[plan.run].outcome, Answered):
            lost = [write for write in plan.writes if not written[write]]
            assert not lost, f"lost: {lost}"
        else:
            assert isinstance(results[plan.run].outcome, Exhausted), results[plan.run].outcome
    assert kills >= 1
    report.bills += report_lines(
        world, list(results.values()), sum(bills.values(), Spend()), [plan.run for plan in plans]
    )
    report.bills.append(
        f"{kills} kills, {person.decided.total()} unknown outcomes decided, {time.monotonic() - start:.0f} s"
    )


def report_lines(world: AgentWorld, results: Sequence[RunResult], owed: Spend, runs: Sequence[str]) -> list[str]:
    """Return the report lines about money."""
    calls = [call for run in runs for call in world.stack.stub.bill.calls(run)]
    outcomes = Counter(call.met for call in calls)
    settled = sum((result.spent for result in results), Spend())
    unsettled = sum((result.unsettled for result in results), Spend())
    endings = Counter(result.outcome.kind for result in results)
    calls_made = (
        f"{len(runs)} runs of agents ({', '.join(f'{count} {kind}' for kind, count in sorted(endings.items()))}): "
        f"{len(calls)} calls of the model, {outcomes['503']} refused and {outcomes['dropped']} dropped, "
        f"{settled.tool_calls} calls of tools"
    )
    money = (
        f"settled <= bill <= settled + unsettled <= budget in each; together {settled.micro_dollars:,} <= "
        f"{owed.micro_dollars:,} <= {(settled + unsettled).micro_dollars:,} micro-dollars, {len(runs)} of {len(runs)} "
        "with a recorded attempt before every call"
    )
    return [calls_made, money]
