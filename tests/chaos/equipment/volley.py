"""A volley: a watched run with others beside it, one kill of their worker, and the result of each."""

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
"""The number of runs beside the watched one, so that at least ten are in flight at the kill."""

IN_FLIGHT = 10

BUDGET = Budget(steps=60, tool_calls=60)

Moment = Callable[[AgentWorld, str], Awaitable[str]]
"""Waits until the kill of this run's worker is due, and returns the name of the moment."""


@dataclass(frozen=True)
class Volley:
    """The result of one kill."""

    point: str
    in_flight: int
    """The number of runs that were not over at the kill."""
    recovery: float
    """Seconds from the kill to the end of the watched run, whose model never pauses; below 0 if it was over."""
    others: tuple[float, ...]
    """Seconds from the kill to the end of each other run, with the pauses of its model."""
    unknown: int
    """The number of calls of unknown outcome that the person settled."""
    happened: int
    """How many of these had happened."""


TURNS = 6
"""The turns of a task, with its answer: enough for fifty kill points."""


def script(run: str, pauses: list[float]) -> str:
    """Return a task with reads, an idempotent write and an at-most-once write, each in its own turn."""
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


async def volley(world: AgentWorld, moment: Moment, rng: random.Random) -> Volley:
    """Start the runs, kill their worker at the moment, and audit all results."""
    mark = uuid.uuid4().hex[:12]
    beside = [f"{mark}-{number}" for number in range(BESIDE)]
    watched, person = f"{mark}-watched", Person(world)
    # They are slower than the watched one, so they are in the middle at any kill.
    tasks = {run: script(run, [rng.uniform(0.5, 2) for _ in range(TURNS)]) for run in beside}
    tasks[watched] = script(watched, [0.0] * TURNS)
    await asyncio.gather(
        *(world.platform.start_agent(tasks[run], agent="chaos", business_id=run, budget=BUDGET) for run in tasks)
    )
    point = await moment(world, watched)
    killed = await world.kill()
    results = await person.results(list(tasks))

    recoveries = {run: await world.closed(run) - killed for run in tasks}
    in_flight = sum(seconds > 0 for seconds in recoveries.values())
    for run, result in results.items():
        assert isinstance(result.outcome, Answered), (run, result.outcome)
        audit_bill(world, run, result, BUDGET)
    audit_writes(world.written("tickets"), [f"{run}/call-2-1" for run in tasks])
    audit_writes(world.written("messages"), [f"{run}/call-3-1" for run in tasks])
    assert in_flight >= IN_FLIGHT, f"only {in_flight} runs were in flight at {point}"
    return Volley(
        point,
        in_flight,
        recoveries[watched],
        tuple(recoveries[run] for run in beside if recoveries[run] > 0),
        person.decided.total(),
        person.decided[Ruling.DID_HAPPEN],
    )


def at_event(number: int) -> Moment:
    """Kill when this event of the run's history appears."""

    async def moment(world: AgentWorld, run: str) -> str:
        handle = world.client.get_workflow_handle(workflow_id("default", run))
        return str(await reached(handle, number))

    return moment


def intended(tool: str) -> Moment:
    """Kill when the ledger has the intent; the call follows."""

    async def moment(world: AgentWorld, run: str) -> str:
        await until(lambda: world.ledger(run, tool) == ["intended"], what=f"{tool} is intended", every=0.005)
        return f"intent of {tool}, no call"

    return moment


def called(tool: str, kind: str, step: str) -> Moment:
    """Kill when the desk has made the write; its reply, and so the outcome, follows."""

    async def moment(world: AgentWorld, run: str) -> str:
        await until(lambda: f"{run}/{step}" in world.written(kind), what=f"{tool} is called", every=0.005)
        return f"call of {tool}, no outcome"

    return moment


def report_lines(volleys: Sequence[Volley]) -> list[str]:
    """Return a line for each kill and one for all of them."""
    if not volleys:
        return []
    lines = [
        f"{volley.recovery:6.1f} s  {volley.point:<46} {volley.in_flight} in flight, {volley.unknown} unknown, "
        f"{volley.happened} of them had happened"
        for volley in volleys
    ]
    fewest, runs_hit = min(volley.in_flight for volley in volleys), sum(volley.in_flight for volley in volleys)
    unknown, happened = sum(volley.unknown for volley in volleys), sum(volley.happened for volley in volleys)
    lines.append(
        f"{len(volleys)} kills with at least {fewest} runs in flight, {runs_hit} runs hit: "
        "0 writes twice, 0 lost, 0 stuck; "
        f"{unknown} unknown outcomes decided, {happened} of which had happened"
    )
    watched_recovery = quantiles([volley.recovery for volley in volleys if volley.recovery > 0])
    other_recovery = quantiles([time for volley in volleys for time in volley.others])
    lines.append(
        f"recovery of the watched runs: {watched_recovery}; "
        f"of those beside them, with their models' pauses: {other_recovery}"
    )
    return lines


def quantiles(times: Sequence[float]) -> str:
    """Return the median and the 95th percentile of some times, as text."""
    p50, p95 = (sorted(times)[math.ceil(share * len(times)) - 1] for share in (0.5, 0.95))
    return f"p50 {p50:.1f} s, p95 {p95:.1f} s"
