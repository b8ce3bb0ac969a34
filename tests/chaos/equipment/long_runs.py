"""Runs that go on in new executions, a person who decides what waits in them, and the audit of both."""

import asyncio
import itertools
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from temporalio.client import WorkflowHandle

from perdure.client import workflow_id
from perdure.contracts.budget import Budget
from perdure.contracts.runs.run import Answered, RunResult
from perdure.contracts.tool_calls.decisions import Accepted, PendingStep, Ruling, StepDecision, Waiting
from perdure.errors import PlatformError
from perdure.testing import Script, answer, calls
from perdure.testing.kills import reached
from tests.chaos.equipment.agents import (
    LOOK_SECONDS,
    STUCK_SECONDS,
    AgentWorld,
    Onlooker,
    Waits,
    audit_bill,
    audit_writes,
)
from tests.support.waiting import until

CONTINUE_AFTER = 60
"""Events. A task of `ROUNDS` has some three executions then."""

ROUNDS = 5
"""Turns that ask for a write which a person decides about, and for one which may be made once at most."""

BESIDE = 5

BUDGET = Budget(steps=60, tool_calls=80)

AGENT = """\
kind = "agent"
system = "You do what the script says."
attempts = 10
tool_attempts = 20
wait = 0.05
results = []
[tools.calculator]
[tools.file_ticket]
approval = "always"
[tools.post_notice]
"""

_looks = itertools.count(1)


@dataclass(frozen=True)
class Passage:
    """One kill around the moment at which a run goes on in a new execution, and what came of it."""

    point: str
    in_flight: int
    executions: int
    """Of all runs together."""
    approved: int
    denied: int


@dataclass
class Reviewer(Onlooker):
    """Decides about every ticket, twice over, and tells what became of notices that nobody knows of."""

    said: dict[tuple[str, str], Ruling] = field(default_factory=dict[tuple[str, str], Ruling])
    """What a run has accepted, by run and step."""

    async def look(self, waiting: Waits) -> None:
        await asyncio.gather(*(self._look_at(run, result) for run, result in waiting.items()))

    async def _look_at(self, run: str, result: "asyncio.Task[RunResult]") -> None:
        while not result.done():
            try:
                for step in await self.world.platform.pending(run):
                    await self._say(run, step)
            except PlatformError:
                pass  # the worker was just killed, or the run is over: the next look tells
            await asyncio.sleep(LOOK_SECONDS)

    async def _say(self, run: str, step: PendingStep) -> None:
        name = f"{run}/{step.step}"
        if step.waiting is Waiting.OUTCOME:
            happened = name in self.world.written("messages")
            ruling = Ruling.DID_HAPPEN if happened else Ruling.DID_NOT_HAPPEN
            number = next(_looks)  # what was seen may be another thing at another look
        else:
            number = 0
            # The same whenever it is asked again: a decision that was sent before the kill is the one sent after it.
            ruling = Ruling.DENY if random.Random(name).random() < 1 / 3 else Ruling.APPROVE  # noqa: S311 - a sample
        decision = StepDecision(
            decision_id=f"{name}/{number}",
            step=step.step,
            digest=step.digest,
            ruling=ruling,
            by="ada",
            result="It is posted." if ruling is Ruling.DID_HAPPEN else None,
        )
        first = await self.world.platform.decide(run, decision)
        again = await self.world.platform.decide(run, decision)
        if isinstance(first.came, Accepted):
            assert isinstance(again.came, Accepted), f"{name}: accepted, and then: {again.came}"
            if step.waiting is Waiting.APPROVAL:
                self.said[run, step.step] = ruling


def script(run: str, pause: float) -> str:
    """A task whose every turn reads, writes what a person has to agree to, and writes once at most."""
    turn = (("calculator", {"expression": "6 * 7"}), ("file_ticket", {"run": run}), ("post_notice", {"run": run}))
    return Script.of(run, [*(calls(*turn, pause=pause) for _ in range(ROUNDS)), answer("It is done.")]).task()


async def passage(world: AgentWorld, chance: random.Random, execution: int, event: int) -> Passage:
    """Start runs, kill their worker at this event of an execution of one of them, and audit what came of all."""
    mark = uuid.uuid4().hex[:12]
    watched, *beside = runs = [f"{mark}-{number}" for number in range(BESIDE + 1)]
    pauses = {watched: 0.0, **{run: chance.uniform(0.0, 0.4) for run in beside}}
    await asyncio.gather(
        *(
            world.platform.start_agent(script(run, pauses[run]), agent="long", business_id=run, budget=BUDGET)
            for run in runs
        )
    )
    reviewer = Reviewer(world)
    finishing = asyncio.create_task(reviewer.results(runs, within=2 * STUCK_SECONDS))
    try:
        point = await asyncio.wait_for(_reached(world, watched, execution, event), STUCK_SECONDS)
        killed = await world.kill()
        results = await finishing
    finally:
        finishing.cancel()
        await asyncio.gather(finishing, return_exceptions=True)
    for run, result in results.items():
        assert isinstance(result.outcome, Answered), (run, result.outcome)
        audit_bill(world, run, result, BUDGET)
    steps = [(run, turn) for run in runs for turn in range(1, ROUNDS + 1)]
    assert set(reviewer.said) == {(run, f"call-{turn}-2") for run, turn in steps}, "each was decided"
    agreed = [f"{run}/{step}" for (run, step), ruling in reviewer.said.items() if ruling is Ruling.APPROVE]
    written = [one for one in world.written("tickets") if one.startswith(mark)]
    assert sorted(written) == sorted(agreed), "what was approved, once, and nothing that was denied"
    audit_writes(world.written("messages"), [f"{run}/call-{turn}-3" for run, turn in steps])
    each = [len(await world.platform.executions(run)) for run in runs]
    assert min(each) >= 2, "each went on in a new execution"
    after = [await world.closed(run) - killed for run in runs]
    in_flight = sum(seconds > 0 for seconds in after)
    return Passage(point, in_flight, sum(each), len(agreed), len(steps) - len(agreed))


async def _reached(world: AgentWorld, run: str, execution: int, event: int) -> str:
    """Wait until this execution of a run, counted from 1, has this event; where it has fewer, until its last one."""
    found: tuple[Any, ...] = ()

    async def begun() -> bool:
        nonlocal found
        found = await world.platform.executions(run)
        return len(found) >= execution

    await until(begun, what=f"{run} is in its execution {execution}", every=0.01, seconds=STUCK_SECONDS)
    begin = found[execution - 1].events[0].workflow_execution_started_event_attributes
    handle: WorkflowHandle[Any, Any] = world.client.get_workflow_handle(
        workflow_id("default", run), run_id=begin.original_execution_run_id
    )
    return f"execution {execution}, event {await reached(handle, event)}"


def told(passages: Sequence[Passage]) -> list[str]:
    """A line for each kill, and one for all of them."""
    if not passages:
        return []
    lines = [
        f"{one.point:<62} {one.in_flight} in flight, {one.executions} executions, {one.approved} approved, "
        f"{one.denied} denied"
        for one in passages
    ]
    approved, denied = sum(one.approved for one in passages), sum(one.denied for one in passages)
    hit = sum(one.in_flight for one in passages)
    lines.append(
        f"{len(passages)} kills around a new execution, {hit} runs hit: of {approved + denied} decisions {approved} "
        f"approvals were done once each and {denied} denials never: 0 lost, 0 writes twice, 0 stuck"
    )
    return lines
