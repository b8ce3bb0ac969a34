"""Runs that continue in new executions, a person who decides about their steps, and the audit of both."""

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
"""The events after which the server wants a new execution: a task of `ROUNDS` then has about three."""

ROUNDS = 5
"""The turns of a task; each asks for a write that needs approval and for one that is made at most once."""

BESIDE = 5

BUDGET = Budget(steps=60, tool_calls=80)

AGENT = """\
kind = "agent"
system = "You do what the script says."
attempts = 10
tool_attempts = 20
wait = 0.05
results = []
[loops]
told = 0
stuck = 0
[tools.calculator]
[tools.file_ticket]
approval = "always"
[tools.post_notice]
"""

_looks = itertools.count(1)


@dataclass(frozen=True)
class Passage:
    """The result of one kill around the moment at which a run continues in a new execution."""

    point: str
    in_flight: int
    executions: int
    """The executions of all runs together."""
    approved: int
    denied: int


@dataclass
class Reviewer(Onlooker):
    """Decides about every ticket, twice each, and settles notices of unknown outcome."""

    rulings: dict[tuple[str, str], Ruling] = field(default_factory=dict[tuple[str, str], Ruling])
    """The accepted rulings, by run and step."""

    async def look(self, waiting: Waits) -> None:
        await asyncio.gather(*(self._look_at(run, result) for run, result in waiting.items()))

    async def _look_at(self, run: str, result: "asyncio.Task[RunResult]") -> None:
        while not result.done():
            try:
                for step in await self.world.platform.pending(run):
                    await self._decide_step(run, step)
            except PlatformError:
                pass  # the worker was just killed, or the run is over: the next look finds out
            await asyncio.sleep(LOOK_SECONDS)

    async def _decide_step(self, run: str, step: PendingStep) -> None:
        name = f"{run}/{step.step}"
        if step.waiting is Waiting.OUTCOME:
            happened = name in self.world.written("messages")
            ruling = Ruling.DID_HAPPEN if happened else Ruling.DID_NOT_HAPPEN
            number = next(_looks)  # the desk may show another state at the next look
        else:
            number = 0
            # The ruling depends on the name alone: the decision sent after the kill equals the one sent before it.
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
                self.rulings[run, step.step] = ruling


def script(run: str, pause: float) -> str:
    """Return a task whose every turn reads, makes a write that needs approval, and makes an at-most-once write."""
    turn = (("calculator", {"expression": "6 * 7"}), ("file_ticket", {"run": run}), ("post_notice", {"run": run}))
    return Script.of(run, [*(calls(*turn, pause=pause) for _ in range(ROUNDS)), answer("It is done.")]).task()


async def passage(world: AgentWorld, rng: random.Random, execution: int, event: int) -> Passage:
    """Start runs, kill their worker at an event of an execution of the watched one, and audit all results."""
    mark = uuid.uuid4().hex[:12]
    watched, *beside = runs = [f"{mark}-{number}" for number in range(BESIDE + 1)]
    pauses = {watched: 0.0, **{run: rng.uniform(0.0, 0.4) for run in beside}}
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
    assert set(reviewer.rulings) == {(run, f"call-{turn}-2") for run, turn in steps}, "every ticket was decided"
    agreed = [f"{run}/{step}" for (run, step), ruling in reviewer.rulings.items() if ruling is Ruling.APPROVE]
    written = [write for write in world.written("tickets") if write.startswith(mark)]
    assert sorted(written) == sorted(agreed), "what was approved, once, and nothing that was denied"
    audit_writes(world.written("messages"), [f"{run}/call-{turn}-3" for run, turn in steps])
    executions = [len(await world.platform.executions(run)) for run in runs]
    assert min(executions) >= 2, "each run continued in a new execution"
    recoveries = [await world.closed(run) - killed for run in runs]
    in_flight = sum(seconds > 0 for seconds in recoveries)
    return Passage(point, in_flight, sum(executions), len(agreed), len(steps) - len(agreed))


async def _reached(world: AgentWorld, run: str, execution: int, event: int) -> str:
    """Wait for this event, or the last one, of an execution of a run. Executions and events count from 1."""
    executions: tuple[Any, ...] = ()

    async def has_begun() -> bool:
        nonlocal executions
        executions = await world.platform.executions(run)
        return len(executions) >= execution

    await until(has_begun, what=f"{run} is in its execution {execution}", every=0.01, seconds=STUCK_SECONDS)
    begin = executions[execution - 1].events[0].workflow_execution_started_event_attributes
    handle: WorkflowHandle[Any, Any] = world.client.get_workflow_handle(
        workflow_id("default", run), run_id=begin.original_execution_run_id
    )
    return f"execution {execution}, event {await reached(handle, event)}"


def report_lines(passages: Sequence[Passage]) -> list[str]:
    """Return a line for each kill and one for all of them."""
    if not passages:
        return []
    lines = [
        f"{passage.point:<62} {passage.in_flight} in flight, {passage.executions} executions, "
        f"{passage.approved} approved, {passage.denied} denied"
        for passage in passages
    ]
    approved, denied = sum(passage.approved for passage in passages), sum(passage.denied for passage in passages)
    runs_hit = sum(passage.in_flight for passage in passages)
    lines.append(
        f"{len(passages)} kills around a new execution, {runs_hit} runs hit: of {approved + denied} decisions "
        f"{approved} approvals were done once each and {denied} denials never: 0 lost, 0 writes twice, 0 stuck"
    )
    return lines
