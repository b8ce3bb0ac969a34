"""A question is screened while it is answered: no token is shown before the verdict, and a refusal stops the call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from activities.adapters.sql.paid_replies import SqlPaidReplies
from activities.ports import End, Guards, LogEntry, Piece, Position, Reset, TokenLog
from activities.settings import ROOT, Settings
from perdure.client import Platform
from perdure.contracts.budget import Spend
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.runs.run import Answered, Phase, Refused
from tests.support.faults.held_guards import HeldGuards
from tests.support.runs.agent_runs import with_agents
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until
from worker import Adapters, WorkerRole, workers

QUESTION = "How many weeks of parental leave are paid in full?"
SECRET = f'{QUESTION} aws_secret = "AKIAIOSFODNN7EXAMPLE"'


class HeldParts(Adapters):
    """The platform's own adapters, with guards that wait until the test releases them."""

    held: HeldGuards

    def guard_library(self) -> Guards:
        self.held = HeldGuards(super().guard_library())
        return self.held


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Add a chain that screens first to the handbook's own chain."""
    handbook = (ROOT / "agents" / "handbook.toml").read_text()
    (tmp_path / "handbook.toml").write_text(handbook)
    (tmp_path / "screened-first.toml").write_text(f'screening = "first"\n{handbook}')
    return with_agents(settings, tmp_path)


@pytest_asyncio.fixture(loop_scope="session")
async def parts(client: Client, settings: Settings) -> AsyncIterator[HeldParts]:
    async with AsyncExitStack() as stack:
        parts = await HeldParts.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield parts


async def key_of(platform: Platform, run: str) -> StepKey:
    status = await platform.status(run)
    return StepKey(tenant="default", workflow_id=status.workflow_id, run_id=status.temporal_run_id, step="generate")


async def log_entries(log: TokenLog, key: StepKey) -> list[LogEntry]:
    return [entry async for entry in log.read(key)]


async def test_a_refusal_closes_the_providers_socket_and_settles_what_is_known(
    platform: Platform, stub: StubModel, parts: HeldParts
) -> None:
    stub.script = ["hang"]
    run = await platform.start(SECRET)
    await asyncio.wait_for(asyncio.to_thread(stub.called.wait), 30)
    assert not stub.closed
    parts.held.let_go.set()
    result = await platform.result(run)
    assert isinstance(result.outcome, Refused)
    await until(lambda: bool(stub.closed), what="the provider sees the socket closed")
    assert stub.calls == 1
    assert result.spent == Spend(steps=1)
    assert result.unsettled.output_tokens > 0


async def test_nothing_is_shown_before_the_verdict_and_all_of_it_after(
    platform: Platform, stub: StubModel, parts: HeldParts
) -> None:
    run = await platform.start(QUESTION)
    await asyncio.wait_for(asyncio.to_thread(stub.called.wait), 30)
    key = await key_of(platform, run)
    reading = asyncio.create_task(log_entries(parts.log, key))
    replies = SqlPaidReplies(parts.database)

    async def saved() -> bool:
        return (await replies.attempts(key)).get(1) is not None

    await until(saved, what="the reply is saved")
    assert not reading.done()
    parts.held.let_go.set()
    result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    first, *pieces, last = await asyncio.wait_for(reading, 10)
    text = "".join(piece.text for piece in pieces if isinstance(piece, Piece))
    assert isinstance(first, Reset)
    assert text
    assert last == End(Position(1, len(text)))


async def test_a_refused_question_shows_nothing_even_to_who_reads_on(
    platform: Platform, stub: StubModel, parts: HeldParts
) -> None:
    run = await platform.start(SECRET)
    await asyncio.wait_for(asyncio.to_thread(stub.called.wait), 30)
    key = await key_of(platform, run)
    reading = asyncio.create_task(log_entries(parts.log, key))
    parts.held.let_go.set()
    assert isinstance((await platform.result(run)).outcome, Refused)
    done, _ = await asyncio.wait([reading], timeout=1)
    reading.cancel()
    assert not any(isinstance(entry, Piece) for task in done for entry in task.result())


async def test_a_chain_may_ask_to_be_screened_first(platform: Platform, stub: StubModel, parts: HeldParts) -> None:
    run = await platform.start(QUESTION, chain="screened-first")
    await asyncio.wait_for(parts.held.asked.wait(), 30)
    assert (await platform.status(run)).phase is Phase.ROUTING
    assert stub.calls == 0
    parts.held.let_go.set()
    result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    entries = await log_entries(parts.log, await key_of(platform, run))
    assert any(isinstance(entry, Piece) for entry in entries)
