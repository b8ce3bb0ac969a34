"""A run that ends while somebody is being heard answers them first, and ends as it was to, also if cancelled then."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment
from temporalio.workflow import UnfinishedSignalHandlersWarning, UnfinishedUpdateHandlersWarning

from activities.adapters.sql.accounts import SqlAccounts
from activities.ports import Guards, Subject
from activities.settings import Settings, Tools
from deploy.local.stack.desk import DeskServer
from perdure.client import Platform
from perdure.contracts.budget import Budget, Spend
from perdure.contracts.guards import GuardSpec, Verdict
from perdure.contracts.runs.run import Cancelled, Exhausted, RunResult
from perdure.contracts.tool_calls.decisions import PendingStep, Rejected, Ruling
from perdure.runs import workflow_id
from tests.support.runs.agent_runs import MESSAGE, answer, calls, says, waits, with_agents, write_agent
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until
from worker import Adapters, WorkerRole, workers

GUARDED = '[[arguments]]\nguard = "secrets_present"\n'

Attributes = Literal["workflow_execution_cancel_requested_event_attributes", "activity_task_completed_event_attributes"]

EDITED = {"to": "facilities", "text": "Twenty weeks."}


class HeldGuards:
    """The guards port. What looks at words that a person has edited waits until `let_go` is set."""

    def __init__(self, guards: Guards) -> None:
        self._guards = guards
        self.asked = asyncio.Event()
        """Set once they wait."""
        self.let_go = asyncio.Event()

    async def run(self, guards: Sequence[GuardSpec], subject: Subject) -> tuple[Verdict, ...]:
        if EDITED["text"] in subject.text:
            self.asked.set()
            await self.let_go.wait()
        return await self._guards.run(guards, subject)


class HeldParts(Adapters):
    """The platform's own parts, with guards that are let go by the test."""

    held: HeldGuards

    def guard_library(self) -> Guards:
        self.held = HeldGuards(super().guard_library())
        return self.held


@pytest.fixture
def settings(settings: Settings, desk: DeskServer, tmp_path: Path) -> Settings:
    write_agent(tmp_path, after=GUARDED)
    return with_agents(settings, tmp_path, tools=Tools(services={"desk": desk.url}))


@pytest.fixture(autouse=True)
def real_time(environment: WorkflowEnvironment) -> Iterator[None]:
    """Clocks do not skip: a run that waits for people would have its policy speak at once."""
    with environment.with_time_skipping_disabled():
        yield


@pytest.fixture(autouse=True)
def unfinished() -> Iterator[list[warnings.WarningMessage]]:
    """What the SDK warns of handlers that a run has left behind: nothing."""
    kinds = (UnfinishedUpdateHandlersWarning, UnfinishedSignalHandlersWarning)
    with warnings.catch_warnings(record=True) as heard:
        for kind in kinds:
            warnings.simplefilter("always", kind)
        yield heard
    assert [one for one in heard if issubclass(one.category, kinds)] == []


@pytest_asyncio.fixture(loop_scope="session")
async def parts(client: Client, settings: Settings) -> AsyncIterator[HeldParts]:
    async with AsyncExitStack() as stack:
        parts = await HeldParts.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield parts
        parts.held.let_go.set()


class Run:
    """A run, and what is seen of it from outside."""

    def __init__(self, client: Client, run: str) -> None:
        self.handle = client.get_workflow_handle(workflow_id("default", run), result_type=RunResult)

    async def goes_on(self) -> bool:
        return (await self.handle.describe()).status is WorkflowExecutionStatus.RUNNING

    async def page(self) -> str:
        return str((await self.handle.query("__temporal_workflow_metadata")).current_details)

    async def knows_that_it_is_cancelled(self) -> bool:
        """Whether a task of it was completed after somebody cancelled it."""
        return await self._knows("workflow_execution_cancel_requested_event_attributes", 1)

    async def knows_of(self, replies: int) -> bool:
        """Whether a task of it was completed after so many of its activities had told what came of them."""
        return await self._knows("activity_task_completed_event_attributes", replies)

    async def _knows(self, what: Attributes, count: int) -> bool:
        events = [event async for event in self.handle.fetch_history_events()]
        news = [one.event_id for one in events if one.HasField(what)]
        done = [one.event_id for one in events if one.HasField("workflow_task_completed_event_attributes")]
        return len(news) >= count and done[-1] > news[count - 1]

    async def replies(self) -> int:
        """How many of its activities have told what came of them."""
        events = [event async for event in self.handle.fetch_history_events()]
        return sum(one.HasField("activity_task_completed_event_attributes") for one in events)


