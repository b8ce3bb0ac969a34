"""Agents' runs under kills: their world, a person who decides what nobody knows, and the audit of what came of them."""

import asyncio
import itertools
import json
import sqlite3
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from temporalio.client import Client

from perdure.client import Platform, workflow_id
from perdure.contracts.agents.agent import AgentPhase
from perdure.contracts.budget import Budget, Spend
from perdure.contracts.runs.run import RunResult
from perdure.contracts.tool_calls.decisions import Accepted, PendingStep, Ruling, StepDecision, Waiting
from perdure.errors import PlatformError
from perdure.testing import RunningStack, assert_once
from tests.chaos.equipment.ledger import Attempt, SqliteAttempts

LOOK_SECONDS = 0.2
"""Between two looks of the person at the runs."""

STUCK_SECONDS = 120.0
"""A run that is not over this long after its only kill is stuck."""

AGENT = """\
kind = "agent"
system = "You do what the script says."
attempts = 10
tool_attempts = 20
wait = 0.05
results = []
[tools.calculator]
[tools.create_ticket]
[tools.file_ticket]
[tools.post_notice]
"""

READER = """\
kind = "agent"
system = "You do what the script says."
attempts = 10
wait = 0.05
results = []
[compaction]
at = 0.1
tokens = 64
[tools.read_log]
"""
"""Sums its turns up once they fill a tenth of the stub's window."""

TOOLS = Path(__file__).resolve().parent / "tools"

Waits: TypeAlias = "dict[str, asyncio.Task[RunResult]]"
"""Runs by name, each with what waits for its end."""

_decisions = itertools.count(1)


@dataclass(frozen=True)
class AgentWorld:
    """A stack whose worker is killed again and again."""

    stack: RunningStack
    platform: Platform
    client: Client

    @property
    def attempts(self) -> SqliteAttempts:
        """The platform's own record of paid attempts."""
        return SqliteAttempts(self.stack.state)

    async def kill(self) -> float:
        """Kill the worker, let the other take over, and return the moment of the kill, in seconds of the epoch."""
        await asyncio.to_thread(self.stack.kill_worker)
        killed = datetime.now().astimezone().timestamp()
        await asyncio.to_thread(self.stack.start_worker)
        return killed

    async def closed(self, run: str) -> float:
        """When a run ended, in seconds of the epoch."""
        closed = (await self.platform.status(run)).closed
        assert closed is not None, f"{run} is not over"
        return closed.timestamp()

    def written(self, kind: str) -> list[str]:
        """All that the desk has kept, as `run/step`. A look at its file costs no request."""
        query = "select fields from kept where kind = ? order by id"
        with closing(_opened(self.stack.state / "desk.db")) as database:
            every = [json.loads(fields) for (fields,) in database.execute(query, (kind,))]
        return [f"{one.get('title', one.get('to'))}/{one['text']}" for one in every]

    def ledger(self, run: str, tool: str) -> list[str]:
        """What the ledger tells of a run's calls of a tool: `intended`, `told`, ..., in order."""
        query = """
            select json_extract(event, '$.happening') from ledger_events as one
            where workflow_id = ? and exists (
                select 1 from ledger_events as first where first.run_id = one.run_id and first.step = one.step
                and json_extract(first.event, '$.call.tool') = ?
            ) order by step, number
        """
        with closing(_opened(self.stack.state / "perdure.db")) as database:
            return [str(one) for (one,) in database.execute(query, (workflow_id("default", run), tool))]


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=20)


@dataclass
class Onlooker(ABC):
    """Looks at runs until they are over, and does what it is there for."""

    world: AgentWorld

    async def results(self, runs: Sequence[str], *, within: float = STUCK_SECONDS) -> dict[str, RunResult]:
        """What came of the runs. Fails where one is stuck: not over within so many seconds; or where nobody looks."""
        waiting = {run: asyncio.create_task(self.world.platform.result(run)) for run in runs}
        looking = asyncio.create_task(self.look(waiting))
        try:
            await asyncio.wait(waiting.values(), timeout=within)
            if looking.done():
                looking.result()
            stuck = [f"{run} ({await self.phase(run)})" for run, task in waiting.items() if not task.done()]
            assert not stuck, f"stuck: {', '.join(stuck)}"
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        return {run: task.result() for run, task in waiting.items()}

    @abstractmethod
    async def look(self, waiting: Waits) -> None:
        """Look at the runs that are waited for. It is stopped when they are over."""

    async def phase(self, run: str) -> object:
        """What a run does now."""
        return (await self.world.platform.status(run)).phase


