"""Redis is gone for ten seconds: the run goes on without its words, says so once, and the next run is heard again."""

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
"""Between two events of the stub's stream, of which there are six."""


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
    """Workers on a server whose clock skips nothing: what is tried again is tried in its own time."""
    client = await Client.connect(server.address, plugins=[PerdurePlugin()])
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        platform = Platform(client)
        # What loads at the first question would keep this process from hearing Redis in time.
        await platform.ask(QUESTION)
        yield platform


async def heard(platform: Platform, run: str, settings: Settings, most: int) -> list[LogEntry]:
    """So many entries of what a run says, or all until its end."""
    status = await platform.status(run)
    key = StepKey(tenant="default", workflow_id=status.workflow_id, run_id=status.temporal_run_id, step="generate")
    entries: list[LogEntry] = []
    async with open_token_log(settings) as log:
        async for entry in log.read(key):
            entries.append(entry)
            if len(entries) == most:
                break
    return entries


@pytest.mark.parametrize("how", ["killed", "paused"])
async def test_a_run_goes_on_while_redis_is_gone(
    platform: Platform, redis: RedisServer, settings: Settings, stub: StubModel, how: str
) -> None:
    stub.calls, stub.script = 0, [{"gap": GAP_SECONDS}]
    with capture_logs() as events:
        run = await platform.start(QUESTION)
        # Its beginning, and a piece: it is in the middle.
        assert isinstance((await heard(platform, run, settings, 2))[-1], Piece)
        gone = time.monotonic()
        if how == "killed":
            redis.kill()
        else:
            redis.pause()
        await until(lambda: time.monotonic() - gone >= GONE_SECONDS, what="Redis was gone for long enough")
        if how == "killed":
            redis.start()
        else:
            redis.go_on()
        result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    assert stub.calls == 1
    assert result.unsettled.steps == 0
    [lost] = [event for event in events if event["event"] == "tokens_lost"]
    assert (lost["paid_attempt"], lost["error"]) == (1, "StorageFailed")
    assert str(lost["reason"]).startswith(f"Redis at {redis.url.split('@')[1]} ")

    again = await platform.start(QUESTION)
    assert isinstance((await platform.result(again)).outcome, Answered)
    assert any(isinstance(entry, Piece) for entry in await heard(platform, again, settings, 100))


async def test_a_run_that_begins_while_redis_is_gone_answers_once_its_gate_can_be_opened(
    platform: Platform, redis: RedisServer, stub: StubModel
) -> None:
    redis.kill()
    gone, stub.calls = time.monotonic(), 0
    run = await platform.start(QUESTION)
    await until(lambda: time.monotonic() - gone >= GONE_SECONDS, what="Redis was gone for long enough")
    redis.start()
    result = await platform.result(run)
    assert isinstance(result.outcome, Answered)
    assert stub.calls == 1