async def being_heard(
    parts: HeldParts, platform: Platform, handle: Run, step: PendingStep, kind: str
) -> asyncio.Task[object]:
    """Somebody edits a call, and the guards that look at what they wrote do not come to an end."""
    said = says(step, Ruling.APPROVE, arguments=EDITED)
    run = handle.handle.id.partition(":")[2]
    speaking = platform.decide(run, said) if kind == "update" else handle.handle.signal("decide", said)
    telling = asyncio.create_task(speaking)
    await asyncio.wait_for(parts.held.asked.wait(), 60)
    return telling


async def told(telling: asyncio.Task[object], kind: str) -> None:
    """Who sent an update is told that it came too late."""
    reply = await asyncio.wait_for(telling, 60)
    if kind == "update":
        came = getattr(reply, "came", None)
        assert isinstance(came, Rejected)
        assert came.reason == "the run is at its end: nothing is called any more"


@pytest.mark.parametrize("kind", ["update", "signal"])
async def test_a_run_that_is_cancelled_answers_who_is_being_heard_and_then_is_cancelled(  # noqa: PLR0917 - the world
    parts: HeldParts, platform: Platform, client: Client, stub: StubModel, desk: DeskServer, kind: str
) -> None:
    stub.script = [calls(MESSAGE), answer("Sent.")]
    name = await platform.start_agent("Tell them.", agent="tester")
    run = Run(client, name)
    first = (await run.handle.describe()).run_id
    [step] = await waits(platform, name)
    telling = await being_heard(parts, platform, run, step, kind)
    await platform.cancel(name)

    await until(run.knows_that_it_is_cancelled, what="the run hears that it is cancelled")
    await platform.cancel(name)  # once more, while it waits for them
    assert await run.goes_on()
    parts.held.let_go.set()
    result = await asyncio.wait_for(platform.result(name), 60)
    await told(telling, kind)
    assert isinstance(result.outcome, Cancelled)
    assert (result.outcome.phase, result.outcome.unknown) == ("awaiting_approval", ())
    assert desk.desk.received()["messages"] == {}
    assert "at its end" in await run.page(), "the decision is not lost"
    account = await SqlAccounts(parts.database).look("default", first)
    assert account is not None
    assert (result.spent.steps, result.unsettled, account.reserved) == (1, Spend(), Spend())


@pytest.mark.parametrize("kind", ["update", "signal"])
async def test_a_run_that_is_over_and_is_cancelled_while_somebody_is_heard_ends_as_it_was_to(  # noqa: PLR0917
    parts: HeldParts, platform: Platform, client: Client, stub: StubModel, desk: DeskServer, kind: str
) -> None:
    stub.script = [calls(MESSAGE, MESSAGE, MESSAGE), answer("Sent.")]
    name = await platform.start_agent("Tell them.", agent="tester", budget=Budget(steps=9, tool_calls=1))
    run = Run(client, name)
    *others, last = await waits(platform, name, 3)
    await platform.pause(name, by="ada")
    for step in others:
        await platform.decide(name, says(step, Ruling.APPROVE))
    telling = await being_heard(parts, platform, run, last, kind)
    # Of the two that are agreed to, the budget covers one: the run is over, but for who is being heard.
    replies = await run.replies()
    await platform.resume(name, by="ada")
    await until(lambda: run.knows_of(replies + 1), what="the run knows that the one message is sent")
    await platform.cancel(name)

    await until(run.knows_that_it_is_cancelled, what="the run hears that it is cancelled")
    assert await run.goes_on()
    parts.held.let_go.set()
    result = await asyncio.wait_for(platform.result(name), 60)
    await told(telling, kind)
    assert isinstance(result.outcome, Exhausted)
    assert "at its end" in await run.page(), "the decision is not lost"
    assert result.spent.tool_calls == len(desk.desk.received()["messages"]) == 1
