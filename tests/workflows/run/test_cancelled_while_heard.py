"""A run that ends while it checks a person's decision answers it first; a cancellation does not change its outcome."""

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
    """The guards port. A check of arguments that a person edited waits until `let_go` is set."""

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
    """The platform's own adapters, with guards that wait until the test releases them."""

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
    """Stop time skipping: it would let the policy of a waiting run decide at once."""
    with environment.with_time_skipping_disabled():
        yield


@pytest.fixture(autouse=True)
def unfinished() -> Iterator[list[warnings.WarningMessage]]:
    """Assert that the SDK warns of no unfinished handler."""
    kinds = (UnfinishedUpdateHandlersWarning, UnfinishedSignalHandlersWarning)
    with warnings.catch_warnings(record=True) as caught:
        for kind in kinds:
            warnings.simplefilter("always", kind)
        yield caught
    assert [warning for warning in caught if issubclass(warning.category, kinds)] == []


@pytest_asyncio.fixture(loop_scope="session")
async def parts(client: Client, settings: Settings) -> AsyncIterator[HeldParts]:
    async with AsyncExitStack() as stack:
        parts = await HeldParts.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield parts
        parts.held.let_go.set()


class Run:
    """A run as a client sees it."""

    def __init__(self, client: Client, run: str) -> None:
        self.handle = client.get_workflow_handle(workflow_id("default", run), result_type=RunResult)

    async def goes_on(self) -> bool:
        return (await self.handle.describe()).status is WorkflowExecutionStatus.RUNNING

    async def page(self) -> str:
        return str((await self.handle.query("__temporal_workflow_metadata")).current_details)

    async def handled_cancellation(self) -> bool:
        """Return whether a workflow task was completed after the run was cancelled."""
        return await self._handled("workflow_execution_cancel_requested_event_attributes", 1)

    async def handled_replies(self, replies: int) -> bool:
        """Return whether a workflow task was completed after `replies` of its activities had completed."""
        return await self._handled("activity_task_completed_event_attributes", replies)

    async def _handled(self, attribute: Attributes, count: int) -> bool:
        events = [event async for event in self.handle.fetch_history_events()]
        changes = [event.event_id for event in events if event.HasField(attribute)]
        tasks = [event.event_id for event in events if event.HasField("workflow_task_completed_event_attributes")]
        return len(changes) >= count and tasks[-1] > changes[count - 1]

    async def replies(self) -> int:
        """Return how many of its activities have completed."""
        events = [event async for event in self.handle.fetch_history_events()]
        return sum(event.HasField("activity_task_completed_event_attributes") for event in events)


async def edit_while_guards_wait(
    parts: HeldParts, platform: Platform, handle: Run, step: PendingStep, kind: str
) -> asyncio.Task[object]:
    """Send a decision with edited arguments, and return once the guards that check them wait."""
    edited = says(step, Ruling.APPROVE, arguments=EDITED)
    run = handle.handle.id.partition(":")[2]
    sending = platform.decide(run, edited) if kind == "update" else handle.handle.signal("decide", edited)
    decision_task = asyncio.create_task(sending)
    await asyncio.wait_for(parts.held.asked.wait(), 60)
    return decision_task


async def assert_too_late(decision_task: asyncio.Task[object], kind: str) -> None:
    """Assert that the sender of an update is told that it came too late."""
    reply = await asyncio.wait_for(decision_task, 60)
    if kind == "update":
        decision_outcome = getattr(reply, "came", None)
        assert isinstance(decision_outcome, Rejected)
        assert decision_outcome.reason == "the run is at its end: nothing is called any more"


@pytest.mark.parametrize("kind", ["update", "signal"])
async def test_a_run_that_is_cancelled_while_it_checks_a_decision_answers_it_and_then_is_cancelled(  # noqa: PLR0917 - the world
    parts: HeldParts, platform: Platform, client: Client, stub: StubModel, desk: DeskServer, kind: str
) -> None:
    stub.script = [calls(MESSAGE), answer("Sent.")]
    name = await platform.start_agent("Tell them.", agent="tester")
    run = Run(client, name)
    first_run_id = (await run.handle.describe()).run_id
    [step] = await waits(platform, name)
    decision_task = await edit_while_guards_wait(parts, platform, run, step, kind)
    await platform.cancel(name)

    await until(run.handled_cancellation, what="the run hears that it is cancelled")
    await platform.cancel(name)  # again, while it waits for the guards
    assert await run.goes_on()
    parts.held.let_go.set()
    result = await asyncio.wait_for(platform.result(name), 60)
    await assert_too_late(decision_task, kind)
    assert isinstance(result.outcome, Cancelled)
    assert (result.outcome.phase, result.outcome.unknown) == ("awaiting_approval", ())
    assert desk.desk.received()["messages"] == {}
    assert "at its end" in await run.page(), "the decision is not lost"
    account = await SqlAccounts(parts.database).look("default", first_run_id)
    assert account is not None
    assert (result.spent.steps, result.unsettled, account.reserved) == (1, Spend(), Spend())


@pytest.mark.parametrize("kind", ["update", "signal"])
async def test_a_finished_run_that_is_cancelled_while_it_checks_a_decision_keeps_its_outcome(  # noqa: PLR0917
    parts: HeldParts, platform: Platform, client: Client, stub: StubModel, desk: DeskServer, kind: str
) -> None:
    stub.script = [calls(MESSAGE, MESSAGE, MESSAGE), answer("Sent.")]
    name = await platform.start_agent("Tell them.", agent="tester", budget=Budget(steps=9, tool_calls=1))
    run = Run(client, name)
    *others, last = await waits(platform, name, 3)
    await platform.pause(name, by="ada")
    for step in others:
        await platform.decide(name, says(step, Ruling.APPROVE))
    decision_task = await edit_while_guards_wait(parts, platform, run, last, kind)
    # The budget covers one of the two approved calls: the run only waits for the decision that is being checked.
    replies = await run.replies()
    await platform.resume(name, by="ada")
    await until(lambda: run.handled_replies(replies + 1), what="the run knows that the one message is sent")
    await platform.cancel(name)

    await until(run.handled_cancellation, what="the run hears that it is cancelled")
    assert await run.goes_on()
    parts.held.let_go.set()
    result = await asyncio.wait_for(platform.result(name), 60)
    await assert_too_late(decision_task, kind)
    assert isinstance(result.outcome, Exhausted)
    assert "at its end" in await run.page(), "the decision is not lost"
    assert result.spent.tool_calls == len(desk.desk.received()["messages"]) == 1
