"""A run that waits for an approval while its workers and their database are upgraded asks again, and says so."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, delete, update
from temporalio.client import Client

from activities.adapters.databases.open import open_database
from activities.adapters.databases.tables import accounts, recorded_decisions, runs, upgrades
from activities.adapters.sql.runs import SqlRuns
from activities.settings import Settings
from deploy.local.stack.desk import Desk
from perdure.client import Platform
from perdure.contracts.runs.run import Answered
from perdure.contracts.tool_calls.decisions import Accepted
from tests.support.runs.people import calls, decision, message, waiting
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until
from worker import Adapters, WorkerRole, workers
from workflows.agent_parts import binding


def as_the_version_before_left_it(connection: Connection) -> None:
    """Leave the database as the previous version did: no run is registered, no decision is recorded."""
    for table in (runs, accounts, recorded_decisions):
        connection.execute(delete(table))
    connection.execute(update(upgrades).values(at=datetime.now(UTC).isoformat()))


def unknown(_: str) -> bool:
    """Return False: the previous version knew no patch of this one."""
    return False


async def serve(stack: AsyncExitStack, client: Client, settings: Settings) -> None:
    """Start workers of every role."""
    parts = await Adapters.open(settings, stack)
    for worker in workers(client, settings, parts, list(WorkerRole)):
        await stack.enter_async_context(worker)


async def test_a_run_that_waits_through_the_upgrade_is_asked_about_again_and_writes_once(
    platform: Platform, client: Client, settings: Settings, stub: StubModel, desk: Desk
) -> None:
    stub.script = [calls(message()), {"content": "Done."}]
    async with AsyncExitStack() as previous:
        # The previous version recorded no decisions, so its histories hold none.
        previous_workflow: Any = SimpleNamespace(patched=unknown, info=binding.workflow.info)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(binding, "workflow", previous_workflow)
            await serve(previous, client, settings)
            run = await platform.start_agent("Write to bob.", agent="clerk", started_by="sam")
            await waiting(platform, run)
            await previous.aclose()
    async with open_database(settings) as database:
        await database.write(as_the_version_before_left_it)
    first_run_id = (await client.get_workflow_handle(f"default:{run}").describe()).run_id
    async with AsyncExitStack() as upgraded:
        await serve(upgraded, client, settings)
        [step] = await waiting(platform, run)
        assert isinstance((await platform.decide(run, decision(step, "ann"))).came, Accepted)

        async def asked_again() -> bool:
            return any(pending_step.digest != step.digest for pending_step in await platform.pending(run))

        await until(asked_again, what="the call is asked about again", every=0.05)
        page = await client.get_workflow_handle(f"default:{run}").query("__temporal_workflow_metadata")
        assert "is not recorded: it is asked again" in str(page)
        [step_again] = await waiting(platform, run)
        assert desk.received()["messages"] == {}
        assert isinstance((await platform.decide(run, decision(step_again, "ann"))).came, Accepted)
        assert isinstance((await platform.result(run)).outcome, Answered)
    assert len(desk.kept()["messages"]) == 1
    async with open_database(settings) as database:
        registered = await SqlRuns(database).look("default", first_run_id)
    # What it began with, the server has kept.
    assert registered is not None
    assert (registered.started_by, registered.budget.tool_calls) == ("sam", 24)
