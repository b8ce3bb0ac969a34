"""A failing run lets calls in flight end, and reports what it spent and which writes have an unknown outcome."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity
from temporalio.client import Client

from activities.composition import Activities
from activities.ports import ModelFailed
from activities.settings import Settings, Tools
from deploy.local.stack.desk import DeskServer
from perdure.client import Platform
from perdure.contracts.agents.steps import Act, Acted
from perdure.contracts.runs.run import FailedRun
from perdure.contracts.tool_calls.decisions import InboxEntry
from perdure.errors import RunFailed
from perdure.runs import workflow_id
from tests.support.runs.agent_runs import TICKET, answer, calls, with_agents, write_agent
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until
from worker import Adapters, WorkerRole, workers

READ = ("search_knowledge", {"query": "parental leave"})


class Torn(Adapters):
    """The platform's own adapters, whose connection to some tools breaks at every call."""

    torn: frozenset[str] = frozenset()

    def tools(self) -> Activities:
        return [
            self._tearing(effect) if getattr(effect, "__name__", "") == "act" else effect for effect in super().tools()
        ]

    def _tearing(self, act: Callable[..., Any]) -> Callable[..., Any]:
        @activity.defn(name="act")
        async def torn(ask: Act) -> Acted:
            if ask.tool in self.torn:
                raise ModelFailed("the line broke")
            return await act(ask)

        return torn


@pytest.fixture
def settings(settings: Settings, desk: DeskServer, tmp_path: Path) -> Settings:
    write_agent(tmp_path)
    return with_agents(settings, tmp_path, tools=Tools(services={"desk": desk.url}))


@pytest_asyncio.fixture(loop_scope="session")
async def parts(client: Client, settings: Settings) -> AsyncIterator[Torn]:
    async with AsyncExitStack() as stack:
        parts = await Torn.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield parts


async def failed_run_of(platform: Platform, run: str) -> FailedRun:
    with pytest.raises(RunFailed, match="gave up after 5 attempts, the last of which failed: the line broke") as error:
        await platform.result(run)
    assert error.value.how is not None
    return error.value.how


async def page(client: Client, run: str) -> str:
    handle = client.get_workflow_handle(workflow_id("default", run))
    return str((await handle.query("__temporal_workflow_metadata")).current_details)


async def test_a_write_beside_a_read_that_gives_up_is_done_and_known(
    platform: Platform, client: Client, parts: Torn, stub: StubModel, desk: DeskServer
) -> None:
    parts.torn = frozenset({"search_knowledge"})
    stub.script = [calls(READ, TICKET), answer()]
    run = await platform.start_agent("Do both.", agent="tester")
    failed_run = await failed_run_of(platform, run)
    assert list(desk.desk.received()["tickets"].values()) == [1]
    assert (failed_run.unknown, failed_run.spent.steps, failed_run.spent.tool_calls, failed_run.repeatable) == (
        (),
        1,
        1,
        False,
    )
    head = await page(client, run)
    assert f"`perdure retry {run}`" in head
    assert "another id" not in head, "the ticket would be opened twice"


async def test_a_write_with_an_unknown_outcome_is_in_the_inbox_with_what_to_do(
    platform: Platform, client: Client, parts: Torn, stub: StubModel
) -> None:
    parts.torn = frozenset({"search_knowledge", "create_ticket"})
    stub.script = [calls(READ, TICKET), answer()]
    run = await platform.start_agent("Do both.", agent="tester")
    failed_run = await failed_run_of(platform, run)
    assert failed_run.unknown == ("call-1-2 (create_ticket) may have happened: nobody knows",)
    entries: list[InboxEntry] = []

    async def listed() -> bool:
        nonlocal entries
        entries = [entry for entry in await platform.inbox("default") if entry.business_id == run]
        return bool(entries and entries[0].problem)

    await until(listed, what="the failed run is in the inbox")
    assert entries[0].problem == (
        "the run failed, and call-1-2 (create_ticket) may have happened: nobody knows: look at the other side, then: "
        f"perdure retry {run}"
    )
    assert "**call-1-2 (create_ticket) may have happened: nobody knows**: look at the other side" in await page(
        client, run
    )


async def test_a_failed_run_that_wrote_nothing_waits_for_nobody(
    platform: Platform, parts: Torn, stub: StubModel
) -> None:
    parts.torn = frozenset({"search_knowledge"})
    stub.script = [calls(READ), answer()]
    run = await platform.start_agent("Look.", agent="tester")
    failed_run = await failed_run_of(platform, run)
    assert failed_run.repeatable
    assert [entry for entry in await platform.inbox("default") if entry.business_id == run] == []
