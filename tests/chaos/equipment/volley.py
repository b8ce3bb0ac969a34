"""A volley: a run that is watched and others beside it, one kill among all of them, and what came of each."""

import asyncio
import math
import random
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from perdure.client import workflow_id
from perdure.contracts.budget import Budget
from perdure.contracts.runs.run import Answered
from perdure.contracts.tool_calls.decisions import Ruling
from perdure.testing import Script, answer, calls
from perdure.testing.kills import reached
from tests.chaos.equipment.agents import AgentWorld, Person, audit_bill, audit_writes
from tests.support.waiting import until

BESIDE = 12
"""Runs beside the watched one: at least ten are under way when it dies."""

IN_FLIGHT = 10

BUDGET = Budget(steps=60, tool_calls=60)

Moment = Callable[[AgentWorld, str], Awaitable[str]]
"""Returns, with the moment's name, when the kill of this run's worker is due."""


@dataclass(frozen=True)
class Volley:
    """What one kill did."""

    point: str
    in_flight: int
    """Runs that were not over when the worker died."""
    recovery: float
    """Seconds from the kill to the end of the watched run, whose model never lets it wait; below 0 it was over."""
    others: tuple[float, ...]
    """The same of the runs beside it; their models' pauses are in it."""
    unknown: int
    """Calls of which nobody knew whether they had happened, until a person said so."""
    happened: int
    """How many of these had."""


TURNS = 6
"""Of a task, its answer included: enough that its events are fifty kill points."""


def script(run: str, pauses: list[float]) -> str:
    """A task with reads, an idempotent write, and one that is made at most once, in turns of their own."""
    read, ticket, notice, again, once_more, end = pauses
    turns = [
        calls(("calculator", {"expression": "6 * 7"}), pause=read),
        calls(("file_ticket", {"run": run}), pause=ticket),
        calls(("post_notice", {"run": run}), pause=notice),
        calls(("calculator", {"expression": "7 * 8"}), pause=again),
        calls(("calculator", {"expression": "8 * 9"}), pause=once_more),
        answer("It is done.", pause=end),
    ]
    return Script.of(run, turns).task()


async def volley(world: AgentWorld, moment: Moment, chance: random.Random) -> Volley:
    """Start the runs, kill their worker at the moment, and audit what came of all of them."""
    mark = uuid.uuid4().hex[:12]
    beside = [f"{mark}-{number}" for number in range(BESIDE)]
    watched, person = f"{mark}-watched", Person(world)
    # They are slower than the watched one: whenever it is killed, they are somewhere in the middle.
    tasks = {run: script(run, [chance.uniform(0.5, 2) for _ in range(TURNS)]) for run in beside}
    tasks[watched] = script(watched, [0.0] * TURNS)
    await asyncio.gather(
        *(world.platform.start_agent(tasks[run], agent="chaos", business_id=run, budget=BUDGET) for run in tasks)
    )
    point = await moment(world, watched)
    killed = await world.kill()
    results = await person.results(list(tasks))

    after = {run: await world.closed(run) - killed for run in tasks}
    in_flight = sum(seconds > 0 for seconds in after.values())
    for run, result in results.items():
        assert isinstance(result.outcome, Answered), (run, result.outcome)
        audit_bill(world, run, result, BUDGET)
    audit_writes(world.written("tickets"), [f"{run}/call-2-1" for run in tasks])
    audit_writes(world.written("messages"), [f"{run}/call-3-1" for run in tasks])
    assert in_flight >= IN_FLIGHT, f"only {in_flight} runs were in flight at {point}"
    return Volley(
        point,
        in_flight,
        after[watched],
        tuple(after[run] for run in beside if after[run] > 0),
        person.decided.total(),
        person.decided[Ruling.DID_HAPPEN],
    )


def at_event(number: int) -> Moment:
    """When this event of the run's history appears."""

    async def moment(world: AgentWorld, run: str) -> str:
        handle = world.client.get_workflow_handle(workflow_id("default", run))
        return str(await reached(handle, number))

    return moment


def intended(tool: str) -> Moment:
    """When the ledger has the intent; the call follows."""

    async def moment(world: AgentWorld, run: str) -> str:
        await until(lambda: world.ledger(run, tool) == ["intended"], what=f"{tool} is intended", every=0.005)
        return f"intent of {tool}, no call"

    return moment


def called(tool: str, kind: str, step: str) -> Moment:
    """When the desk has done what was asked; its answer, and so the outcome, follows."""

    async def moment(world: AgentWorld, run: str) -> str:
        await until(lambda: f"{run}/{step}" in world.written(kind), what=f"{tool} is called", every=0.005)
        return f"call of {tool}, no outcome"

    return moment


def told(volleys: Sequence[Volley]) -> list[str]:
    """A line for each kill, and one for all of them."""
    if not volleys:
        return []
    lines = [
        f"{one.recovery:6.1f} s  {one.point:<46} {one.in_flight} in flight, {one.unknown} unknown, "
        f"{one.happened} of them had happened"
        for one in volleys
    ]
    fewest, hit = min(one.in_flight for one in volleys), sum(one.in_flight for one in volleys)
    unknown, happened = sum(one.unknown for one in volleys), sum(one.happened for one in volleys)
    lines.append(
        f"{len(volleys)} kills with at least {fewest} runs in flight, {hit} runs hit: 0 writes twice, 0 lost, 0 stuck; "
        f"{unknown} unknown outcomes decided, {happened} of which had happened"
    )
    own = quantiles([one.recovery for one in volleys if one.recovery > 0])
    others = quantiles([time for one in volleys for time in one.others])
    lines.append(f"recovery of the watched runs: {own}; of those beside them, with their models' pauses: {others}")
    return lines


def quantiles(times: Sequence[float]) -> str:
    """The middle of some times, and what nearly all keep within."""
    p50, p95 = (sorted(times)[math.ceil(share * len(times)) - 1] for share in (0.5, 0.95))
    return f"p50 {p50:.1f} s, p95 {p95:.1f} s"
