"""Opens the shared state that the settings name."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from activities.ports import SharedState
from activities.settings import Settings


@asynccontextmanager
async def open_shared(settings: Settings) -> AsyncGenerator[SharedState]:
    """Open the shared state for one event loop, until the context ends; it connects at its first use.

    Raises `StorageFailed` where the address of Redis cannot be parsed.
    """
    if settings.shared.redis is not None:
        from activities.adapters.shared.redis_client import open_redis
        from activities.adapters.shared.redis_shared_state import RedisSharedState

        async with open_redis(settings.shared.redis.get_secret_value()) as redis:
            yield RedisSharedState(redis)
        return
    from activities.adapters.shared.local_shared_state import LocalSharedState

    yield LocalSharedState()
