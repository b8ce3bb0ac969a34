"""Agent runs under kills: their stack, a person who settles unknown outcomes, and the audit of results."""

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
"""The seconds between two looks of the person at the runs."""

STUCK_SECONDS = 120.0
"""The seconds after its only kill in which a run must end; otherwise it is stuck."""

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
[loops]
told = 0
stuck = 0
[compaction]
at = 0.1
tokens = 64
[tools.read_log]
"""
"""An agent that summarizes its turns once they fill a tenth of the stub's context window."""

TOOLS = Path(__file__).resolve().parent / "tools"

Waits: TypeAlias = "dict[str, asyncio.Task[RunResult]]"
"""The tasks that wait for the end of runs, by run."""

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
        """Return when a run ended, in seconds of the epoch."""
        closed = (await self.platform.status(run)).closed
        assert closed is not None, f"{run} is not over"
        return closed.timestamp()

    def written(self, kind: str) -> list[str]:
        """Return all writes that the desk stores, as `run/step`. Reading its file costs no request."""
        query = "select fields from kept where kind = ? order by id"
        with closing(_opened(self.stack.state / "desk.db")) as database:
            entries = [json.loads(fields) for (fields,) in database.execute(query, (kind,))]
        return [f"{entry.get('title', entry.get('to'))}/{entry['text']}" for entry in entries]

    def ledger(self, run: str, tool: str) -> list[str]:
        """Return the states of a run's calls of a tool in the ledger, in order: `intended`, `told`, ..."""
        query = """
            select json_extract(event, '$.happening') from ledger_events as one
            where workflow_id = ? and exists (
                select 1 from ledger_events as first where first.run_id = one.run_id and first.step = one.step
                and json_extract(first.event, '$.call.tool') = ?
            ) order by step, number
        """
        with closing(_opened(self.stack.state / "perdure.db")) as database:
            return [str(state) for (state,) in database.execute(query, (workflow_id("default", run), tool))]


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=20)


@dataclass
class Onlooker(ABC):
    """Looks at runs again and again until they end; subclasses act on what they see."""

    world: AgentWorld

    async def results(self, runs: Sequence[str], *, within: float = STUCK_SECONDS) -> dict[str, RunResult]:
        """Return the results of the runs. Fails if one takes longer than `within` seconds, or if `look` ends before."""
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
        """Look at the waiting runs. It is cancelled when they are over."""

    async def phase(self, run: str) -> object:
        """Return what a run does now."""
        return (await self.world.platform.status(run)).phase


@dataclass
class Person(Onlooker):
    """A person who settles calls of unknown outcome by what the desk shows."""

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
                await self._settle(run, step)
        except PlatformError:
            return  # the worker was just killed, or the run is over: the next look finds out

    async def _settle(self, run: str, step: PendingStep) -> None:
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
    """Return what a run owes, and fail if its amounts are wrong.

    Settled <= bill <= settled + unsettled <= budget, and every call that reached the model has a recorded attempt.
    """
    calls = world.stack.stub.bill.calls(run)
    run_bill, possible = world.stack.stub.bill.spend(run), result.spent + result.unsettled
    for limit in ("input_tokens", "output_tokens", "micro_dollars"):
        known, billed_amount, most, budget_limit = (
            getattr(spend, limit) for spend in (result.spent, run_bill, possible, budget)
        )
        assert known <= billed_amount <= most <= budget_limit, (
            f"{run}: {limit}: {known} <= {billed_amount} <= {most} <= {budget_limit}"
        )
    attempts = world.attempts.of(workflow_id("default", run))
    assert len(calls) <= len(attempts), f"{run}: {len(calls)} calls and {len(attempts)} recorded attempts"
    # A step is an attempt that was not refused before the model did any work.
    served = sum(call.met != "503" for call in calls)
    steps = (served, possible.steps, budget.steps)
    assert steps == tuple(sorted(steps)), f"{run}: calls that were served, steps and budget: {steps}"
    recorded: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        recorded.setdefault(attempt.step, []).append(attempt)
    for number in {call.turn for call in calls}:
        call_times = [call.at for call in calls if call.turn == number]
        begin_times = sorted(
            attempt.begun
            for step, attempts_of_step in recorded.items()
            if _is_step_of_turn(step, number)
            for attempt in attempts_of_step
        )
        assert len(call_times) <= len(begin_times), (
            f"{run}: turn {number} has {len(call_times)} calls and {len(begin_times)} attempts"
        )
        for call_time, attempt_time in zip(call_times, begin_times, strict=False):
            assert attempt_time <= call_time, f"{run}: turn {number} was called before its attempt was recorded"
    for step, attempts_of_step in recorded.items():
        replying = [attempt.number for attempt in attempts_of_step if attempt.reply is not None]
        assert len(replying) <= 1, f"{run}: {step} was bought by the attempts {replying}"
    return run_bill


def _is_step_of_turn(step: str, turn: int) -> bool:
    """Return whether the stub counts a step under this turn; it counts every summary under turn 0."""
    return step == f"think-{turn}" if turn else step.startswith("compact-")


def audit_writes(stored: Iterable[str], expected: Iterable[str]) -> None:
    """Fail where a write happened twice or was lost."""
    expected_writes = set(expected)
    assert_once([write for write in stored if write in expected_writes], expected_writes)
