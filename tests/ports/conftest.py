"""Fixtures with the adapters that the contract tests run against; to add an adapter of a port, add a parameter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from activities.adapters.databases.database import Database
from activities.adapters.databases.open import open_database
from activities.adapters.shared.open import open_shared
from activities.adapters.shared.redis_client import open_redis
from activities.adapters.sql.blobs import SqlBlobs
from activities.adapters.sql.budget_windows import SqlBudgetWindows
from activities.adapters.sql.effect_ledger import SqlEffectLedger
from activities.adapters.stores.minilm import MiniLM
from activities.adapters.stores.open import open_store
from activities.adapters.tokens.open import open_token_log
from activities.ports import (
    BlobStore,
    BudgetWindows,
    EffectLedger,
    Embedder,
    PaidReplies,
    SharedState,
    TokenLog,
    VectorStore,
)
from activities.settings import Database as DatabaseSettings
from activities.settings import Paths, Settings, Shared, Store, Tokens
from deploy.local.weights import weights
from tests.services.weaviate_server import Weaviate, forget_everything
from tests.support.stores.orders import RegisteredReplies


@pytest_asyncio.fixture(params=["lancedb", pytest.param("weaviate", marks=pytest.mark.weaviate)], loop_scope="session")
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[VectorStore, VectorStore]]:
    """An empty vector store, and the same one as another process opens it."""
    store = Store()
    if request.param == "weaviate":
        server: Weaviate = request.getfixturevalue("weaviate")
        store = server.settings
        await forget_everything(store)
    settings = Settings(paths=Paths(state=tmp_path), store=store)
    async with open_store(settings) as first, open_store(settings) as second:
        yield first, second


@pytest.fixture
def store(stores: tuple[VectorStore, VectorStore]) -> VectorStore:
    return stores[0]


@pytest.fixture
def second_store(stores: tuple[VectorStore, VectorStore]) -> VectorStore:
    return stores[1]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def embedder() -> Embedder:
    model, tokenizer = [await asyncio.to_thread(weights.fetch, name) for name in weights.EMBEDDING]
    return MiniLM(model, tokenizer)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Return the settings of an empty database, which any number of processes may open."""
    postgres = request.getfixturevalue("postgres_url") if request.param == "postgres" else None
    return Settings(
        paths=Paths(state=tmp_path / "state"), database=DatabaseSettings.model_validate({"postgres": postgres})
    )


@pytest_asyncio.fixture(loop_scope="session")
async def database(place: Settings) -> AsyncIterator[Database]:
    async with open_database(place) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def reopened(place: Settings) -> AsyncIterator[Database]:
    """The same database, as another process opens it."""
    async with open_database(place) as opened:
        yield opened


@pytest.fixture(params=[SqlBlobs])
def blobs(request: pytest.FixtureRequest, database: Database) -> BlobStore:
    return request.param(database)


@pytest.fixture(params=[RegisteredReplies])
def replies(request: pytest.FixtureRequest, database: Database) -> PaidReplies:
    return request.param(database)


@pytest.fixture(params=[SqlEffectLedger])
def ledger(request: pytest.FixtureRequest, database: Database) -> EffectLedger:
    return request.param(database)


@pytest.fixture(params=[SqlBudgetWindows])
def windows(request: pytest.FixtureRequest, database: Database) -> BudgetWindows:
    return request.param(database)


@pytest_asyncio.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.redis)], loop_scope="session")
async def logs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[TokenLog, TokenLog]]:
    """An empty token log, and the same one as another process opens it."""
    tokens = Tokens()
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        tokens = Tokens(redis=url)
        async with open_redis(url) as redis:
            await redis.flushall()
    settings = Settings(paths=Paths(state=tmp_path), tokens=tokens)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(open_token_log(settings))
        yield first, await stack.enter_async_context(open_token_log(settings))


@pytest.fixture
def log(logs: tuple[TokenLog, TokenLog]) -> TokenLog:
    return logs[0]


@pytest_asyncio.fixture(params=["local", pytest.param("redis", marks=pytest.mark.redis)], loop_scope="session")
async def views(request: pytest.FixtureRequest) -> AsyncIterator[tuple[SharedState, SharedState]]:
    """Two workers' views of an empty shared state: in one process where the state is only shared within one."""
    if request.param == "local":
        async with open_shared(Settings()) as state:
            yield state, state
        return
    url = request.getfixturevalue("redis_url")
    async with open_redis(url) as redis:
        await redis.flushall()
    settings = Settings(shared=Shared(redis=url))
    async with open_shared(settings) as here, open_shared(settings) as there:
        yield here, there