@dataclass
class Person(Onlooker):
    """Says of calls that nobody knows of whether they happened."""

    decided: Counter[Ruling] = field(default_factory=Counter[Ruling])

    async def look(self, waiting: Waits) -> None:
        while True:
            for run in [run for run, task in waiting.items() if not task.done()]:
                if await self.phase(run) is AgentPhase.AWAITING_DECISION:
                    await self._decide(run)
            await asyncio.sleep(LOOK_SECONDS)

    async def _decide(self, run: str) -> None:
        try:
            for step in await self.world.platform.pending(run):
                await self._say(run, step)
        except PlatformError:
            return  # the worker was just killed, or the run is over: the next look tells

    async def _say(self, run: str, step: PendingStep) -> None:
        assert (step.waiting, step.tool) == (Waiting.OUTCOME, "post_notice"), step
        happened = f"{run}/{step.step}" in self.world.written("messages")
        ruling = Ruling.DID_HAPPEN if happened else Ruling.DID_NOT_HAPPEN
        decision = StepDecision(
            decision_id=f"chaos-{next(_decisions)}",
            step=step.step,
            digest=step.digest,
            ruling=ruling,
            by="ada",
            reason="looked at the desk",
            result="It is posted." if happened else None,
        )
        reply = await self.world.platform.decide(run, decision)
        if isinstance(reply.came, Accepted):
            self.decided[ruling] += 1


def audit_bill(world: AgentWorld, run: str, result: RunResult, budget: Budget) -> Spend:
    """Fail where a run's money is not in order; returns what is owed.

    Settled <= bill <= settled + unsettled <= budget, and every call that reached the model has a recorded attempt.
    """
    calls = world.stack.stub.bill.calls(run)
    owed, possible = world.stack.stub.bill.spend(run), result.spent + result.unsettled
    for limit in ("input_tokens", "output_tokens", "micro_dollars"):
        known, due, most, all_of_it = (getattr(each, limit) for each in (result.spent, owed, possible, budget))
        assert known <= due <= most <= all_of_it, f"{run}: {limit}: {known} <= {due} <= {most} <= {all_of_it}"
    attempts = world.attempts.of(workflow_id("default", run))
    assert len(calls) <= len(attempts), f"{run}: {len(calls)} calls and {len(attempts)} recorded attempts"
    # A step is an attempt that was not refused before any work was done for it.
    served = sum(call.met != "503" for call in calls)
    steps = (served, possible.steps, budget.steps)
    assert steps == tuple(sorted(steps)), f"{run}: calls that were served, steps and budget: {steps}"
    recorded: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        recorded.setdefault(attempt.step, []).append(attempt)
    for number in {call.turn for call in calls}:
        made = [call.at for call in calls if call.turn == number]
        begun = sorted(one.begun for step, every in recorded.items() if _is(step, number) for one in every)
        assert len(made) <= len(begun), f"{run}: turn {number} has {len(made)} calls and {len(begun)} attempts"
        for at, before in zip(made, begun, strict=False):
            assert before <= at, f"{run}: turn {number} was called before its attempt was recorded"
    for step, every in recorded.items():
        replied = [attempt.number for attempt in every if attempt.reply is not None]
        assert len(replied) <= 1, f"{run}: {step} was bought by the attempts {replied}"
    return owed


def _is(step: str, turn: int) -> bool:
    """Whether the stub counts a step under this turn: it knows no number of a summary."""
    return step == f"think-{turn}" if turn else step.startswith("compact-")


def audit_writes(counted: Iterable[str], expected: Iterable[str]) -> None:
    """Fail where a write happened twice or was lost."""
    wanted = set(expected)
    assert_once([one for one in counted if one in wanted], wanted)
