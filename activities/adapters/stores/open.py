"""Opens the store of documents that the settings name."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from activities.ports import VectorStore
from activities.settings import Settings


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncGenerator[VectorStore]:
    """Open the store until the context ends. Raises `StorageFailed` where an address of Weaviate cannot be parsed."""
    async with AsyncExitStack() as stack:
        yield store_until_closed(settings, stack)


def store_until_closed(settings: Settings, stack: AsyncExitStack) -> VectorStore:
    """Return the store for one event loop; it connects at its first use, and closing the stack closes it.

    Only the chosen store's library is loaded. Raises `StorageFailed` where an address of Weaviate cannot be parsed.
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
    """Return the folder with the records about the chosen store; for LanceDB, its tables are there too."""
    folder = settings.paths.state / "index"
    if settings.store.weaviate is None:
        return folder
    # No tenant's name has an underscore.
    return folder / f"_weaviate_{hashlib.sha256(settings.store.weaviate.encode()).hexdigest()[:12]}"
