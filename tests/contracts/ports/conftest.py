"""The adapters that the contract tests are run against; a second adapter of a port joins by one more parameter."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from activities.adapters.lancedb_store import LanceStore
from activities.adapters.minilm import MiniLM
from activities.adapters.sql_blobs import SqlBlobs
from activities.adapters.sql_database import Database, open_database
from activities.adapters.sql_paid_replies import SqlPaidReplies
from activities.ports import BlobStore, Embedder, PaidReplies, VectorStore
from deploy.local import weights


@pytest.fixture
def store(tmp_path: Path) -> VectorStore:
    return LanceStore(tmp_path / "index")


@pytest.fixture
def second_store(store: VectorStore, tmp_path: Path) -> VectorStore:
    """The same index, opened as another process opens it."""
    assert isinstance(store, LanceStore)
    return LanceStore(tmp_path / "index")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def embedder() -> Embedder:
    model, tokenizer = [await asyncio.to_thread(weights.fetch, name) for name in weights.EMBEDDING]
    return MiniLM(model, tokenizer)


@pytest_asyncio.fixture(loop_scope="session")
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = open_database(tmp_path / "state" / "perdure.db")
    yield opened
    await opened.dispose()


@pytest.fixture(params=[SqlBlobs])
def blobs(request: pytest.FixtureRequest, database: Database) -> BlobStore:
    return request.param(database)


@pytest.fixture(params=[SqlPaidReplies])
def replies(request: pytest.FixtureRequest, database: Database) -> PaidReplies:
    return request.param(database)
