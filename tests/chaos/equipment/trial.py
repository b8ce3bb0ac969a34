"""One trial: a run, the moment at which its worker dies, the worker that takes over, and what the run came to."""

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
"""A run that is not over this long after a kill is stuck: a heartbeat and a sticky queue time out in seconds."""


@dataclass(frozen=True)
class Trial:
    """What one run went through."""

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
        """The longest pause between two events, and what ended it: where the recovery went."""
        pauses = [
            (later.event_time.ToDatetime() - earlier.event_time.ToDatetime(), named(later, self.events))
            for earlier, later in pairwise(self.events)
        ]
        pause, ended_by = max(pauses)
        return f"{pause.total_seconds():.1f} s until {ended_by}"

    @property
    def generations(self) -> int:
        """How often the paid effect was scheduled."""
        return sum(named(event, self.events) == "activity_task_scheduled generate" for event in self.events)


class Run:
    """A run that has been started, as the moments of a kill see it."""

    def __init__(self, handle: WorkflowHandle[object, object], stub: Stub, attempts: Attempts, before: int) -> None:
        self.handle = handle
        self.stub = stub
        self._attempts = attempts
        self._before = before

    def calls(self) -> list[float]:
        """The model calls since this run began. Trials run one after another."""
        return self.stub.calls()[self._before :]

    def attempts(self) -> Attempts:
        """The platform's own record."""
        return self._attempts


Moment = Callable[[Run], Awaitable[str]]
"""Returns, with the moment's name, when the kill is due."""


class Workers:
    """One worker that serves and one that stands by, so that a trial never waits for imports."""

    def __init__(self, workers: StandbyWorkers) -> None:
        self._workers = workers

    async def ready(self) -> None:
        """Have a worker that serves, and a warm one."""
        await asyncio.to_thread(self._workers.ready)

    async def kill(self) -> float:
        """Kill the one that serves and let the other take over; returns the moment of the kill."""
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
        """Start a run, kill its worker at the moment, and audit what came of it."""
        await self.workers.ready()
        run = await self.start(*script)
        point = await asyncio.wait_for(moment(run), RUN_SECONDS)
        killed = await self.workers.kill()
        return await self.end(run, point, killed)

    async def start(self, *script: object) -> Run:
        """Start a run whose calls meet the script."""
        self.stub.script(*script)
        before = len(self.stub.calls())
        name = await Platform(self.client).start(QUESTION, business_id=f"chaos-{uuid.uuid4()}")
        handle = self.client.get_workflow_handle(workflow_id("default", name))
        return Run(handle, self.stub, self.attempts, before)

    async def end(self, run: Run, point: str, since: float) -> Trial:
        """Wait for the run's end, and audit it."""
        name = run.handle.id.partition(":")[2]
        result = await asyncio.wait_for(Platform(self.client).result(name), RUN_SECONDS)
        recovery = time.monotonic() - since
        audit(result, self.attempts.of(run.handle.id), run.calls(), Budget())
        history = await run.handle.fetch_history()
        return Trial(run.handle.id, point, recovery, len(run.calls()), result, tuple(history.events))
