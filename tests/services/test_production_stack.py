"""The chain on every server of production at once: SGLang, Weaviate, PostgreSQL and Redis."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr
from temporalio.client import Client

from activities.settings import Database, Model, Paths, Settings, Shared, Telemetry, Tokens
from deploy.local.commands.index import index_folder
from perdure.client import Platform, workflow_id
from perdure.contracts.runs.run import Answered
from tests.replay import record
from tests.replay.histories import decisions, outcomes, read
from tests.replay.scenario import QUESTION
from tests.services.sglang_server import SGLangServer
from tests.services.test_sglang import CATALOGUE, keys
from tests.services.weaviate_server import Weaviate, forget_everything
from worker import Adapters, WorkerRole, workers

# It runs with SGLang's tests, the slowest to start; the others start in seconds.
pytestmark = [pytest.mark.sglang, pytest.mark.timeout(900)]


@pytest.fixture
def servers(weaviate: Weaviate, postgres_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """The settings of workers that keep nothing themselves."""
    return Settings(
        paths=Paths(state=tmp_path / "state", catalogue=tmp_path / "sglang.toml"),
        store=weaviate.settings,
        database=Database(postgres=SecretStr(postgres_url)),
        tokens=Tokens(redis=SecretStr(redis_url)),
        shared=Shared(redis=SecretStr(redis_url)),
        telemetry=Telemetry(traces=False),
    )


@pytest_asyncio.fixture(loop_scope="session")
async def production(
    client: Client, sglang_server: SGLangServer, servers: Settings, knowledge: Path
) -> AsyncIterator[Path]:
    """The platform's own workers in this process, with nothing embedded but Temporal; yields their state folder."""
    catalogue = CATALOGUE.format(model=sglang_server.model, endpoint=sglang_server.endpoint)
    await asyncio.to_thread(servers.paths.catalogue.write_text, catalogue)
    settings = servers.model_copy(update={"model": Model(api_keys=keys(sglang_server))})
    await forget_everything(settings.store)
    await index_folder(knowledge, settings, tenant="default", collection="handbook")
    async with AsyncExitStack() as stack:
        parts = await Adapters.open(settings, stack)
        for worker in workers(client, settings, parts, list(WorkerRole)):
            await stack.enter_async_context(worker)
        yield settings.paths.state


def kept_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.suffix in {".db", ".lance"})


async def test_a_run_on_the_servers_of_production_has_the_shape_of_the_recorded_one(
    client: Client, production: Path
) -> None:
    platform = Platform(client)
    run = await platform.start(QUESTION, business_id=str(uuid.uuid4()))
    result = await asyncio.wait_for(platform.result(run), 600)
    assert isinstance(result.outcome, Answered)
    assert result.deployment == "sglang"
    fresh = await client.get_workflow_handle(workflow_id("default", run)).fetch_history()
    before = read(record.FOLDER / "answered-with-an-older-edition.json")
    assert decisions(fresh) == decisions(before)
    assert outcomes(fresh) == outcomes(before)
    assert kept_in(production) == [], "what is embedded kept nothing"
