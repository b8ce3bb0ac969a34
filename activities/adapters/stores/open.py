"""Opens the store of documents that the settings name."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from activities.ports import VectorStore
from activities.settings import Settings


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncGenerator[VectorStore]:
    """The store, for as long as the context lasts. Raises as `store_until_closed`."""
    async with AsyncExitStack() as stack:
        yield store_until_closed(settings, stack)


def store_until_closed(settings: Settings, stack: AsyncExitStack) -> VectorStore:
    """The store, until the stack is closed and for one event loop; it connects at its first use.

    Only the library of the store that is chosen is loaded. Raises `StorageFailed` where an address of Weaviate cannot
    be read.
    """
    if settings.store.weaviate is None:
        from activities.adapters.stores.lancedb_store import LanceStore

        return LanceStore(home_of_index(settings))
    from activities.adapters.stores.weaviate_client import WeaviateServer
    from activities.adapters.stores.weaviate_store import WeaviateStore

    server = WeaviateServer(settings.store)
    stack.push_async_callback(server.close)
    return WeaviateStore(server)


def home_of_index(settings: Settings) -> Path:
    """What is known of the chosen store lies here; where that is LanceDB, its tables do too."""
    folder = settings.paths.state / "index"
    if settings.store.weaviate is None:
        return folder
    # No tenant's name has an underscore.
    return folder / f"_weaviate_{hashlib.sha256(settings.store.weaviate.encode()).hexdigest()[:12]}"
