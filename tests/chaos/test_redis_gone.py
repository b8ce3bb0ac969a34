"""Redis is gone for ten seconds: the run goes on without its tokens, logs it once, and the next run streams again."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr
from structlog.testing import capture_logs
from temporalio.client import Client

from activities.adapters.tokens.open import open_token_log
from activities.ports import LogEntry, Piece
from activities.settings import Settings, Tokens
from perdure.client import Platform
from perdure.contracts.chains.steps import StepKey
from perdure.contracts.runs.run import Answered
from tests.chaos.equipment.processes import Server
from tests.services.redis_server import RedisServer
from tests.support.servers.stub_model import StubModel
from tests.support.waiting import until
from worker import Adapters, WorkerRole, workers
from workflows.plugin import PerdurePlugin

pytestmark = [pytest.mark.chaos, pytest.mark.redis]

QUESTION = "How many weeks of parental leave are paid in full?"
GONE_SECONDS = 10.0
GAP_SECONDS = 3.0
"""The pause in seconds between two of the six events of the stub's stream."""


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def settings(settings: Settings, redis: RedisServer) -> Settings:
    return settings.model_copy(update={"tokens": Tokens(redis=SecretStr(redis.url))})


@pytest_asyncio.fixture(loop_scope="session")
async def platform(server: Server, settings: Settings) -> AsyncIterator[Platform]:
    """Start workers on a server without time skipping: retries keep their own times."""
    client = await Client.connect(server.address, plugins=[PerdurePlugin()])
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        platform = Platform(client)
        # Modules that load at the first question would delay this process's reads of Redis.
        await platform.ask(QUESTION)
        yield platform


async def log_entries(platform: Platform, run: str, settings: Settings, most: int) -> list[LogEntry]:
    """Return the first `most` entries of a run's token log, or all of them if it ends before."""
    status = await platform.status(run)
    key = StepKey(tenant="default", workflow_id=status.workflow_id, run_id=status.temporal_run_id, step="generate")
    entries: list[LogEntry] = []
    async with open_token_log(settings) as log:
        async for entry in log.read(key):
            entries.append(entry)
            if len(entries) == most:
                break
    return entries


@pytest.mark.parametrize("failure_kind", ["killed", "paused"])
async def test_a_run_goes_on_while_redis_is_gone(
    platform: Platform, redis: RedisServer, settings: Settings, stub: StubModel, failure_kind: str
) -> None:
    stub.calls, stub.script = 0, [{"gap": GAP_SECONDS}]
    with capture_logs() as events:
        run = await platform.start(QUESTION)
        # A reset and a piece: the reply is half written.
        assert isinstance((await log_entries(platform, run, settings, 2))[-1], Piece)
        gone_since = time.monotonic()
        if failure_kind == "killed":
            redis.kill()
        else:
            redis.pause()
        await until(lambda: time.monotonic() - gone_since >= GONE_SECONDS, what="Redis was gone for long enough")
        if failure_kind == "killed":
            redis.start()
        else:
            redis.go_on()
        result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    assert stub.calls == 1
    assert result.unsettled.steps == 0
    [event_of_loss] = [event for event in events if event["event"] == "tokens_lost"]
    assert (event_of_loss["paid_attempt"], event_of_loss["error"]) == (1, "StorageFailed")
    assert str(event_of_loss["reason"]).startswith(f"Redis at {redis.url.split('@')[1]} ")

    next_run = await platform.start(QUESTION)
    assert isinstance((await platform.result(next_run)).outcome, Answered)
    assert any(isinstance(entry, Piece) for entry in await log_entries(platform, next_run, settings, 100))


async def test_a_run_that_begins_while_redis_is_gone_answers_once_its_gate_can_be_opened(
    platform: Platform, redis: RedisServer, stub: StubModel
) -> None:
    redis.kill()
    gone_since, stub.calls = time.monotonic(), 0
    run = await platform.start(QUESTION)
    await until(lambda: time.monotonic() - gone_since >= GONE_SECONDS, what="Redis was gone for long enough")
    redis.start()
    result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    assert stub.calls == 1
