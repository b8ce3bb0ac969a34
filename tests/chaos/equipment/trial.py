"""One trial: a run, the moment at which its worker is killed, the standby worker, and the run's result."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle

from deploy.testing.standby_workers import StandbyWorkers
from perdure.client import Platform, workflow_id
from perdure.contracts.budget import Budget
from perdure.contracts.runs.run import RunResult
from perdure.testing.kills import named
from tests.chaos.equipment.ledger import Attempts, audit
from tests.chaos.equipment.processes import Stub

QUESTION = "How many weeks of parental leave are paid in full?"

RUN_SECONDS = 90.0
"""The seconds after a kill in which a run must end: a heartbeat and a sticky queue time out in seconds."""


@dataclass(frozen=True)
class Trial:
    """The record of one run and its kill."""

    workflow_id: str
    point: str
    """Where the worker was killed."""
    recovery: float
    """Seconds from the kill to the run's end."""
    calls: int
    result: RunResult
    events: tuple[HistoryEvent, ...]

    @property
    def longest_wait(self) -> str:
        """Return the longest pause between two events and the event that ended it: it explains the recovery time."""
        pauses = [
            (later.event_time.ToDatetime() - earlier.event_time.ToDatetime(), named(later, self.events))
            for earlier, later in pairwise(self.events)
        ]
        pause, ended_by = max(pauses)
        return f"{pause.total_seconds():.1f} s until {ended_by}"

    @property
    def generations(self) -> int:
        """Return how often the paid effect was scheduled."""
        return sum(named(event, self.events) == "activity_task_scheduled generate" for event in self.events)


class Run:
    """A run that has been started, as the moments of a kill see it."""

    def __init__(
        self, handle: WorkflowHandle[object, object], stub: Stub, attempts: Attempts, calls_before: int
    ) -> None:
        self.handle = handle
        self.stub = stub
        self._attempts = attempts
        self._calls_before = calls_before

    def calls(self) -> list[float]:
        """Return the model calls since this run began. Trials run one after another."""
        return self.stub.calls()[self._calls_before :]

    def attempts(self) -> Attempts:
        """Return the platform's own table of attempts."""
        return self._attempts


Moment = Callable[[Run], Awaitable[str]]
"""Waits until the kill is due, and returns the name of the moment."""


class Workers:
    """A serving worker and a standby worker, so that a trial never waits for imports."""

    def __init__(self, workers: StandbyWorkers) -> None:
        self._workers = workers

    async def ready(self) -> None:
        """Ensure a serving worker and a warm standby."""
        await asyncio.to_thread(self._workers.ready)

    async def kill(self) -> float:
        """Kill the serving worker, let the standby take over, and return the time of the kill."""
        killed = await asyncio.to_thread(self._workers.kill)
        await asyncio.to_thread(self._workers.promote)
        return killed


@dataclass(frozen=True)
class World:
    """What every trial shares: one server, one stub model, one state folder, and the workers."""

    client: Client
    stub: Stub
    attempts: Attempts
    workers: Workers

    async def trial(self, moment: Moment, *script: object) -> Trial:
        """Start a run, kill its worker at the moment, and audit the result."""
        await self.workers.ready()
        run = await self.start(*script)
        point = await asyncio.wait_for(moment(run), RUN_SECONDS)
        killed = await self.workers.kill()
        return await self.end(run, point, killed)

    async def start(self, *script: object) -> Run:
        """Start a run whose model calls get the script's replies."""
        self.stub.script(*script)
        calls_before = len(self.stub.calls())
        name = await Platform(self.client).start(QUESTION, business_id=f"chaos-{uuid.uuid4()}")
        handle = self.client.get_workflow_handle(workflow_id("default", name))
        return Run(handle, self.stub, self.attempts, calls_before)

    async def end(self, run: Run, point: str, since: float) -> Trial:
        """Wait for the run's end, and audit it."""
        name = run.handle.id.partition(":")[2]
        result = await asyncio.wait_for(Platform(self.client).result(name), RUN_SECONDS)
        recovery = time.monotonic() - since
        audit(result, self.attempts.of(run.handle.id), run.calls(), Budget())
        history = await run.handle.fetch_history()
        return Trial(run.handle.id, point, recovery, len(run.calls()), result, tuple(history.events))
